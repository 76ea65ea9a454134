"""Which endpoints there are: over reloads, behind closed addresses, behind a name."""

import asyncio

import pytest
from scenes import ASK, backends_of, in_order

from harness import Gate, Router, StartRouter, Upstream, backend, completion, config, policy, response
from signalbox.routing.config import Address, Pricing
from waiting import until


def refusal(status: int, code: str, *headers: str) -> bytes:
    return response(status, {"error": {"message": "no", "type": "x", "param": None, "code": code}}, *headers)


@pytest.fixture
async def failing_over(start_router: StartRouter, pair: tuple[Upstream, Upstream]) -> Router:
    backends = backends_of(pair, pricing=Pricing(input=100, output=1000))
    return await start_router(config(in_order(*backends), *backends))


async def test_a_request_is_bound_to_the_configuration_that_it_began_with(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    """A reload drops no connection and no request, and takes a retired endpoint's idle connections away."""
    first, second = backends_of(pair)
    router = await start_router(config(policy(first), first))
    pair[0].reply = gate = Gate(response(200, completion("old")))
    client, other = await router.connect(), await router.connect()
    await client.send(ASK)
    await pair[0].wait_requests(1)
    router.configure(config(policy(second), second))
    assert (await other.ask(ASK)).header("x-signalbox-target") == b"second"
    gate.open()
    assert (await client.answer()).json["choices"][0]["message"]["content"] == "old"
    assert (await client.ask(ASK)).header("x-signalbox-target") == b"second"
    await pair[0].wait_closed()


async def test_a_reload_keeps_upstream_connections_and_health(
    failing_over: Router, pair: tuple[Upstream, Upstream]
) -> None:
    backends = backends_of(pair, pricing=Pricing(input=1))
    pair[0].reply = refusal(500, "x")
    client = await failing_over.connect()
    for _ in range(3):
        await client.ask(ASK)
    for _ in range(5):
        failing_over.configure(config(in_order(*backends), *backends))
        assert (await client.ask(ASK)).header("x-signalbox-target") == b"second"
    assert len(pair[0].requests) == 3, "it stays ejected"
    assert pair[1].accepted == 1


async def test_an_address_that_is_closed_is_refused_when_connecting(
    start_router: StartRouter, upstream: Upstream
) -> None:
    target = backend(upstream)
    router = await start_router(config(policy(target), target), allow_cidrs=())
    got = await (await router.connect()).ask(ASK)
    assert (got.status, got.code) == (502, "upstream_error")
    assert not upstream.accepted
    metadata = backend(upstream, endpoints=(Address(host="169.254.169.254", port=80),))
    other = await start_router(config(policy(metadata), metadata))
    assert (await (await other.connect()).ask(ASK)).status == 502


async def test_an_endpoint_that_is_no_address_fails_at_once(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream, endpoints=(Address(host="not an address", port=80),))
    router = await start_router(config(policy(target), target))
    assert (await (await router.connect()).ask(ASK)).status == 502


async def test_when_all_known_endpoints_fail_the_name_is_asked(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    dead, alive = pair
    await dead.stop()
    target = backend(dead, dns=Address(host="localhost", port=alive.address.port), endpoints=(dead.address,))
    router = await start_router(config(policy(target), target))
    client = await router.connect()
    for _ in range(4):  # from the first request on
        got = await client.ask(ASK)
        assert (got.status, got.json["choices"][0]["message"]["content"]) == (200, "second")


async def test_the_first_request_need_not_wait_for_a_name(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream, endpoints=(), dns=Address(host="localhost", port=upstream.address.port))
    router = await start_router()
    client = await router.connect()
    router.configure(config(policy(target), target))
    await client.send(ASK)
    assert (await client.answer()).status == 200
    state = router.proxy.live and router.proxy.live.backends[target.name]
    assert state
    await until(lambda: [e.label for e in state.endpoints] == [f"127.0.0.1:{upstream.address.port}"])
    moved = backend(upstream, endpoints=(), dns=Address(host="name.invalid", port=80))
    router.configure(config(policy(moved), moved))
    answer = await client.ask(ASK)
    assert (answer.status, answer.code) == (502, "upstream_error")


async def test_behind_a_name_may_be_others_than_the_one_that_refused(
    start_router: StartRouter, upstream: Upstream
) -> None:
    """As a Service's address may lead to a pod that has just gone."""
    port = upstream.address.port
    target = backend(upstream, endpoints=(), dns=Address(host="localhost", port=port))
    router = await start_router(config(policy(target), target))
    client = await router.connect()
    await upstream.stop()
    await client.send(ASK)
    await asyncio.sleep(0.1)
    await upstream.start(port)
    assert (await client.answer()).status == 200


async def test_a_name_that_leads_to_a_closed_address(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream, endpoints=(), dns=Address(host="localhost", port=upstream.address.port))
    router = await start_router(config(policy(target), target), allow_cidrs=())
    answer = await (await router.connect()).ask(ASK)
    assert answer.status == 502
    assert not upstream.accepted
