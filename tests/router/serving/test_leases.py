"""Leases of limits on the wire."""

import time

from harness import StartRouter, Upstream, backend, chat, config, policy, request
from signalbox.routing.config import Limits

ASK = request(body=chat())
LIMITS = Limits(requests_per_minute=8, tokens_per_minute=10_000)


async def test_a_lease_holds_from_the_next_request_on_and_over_a_reload(
    start_router: StartRouter, upstream: Upstream
) -> None:
    target = backend(upstream, limits=LIMITS)
    router = await start_router(config(policy(target), target))
    client = await router.connect()
    for _ in range(4):
        assert (await client.ask(ASK)).status == 200
    router.proxy.lease({target.name: Limits(requests_per_minute=3), "another": Limits(max_in_flight=1)})
    full = await client.ask(ASK)
    assert (full.status, full.code) == (429, "rate_limit_exceeded")
    in_force = router.proxy.limits()[target.name]
    assert in_force.lease == Limits(requests_per_minute=3, tokens_per_minute=10_000)
    assert in_force.most.requests_per_minute == 4
    slower = backend(upstream, limits=LIMITS, base_path="/v2")
    router.configure(config(policy(slower), slower))
    assert (await client.ask(ASK)).status == 429
    router.proxy.lease({target.name: Limits(requests_per_minute=6)})
    assert [(await client.ask(ASK)).status for _ in range(3)] == [200, 200, 429]


async def test_a_lease_that_comes_before_its_backend_waits_for_it(
    start_router: StartRouter, upstream: Upstream
) -> None:
    router = await start_router()
    router.proxy.lease({upstream.name: Limits(requests_per_minute=1)})
    target = backend(upstream, limits=LIMITS)
    router.configure(config(policy(target), target))
    client = await router.connect()
    assert [(await client.ask(ASK)).status for _ in range(2)] == [200, 429]


async def test_a_newcomer_takes_little_until_it_is_leased_a_part_or_nobody_says_anything(
    start_router: StartRouter, upstream: Upstream
) -> None:
    target = backend(upstream, limits=Limits(requests_per_minute=30))
    for lease, more in ((None, 27), (Limits(requests_per_minute=5), 2)):
        router = await start_router(config(policy(target), target), lease_patience=10.0)
        client = await router.connect()
        assert [(await client.ask(ASK)).status for _ in range(4)] == [200, 200, 200, 429]
        if lease is not None:
            router.proxy.lease({target.name: lease})
        router.sweep(11.0)
        assert [(await client.ask(ASK)).status for _ in range(more + 1)] == [200] * more + [429]


async def test_what_was_spent_before_it_began_is_in_its_first_minute(
    start_router: StartRouter, upstream: Upstream
) -> None:
    target = backend(upstream, limits=LIMITS)
    router = await start_router()
    now = time.monotonic()
    router.proxy.inherit(
        [
            (now - 70.0, {target.name: Limits(requests_per_minute=7)}),
            (now - 30.0, {"other": Limits(requests_per_minute=1)}),
            (now - 5.0, {target.name: Limits(requests_per_minute=7, tokens_per_minute=9_000)}),
        ]
    )
    router.configure(config(policy(target), target))
    assert router.proxy.limits()[target.name].spent == Limits(
        max_in_flight=0, requests_per_minute=7, tokens_per_minute=9_000
    )
    client = await router.connect()
    assert [(await client.ask(ASK)).status for _ in range(2)] == [200, 429]
    router.configure(config(policy(target), target))
    assert router.proxy.limits()[target.name].spent.requests_per_minute == 8
