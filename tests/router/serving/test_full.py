"""More connections than a worker keeps."""

import pytest

from harness import StartRouter, Upstream, backend, chat, completion, config, policy, request, response
from signalbox.router.serving.appointments import PER_SECOND
from signalbox.router.serving.full import ANSWERS, SPARE_DESCRIPTORS, most_connections
from waiting import until


@pytest.mark.parametrize(
    ("wanted", "descriptors", "kept"),
    [
        pytest.param(8192, 1 << 20, 8192, id="as wanted"),
        pytest.param(8192, -1, 8192, id="any number of files"),
        pytest.param(8192, 1024, (1024 - SPARE_DESCRIPTORS) // 3, id="few files"),
        pytest.param(8192, 16, 1, id="never none"),
    ],
)
def test_files_bound_connections(wanted: int, descriptors: int, kept: int) -> None:
    assert most_connections(wanted, descriptors) == kept


async def test_a_connection_too_many_is_told_so(start_router: StartRouter, upstream: Upstream) -> None:
    upstream.reply = response(200, completion())
    target = backend(upstream)
    router = await start_router(config(policy(target), target), max_connections=2)
    kept = [await router.connect() for _ in range(2)]
    await router.connections(2)
    third = await router.connect()
    refused = await third.ask(request(body=chat()))
    assert (refused.status, refused.code) == (503, "too_many_connections")
    assert refused.header("retry-after") == b"1"
    assert refused.header("connection") == b"close"
    assert await third.rest() == b""
    assert [(await client.ask(request(body=chat()))).status for client in kept] == [200, 200]
    kept[0].leave()
    await router.connections(1)
    fourth = await router.connect()
    assert (await fourth.ask(request(body=chat()))).status == 200
    third.leave()
    await until(lambda: not router.proxy.lingering)
    assert [(c.first, c.second, c.value) for c in router.statistics.snapshot().rejected] == [
        ("", "too_many_connections", 1)
    ]


async def test_at_the_door_those_count_who_are_on_their_way_in(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream)
    router = await start_router(config(policy(target), target), max_connections=2)
    kept = await router.connect()
    await router.connections(1)
    assert not router.proxy.full(0)
    assert router.proxy.full(1)
    assert b"too_many_connections" in router.proxy.turn_away()
    assert [(c.first, c.second, c.value) for c in router.statistics.snapshot().rejected] == [
        ("", "too_many_connections", 1)
    ]
    kept.leave()


async def test_of_many_too_many_some_come_again_later(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream)
    router = await start_router(config(policy(target), target), max_connections=1)
    kept = await router.connect()
    await router.connections(1)
    assert b"retry-after: 1\r\n" in router.proxy.turn_away()
    # However slowly this runs: these are the appointments of nine seconds, given away in much less.
    told = b"".join(router.proxy.turn_away() for _ in range(9 * PER_SECOND))
    assert b"retry-after: 2\r\n" in told
    refused = await (await router.connect()).ask(request(body=chat()))
    assert refused.status == 503
    assert refused.header("retry-after") in {b"%d" % seconds for seconds in ANSWERS}
    kept.leave()


async def test_endpoints_share_the_idle_connections(start_router: StartRouter, upstream: Upstream) -> None:
    one, other = backend(upstream, "one"), backend(upstream, "other")
    router = await start_router(config(policy(one), one), max_connections=100)
    assert router.proxy._dialer.most_idle == 100
    router.configure(config(policy(one, other), one, other))
    assert router.proxy._dialer.most_idle == 50
