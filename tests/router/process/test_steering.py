"""Weights on their way: from the supervisor to real workers, those too that come later, and back in what is said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from harness import Client, StartUpstream, Upstream, backend, chat, config, policy, request, within
from signalbox.control.messages import Load, RouteWeights, SetWeights, Weights
from signalbox.router.options import ProxyOptions, SupervisorOptions
from signalbox.router.process.supervisor import Supervisor
from signalbox.routing.config import Feedback, Route, Share, Weighted, encode

ROUTE = RouteWeights(sets=(SetWeights(effective={"a": 0.99, "b": 0.01}, base={"a": 0.5, "b": 0.5}),))
WEIGHTS = Weights(policies={"auto": {"default": ROUTE}}, loads={"a": Load(age_ms=1000), "b": Load(age_ms=1000)})


@asynccontextmanager
async def running(a: Upstream, b: Upstream) -> AsyncIterator[Supervisor]:
    backends = backend(a), backend(b)
    strategy = Weighted(targets=(Share(target="a"), Share(target="b")), free=True)
    of = policy(
        *backends, routes=(Route(name="default", strategy=strategy),), feedback=Feedback(stale_after_ms=600_000)
    )
    proxy = ProxyOptions(allow_cidrs=("127.0.0.0/8",))
    supervisor = Supervisor(
        SupervisorOptions(port=0, admin_host="127.0.0.1", admin_port=0, workers=2, proxy=proxy, access_log=None)
    )
    await supervisor.start(encode(config(of, *backends)), {})
    try:
        yield supervisor
    finally:
        await supervisor.stop(0, 0)


async def part(supervisor: Supervisor, upstream: Upstream) -> float:
    """Which part of 40 requests, over as many connections, an upstream gets."""
    before = len(upstream.requests)
    for _ in range(40):
        client = Client(*await asyncio.open_connection("127.0.0.1", supervisor.port))
        assert (await client.ask(request(body=chat()))).status == 200
        client.leave()
    return (len(upstream.requests) - before) / 40


async def metrics(supervisor: Supervisor) -> list[str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", supervisor.admin_port)
    writer.write(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
    text = (await within(reader.read())).decode()
    writer.close()
    return [line for line in text.splitlines() if not line.startswith("#")]


async def test_all_workers_obey_also_one_that_is_started_later(start_upstream: StartUpstream) -> None:
    a, b = await start_upstream("a"), await start_upstream("b")
    async with running(a, b) as supervisor:
        assert 0.4 <= await part(supervisor, a) <= 0.6
        supervisor.steer(WEIGHTS)
        await supervisor.snapshot()  # asked after the weights, and answered after they are in force
        assert await part(supervisor, a) >= 0.8
        assert supervisor.weights == {"auto": {"default": ROUTE}}
        lines = await metrics(supervisor)
        label = 'policy="auto",route="default",target="a",tier="0"'
        assert f"signalbox_router_route_weight{{{label}}} 0.99" in lines
        assert 'signalbox_router_weights_by_load{policy="auto"} 1.0' in lines
        (age,) = (line for line in lines if line.startswith("signalbox_router_weights_age_seconds"))
        assert float(age.split()[1]) >= 1.0
        for child in tuple(supervisor._children.values()):
            child.kill()
        async with asyncio.timeout(30):
            while supervisor._restarts < 2 or supervisor.ready().problems:
                await asyncio.sleep(0.02)
        assert await part(supervisor, a) >= 0.8
        traffic = supervisor.traffic(["a", "b"])
        supervisor.steer(Weights())
        await supervisor.snapshot()
        assert 0.4 <= await part(supervisor, a) <= 0.6
        await supervisor.snapshot()
        after = supervisor.traffic(["a", "b"])
        assert sum(each.started for each in after.values()) >= sum(each.started for each in traffic.values()) + 40
        assert {each.in_flight for each in after.values()} == {0}
        assert supervisor.weights == {}


async def test_weights_that_came_too_long_ago_leave_the_base(
    start_upstream: StartUpstream,
) -> None:
    a, b = await start_upstream("a"), await start_upstream("b")
    async with running(a, b) as supervisor:
        supervisor.steer(WEIGHTS, heard_ago=700.0)
        await supervisor.snapshot()
        assert 0.4 <= await part(supervisor, a) <= 0.6
        assert supervisor.weights["auto"]["default"].sets[0].effective == {"a": 0.5, "b": 0.5}
        assert 'signalbox_router_weights_by_load{policy="auto"} 0.0' in await metrics(supervisor)
