"""Shedding on the wire: too many wait at every target, so the least important are told to come later."""

import pytest
from configs import tenant
from scenes import backends_of, in_order

from harness import CHAT, Router, StartRouter, Upstream, backend, chat, config, policy, request
from signalbox.control.messages import Load, RouteWeights, SetWeights, Weights
from signalbox.routing.config import Access, Feedback, Limits

ASK = request(body=chat())
ROUTE = RouteWeights(sets=(SetWeights(effective={"first": 0.5, "second": 0.5}),))


def loads(**waiting: float) -> Weights:
    """So many wait at each backend that serves one a second; it may let them wait for 30 s."""
    return Weights(
        policies={"auto": {"default": ROUTE}},
        loads={
            name: Load(age_ms=0, in_system=count + 4, waiting=count, rate=1.0, utilization=1.5)
            for name, count in waiting.items()
        },
    )


def turned_away(router: Router) -> dict[str, int]:
    return {count.first: count.value for count in router.statistics.snapshot().shed}


async def statuses(router: Router, count: int = 20, *lines: str) -> set[int]:
    client = await router.connect()
    return {(await client.ask(request("POST", CHAT, *lines, body=chat()))).status for _ in range(count)}


async def test_only_where_every_target_has_a_long_queue(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    backends = backends_of(pair)
    router = await start_router(config(policy(*backends), *backends))
    assert await statuses(router) == {200}, "nothing is known"
    router.proxy.steer(loads(first=1000.0, second=2.0), 0.0)
    assert await statuses(router) == {200}
    router.proxy.steer(loads(first=1000.0), 0.0)
    assert await statuses(router) == {200}, "of one nothing is known"
    router.proxy.steer(loads(first=100.0, second=50.0), 0.0)
    client = await router.connect()
    answer = await client.ask(ASK)
    assert (answer.status, answer.code, answer.json["error"]["type"]) == (429, "overloaded", "rate_limit_error")
    retry_after = answer.header("retry-after")
    assert retry_after is not None
    assert 42 <= int(retry_after) <= 43  # 50 s wait, and 7.5 s are no reason to refuse anybody
    assert sum(turned_away(router).values()) == 1
    assert [(c.first, c.second, c.value) for c in router.statistics.snapshot().rejected] == [("auto", "overloaded", 1)]
    router.proxy.steer(loads(first=100.0, second=50.0), 16.0)
    assert (await client.ask(ASK)).status == 200, "a sample that is too old says nothing"


async def test_a_sample_is_too_old_for_whom_it_is_whoever_else_is_more_patient(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    backends = backends_of(pair)
    idle = policy(*backends, name="idle", feedback=Feedback(mode="Disabled", stale_after_ms=3_600_000))
    router = await start_router(config((policy(*backends), idle), *backends))
    router.proxy.steer(loads(first=100.0, second=50.0), 14.0)
    assert await statuses(router) == {429}
    router.proxy.steer(loads(first=100.0, second=50.0), 16.0)
    assert await statuses(router) == {200}


@pytest.mark.parametrize("mode", ["Observe", "Disabled"])
async def test_who_only_watches_refuses_nobody(
    mode: str, start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    backends = backends_of(pair)
    router = await start_router(config(policy(*backends, feedback=Feedback(mode=mode)), *backends))  # type: ignore[arg-type]
    router.proxy.steer(loads(first=100.0, second=100.0), 0.0)
    assert await statuses(router) == {200}


async def test_gold_is_served_before_silver_and_silver_before_the_rest(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    backends = backends_of(pair)
    gold, secret = tenant("a", "gold-key-0123456789", tier="gold")
    silver, secrets = tenant("b", "silver-key-0123456789", tier="silver")
    access = Access(anonymous=True, tenants=(gold, silver), tiers=("gold", "silver"))
    router = await start_router(config(policy(*backends, access=access), *backends), secret | secrets)

    async def seen(waiting: float) -> list[set[int]]:
        router.proxy.steer(loads(first=waiting, second=waiting), 0.0)
        keys = [("authorization: Bearer gold-key-0123456789",), ("authorization: Bearer silver-key-0123456789",), ()]
        return [await statuses(router, 8, *lines) for lines in keys]

    assert await seen(7.0) == [{200}, {200}, {200}]
    assert await seen(15.0) == [{200}, {200}, {429}]
    assert await seen(22.5) == [{200}, {429}, {429}]
    assert await seen(60.0) == [{429}, {429}, {429}]


async def test_who_finds_every_limit_reached_counts_as_turned_away(
    start_router: StartRouter, upstream: Upstream
) -> None:
    target = backend(upstream, limits=Limits(requests_per_minute=1))
    router = await start_router(config(policy(target), target))
    assert await statuses(router, 3) == {200, 429}
    assert turned_away(router) == {target.name: 2}


async def test_who_is_down_is_not_wanted_more_because_another_is_full(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    await pair[0].stop()
    own, other = backend(pair[0]), backend(pair[1], limits=Limits(requests_per_minute=1))
    router = await start_router(config(in_order(own, other), own, other))
    while not router.proxy._backends[own.name].endpoints[0].health.ejected:
        await statuses(router, 1)
    before = turned_away(router).get(other.name, 0)
    assert await statuses(router, 3) == {429}
    assert turned_away(router) == {other.name: before + 3}
