"""What clients see when one of two engines breaks under load: simulated engines, with the faults of real ones."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from harness import Router, StartRouter, backend, chat, config, policy, request
from signalbox.routing.config import Address, ApiKey, Timeouts
from signalbox.sim.faults import HEALTHY, Faults
from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine

PROFILE = Profile(speed=20, output_tokens=20, batch=64)


@pytest.fixture
async def engines() -> AsyncIterator[list[SimulatedEngine]]:
    started = [SimulatedEngine(name, PROFILE, keys=("engine-key",), seed=1) for name in ("good", "bad")]
    for each in started:
        await each.start()
    yield started
    for each in started:
        await each.stop()


@pytest.fixture
async def router(start_router: StartRouter, engines: list[SimulatedEngine]) -> Router:
    backends = []
    for each in engines:
        host, _, port = each.address.partition(":")
        backends.append(
            backend(
                [],
                each.name,
                model="sim",
                endpoints=(Address(host=host, port=int(port)),),
                api_key=ApiKey(entry="key"),
                timeouts=Timeouts(connect_ms=1000, first_token_ms=3000),
            )
        )
    return await start_router(config(policy(*backends), *backends), {"key": b"engine-key"})


async def load(router: Router, clients: int, requests: int, stream: bool) -> Counter[str]:
    """What clients saw: complete answers, answers that broke in the middle, and error statuses."""
    seen: Counter[str] = Counter()

    async def one() -> None:
        client = await router.connect()
        for _ in range(requests):
            answer: Any = await client.ask(request(body=chat(stream=stream)))
            if answer.status != 200:
                seen[str(answer.status)] += 1
            elif stream:
                seen["complete" if answer.body.endswith(b"data: [DONE]\n\n") else "broken"] += 1
            else:
                seen["complete" if answer.json["choices"][0]["finish_reason"] else "broken"] += 1

    await asyncio.gather(*(one() for _ in range(clients)))
    return seen


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "fault",
    [
        Faults(status=500),
        Faults(status=401),
        Faults(status=429, retry_after=1),
        Faults(error_event=503),
        Faults(draining=True),
        Faults(reset=True),
        Faults(dead=True),
    ],
    ids=lambda fault: next(f for f in fault.__struct_fields__ if getattr(fault, f) != getattr(HEALTHY, f)),
)
async def test_no_client_sees_a_fault_before_content(
    router: Router, engines: list[SimulatedEngine], fault: Faults, stream: bool
) -> None:
    assert await load(router, 4, 2, stream) == {"complete": 8}
    await engines[1].apply(fault)
    assert await load(router, 10, 6, stream) == {"complete": 60}


async def test_a_stalled_engine_costs_streams_the_time_of_their_first_token(
    router: Router, engines: list[SimulatedEngine]
) -> None:
    await engines[1].apply(Faults(stalled=True))
    assert await load(router, 10, 2, True) == {"complete": 20}


async def test_streams_that_are_cut_say_so(router: Router, engines: list[SimulatedEngine]) -> None:
    await engines[1].apply(Faults(cut_after=5))
    seen = await load(router, 10, 6, True)
    assert seen["complete"] + seen["broken"] == 60
    assert seen["broken"] > 0
    assert seen["complete"] >= 30


async def test_unary_answers_that_are_cut_are_replaced(router: Router, engines: list[SimulatedEngine]) -> None:
    await engines[1].apply(Faults(cut_after=5))
    assert await load(router, 10, 6, False) == {"complete": 60}


async def test_streams_under_way_end_well_while_an_engine_drains(
    router: Router, engines: list[SimulatedEngine]
) -> None:
    running = asyncio.create_task(load(router, 20, 1, True))
    bad = router.proxy.live and router.proxy.live.backends["bad"]
    async with asyncio.timeout(10):
        while not (bad and bad.in_flight):
            await asyncio.sleep(0.001)
    await engines[1].apply(Faults(draining=True))
    assert await running == {"complete": 20}


async def test_a_client_that_sends_nonsense_ejects_nobody(router: Router) -> None:
    client = await router.connect()
    for _ in range(30):
        answer = await client.ask(request(body={"model": "auto", "messages": "nonsense"}))
        assert answer.status == 400
    assert all(gauge.usable for gauge in router.proxy.gauges())
    assert await load(router, 2, 5, True) == {"complete": 10}
