"""Weights in the whole proxy: put in force while requests flow, kept over a reload, let go of when they are old."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from scenes import HELLO, LAST, STREAM, USAGE, stream

from harness import (
    DONE,
    Gate,
    Router,
    StartRouter,
    StartUpstream,
    Upstream,
    backend,
    chat,
    completion,
    config,
    policy,
    request,
    response,
)
from signalbox.control.messages import Load, RouteWeights, SetWeights, Weights
from signalbox.routing.config import Failover, Feedback, Policy, Route, RouterConfig, Share, Spill, Tier, Weighted
from signalbox.routing.expressions.tree import Condition, Variable
from waiting import until

ASK = request(body=chat())


def set_of(*names: str, weights: Sequence[int] = (), free: bool = True) -> Weighted:
    shares = tuple(Share(target=n, weight=w) for n, w in zip(names, weights or [1] * len(names), strict=True))
    return Weighted(targets=shares, free=free)


def serving(upstreams: Sequence[Upstream], strategy: Weighted | Failover, **fields: object) -> RouterConfig:
    backends = [backend(each) for each in upstreams]
    return config(policy(*backends, routes=(Route(name="default", strategy=strategy),), **fields), *backends)


def weights(*sets: dict[str, float], spill: float = 0.0, age_ms: int = 0, **in_system: float) -> Weights:
    route = RouteWeights(
        sets=tuple(SetWeights(effective=each, base=dict.fromkeys(each, 0.5)) for each in sets), spill=spill
    )
    return Weights(
        policies={"auto": {"default": route}},
        loads={name: Load(age_ms=age_ms, in_system=n) for name, n in in_system.items()},
    )


async def asked(router: Router, count: int, body: bytes = ASK) -> Counter[str]:
    """Who answered how many of the requests, one after the other."""
    client = await router.connect()
    answers = [await client.ask(body) for _ in range(count)]
    assert {answer.status for answer in answers} == {200}
    client.leave()
    return Counter((answer.header("x-signalbox-target") or b"").decode() for answer in answers)


async def test_weights_move_requests_and_a_reload_keeps_them(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    configuration = serving(pair, set_of("first", "second"), debug=True)
    router = await start_router(configuration)
    assert (await asked(router, 100))["first"] == pytest.approx(50, abs=2)
    router.proxy.steer(weights({"first": 0.95, "second": 0.05}, first=0.0, second=30.0), 0.0)
    assert (await asked(router, 100))["first"] >= 95
    changed = serving(pair, set_of("first", "second"), debug=True, models=("auto", "other"))
    router.configure(changed)
    assert (await asked(router, 100))["first"] >= 95
    new_route = Route(name="default", strategy=set_of("second", "first"))
    router.configure(config(changed_policy(changed, routes=(new_route,), debug=True), *changed.backends))
    assert (await asked(router, 100))["first"] >= 95
    client = await router.connect()
    answer = await client.ask(request("POST", "/v1/chat/completions", "x-signalbox-debug: true", body=chat()))
    assert answer.header("x-signalbox-reason") == b"route default (no condition), weighted by load, try 1"


def changed_policy(of: RouterConfig, **fields: object) -> Policy:
    backends = {each.name: each for each in of.backends}
    return policy(*(backends[target.backend] for target in of.policies[0].targets), **fields)


async def test_requests_that_flow_meanwhile_are_answered(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    router = await start_router(serving(pair, set_of("first", "second")))
    ended = False

    async def steer() -> None:
        turn = 0.1
        while not ended:
            turn = 1.0 - turn
            router.proxy.steer(weights({"first": turn, "second": 1.0 - turn}, first=3.0, second=1.0), 0.0)
            await asyncio.sleep(0)

    steering = asyncio.ensure_future(steer())
    counts = sum((await asyncio.gather(*(asked(router, 50) for _ in range(8)))), Counter[str]())
    ended = True
    await steering
    assert counts.total() == 400
    assert set(counts) == {"first", "second"}
    assert all(backend.backlog.in_flight == 0 for backend in router.proxy._backends.values())


async def test_weights_that_are_old_leave_the_base(start_router: StartRouter, pair: tuple[Upstream, Upstream]) -> None:
    router = await start_router(serving(pair, set_of("first", "second"), feedback=Feedback(stale_after_ms=600_000)))
    one_sided = weights({"first": 1.0, "second": 0.0}, age_ms=60_000, first=0.0)
    router.proxy.steer(one_sided, 0.0)
    assert (await asked(router, 50))["first"] > 40
    router.sweep(530.0)
    assert (await asked(router, 50))["first"] > 40
    router.sweep(545.0)
    assert (await asked(router, 100))["first"] == pytest.approx(50, abs=2)
    router.proxy.steer(one_sided, 590.0)  # as a worker hears it that is started long after
    assert (await asked(router, 100))["first"] == pytest.approx(50, abs=2)


@pytest.mark.parametrize("mode", ["Observe", "Disabled"])
async def test_who_only_observes_is_not_steered(
    start_router: StartRouter, pair: tuple[Upstream, Upstream], mode: str
) -> None:
    feedback = Feedback(mode=mode)  # type: ignore[arg-type]
    router = await start_router(serving(pair, set_of("first", "second"), feedback=feedback))
    router.proxy.steer(weights({"first": 1.0, "second": 0.0}), 0.0)
    assert (await asked(router, 100))["first"] == pytest.approx(50, abs=2)


async def test_policies_that_weights_no_longer_name_go_by_their_shares(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    router = await start_router(serving(pair, set_of("first", "second", weights=(3, 1), free=False)))
    router.proxy.steer(weights({"first": 0.25, "second": 0.75}), 0.0)
    assert (await asked(router, 100))["first"] == pytest.approx(25, abs=2)
    router.proxy.steer(Weights(), 0.0)
    assert (await asked(router, 100))["first"] == pytest.approx(75, abs=2)


@pytest.mark.parametrize("part", [float("nan"), float("inf"), -1.0, 1e308, 0.0])
@pytest.mark.parametrize("free", [True, False])
async def test_weights_that_make_no_sense_harm_no_request(
    start_router: StartRouter, pair: tuple[Upstream, Upstream], part: float, free: bool
) -> None:
    router = await start_router(serving(pair, set_of("first", "second", free=free)))
    for effective in ({"first": part, "second": 0.5}, {"first": 0.5, "second": part}, {"first": part}, {"other": part}):
        router.proxy.steer(weights(effective, first=part, spill=part), 0.0)
        assert (await asked(router, 20)).total() == 20
        router.configure(serving(pair, set_of("second", "first", free=free)))
        assert (await asked(router, 20)).total() == 20


async def test_a_failover_spills(start_router: StartRouter, pair: tuple[Upstream, Upstream]) -> None:
    tiers = tuple(Tier(targets=(Share(target=name),), free=True) for name in ("first", "second"))
    router = await start_router(serving(pair, Failover(tiers=tiers, spill=Spill(from_percent=80, to_percent=100))))
    assert await asked(router, 50) == {"first": 50}
    router.proxy.steer(weights({"first": 1.0}, {"second": 1.0}, spill=0.4), 0.0)
    assert (await asked(router, 100))["second"] == pytest.approx(40, abs=2)


async def test_one_that_was_given_nothing_gets_its_probe(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    """Nobody could use it when weights were made. Only a request shows that it is well again."""
    first, _ = pair
    router = await start_router(serving(pair, set_of("first", "second")))
    first.reply = response(500, {"error": "down"})
    health = router.proxy._backends["first"].endpoints[0].health
    while not health.ejected:
        await asked(router, 1)
    router.proxy.steer(weights({"first": 0.0, "second": 1.0}), 0.0)
    assert await asked(router, 50) == {"second": 50}
    first.reply = response(200, completion("first"))
    health._until = 1.0  # long ago
    async with asyncio.timeout(10):
        while health.ejected:
            await asked(router, 10)


async def test_load_of_engines_decides_conditions_until_it_is_old(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    backends = [backend(each) for each in pair]
    busy = Condition(source="targets.first.overloaded", tree=Variable(path="targets.first.overloaded"))
    routes = (
        Route(name="busy", when=busy, strategy=set_of("second")),
        Route(name="default", strategy=set_of("first")),
    )
    router = await start_router(config(policy(*backends, routes=routes), *backends))
    state = router.proxy._backends["first"]
    seen = []
    for utilization in (0.95, 0.8, 0.6):
        load = Load(age_ms=0, waiting=3.0, utilization=utilization, kv_cache_usage=0.25)
        router.proxy.steer(Weights(loads={"first": load}), 0.0)
        assert (state.waiting, state.utilization, state.kv_cache_usage) == (3, utilization, 0.25)
        seen += list(await asked(router, 1))
    assert seen == ["second", "second", "first"]
    router.proxy.steer(Weights(loads={"first": Load(age_ms=16_000, utilization=1.0)}), 0.0)
    assert (state.waiting, state.utilization, state.overloaded) == (None, None, False)


async def test_what_is_under_way_and_what_ended_is_counted_also_of_streams(
    start_router: StartRouter, start_upstream: StartUpstream
) -> None:
    upstream = await start_upstream("engine")
    router = await start_router(serving([upstream], set_of("engine")))
    gate = Gate(stream(HELLO, LAST, USAGE, DONE))
    upstream.reply = gate
    client = await router.connect()
    await client.send(STREAM)
    await upstream.wait_requests(1)
    backlog = router.proxy._backends["engine"].backlog
    assert (backlog.in_flight, backlog.started) == (1, 1)
    router.configure(serving([upstream], set_of("engine"), debug=True))
    snapshot = router.statistics.snapshot()
    assert [(count.first, count.value) for count in snapshot.starts] == [("engine", 1)]
    assert snapshot.attempts == []
    gate.open()
    await client.answer()
    await until(lambda: backlog.in_flight == 0)
    (series,) = router.statistics.snapshot().series
    assert (series.input_tokens.sum, series.output_tokens.sum, series.cached_tokens) == (10, 5, 4)
