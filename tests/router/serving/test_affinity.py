"""Affinity on the wire: which endpoint of a target a request goes to."""

import pytest

from harness import (
    CHAT,
    Gate,
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
from signalbox.routing.config import Affinity


@pytest.fixture
async def engines(start_upstream: StartUpstream) -> list[Upstream]:
    return [await start_upstream(f"engine{number}") for number in range(4)]


def served(engines: list[Upstream]) -> list[int]:
    return [len(engine.requests) for engine in engines]


async def test_what_begins_alike_goes_to_one_endpoint(start_router: StartRouter, engines: list[Upstream]) -> None:
    target = backend(engines, name="all")
    affine = config(policy(target, affinity=Affinity(key="Prefix")), target)
    for router in (await start_router(affine), await start_router(affine)):
        client = await router.connect()
        for _ in range(10):
            await client.ask(request(body=chat(text="hello")))
    assert sorted(served(engines)) == [0, 0, 0, 20], "the routers agree"
    for number in range(40):
        await client.ask(request(body=chat(text=f"text {number}")))
    assert all(served(engines))


async def test_a_session_stays_and_moves_when_its_endpoint_fails(
    start_router: StartRouter, engines: list[Upstream]
) -> None:
    target = backend(engines, name="all")
    router = await start_router(config(policy(target, affinity=Affinity(key="Session")), target))
    client = await router.connect()
    ask = [request("POST", CHAT, f"x-session-id: {name}", body=chat()) for name in "abcdefgh"]
    for _ in range(5):
        for each in ask:
            await client.ask(each)
    before = served(engines)
    assert all(count % 5 == 0 for count in before)
    broken = max(range(4), key=before.__getitem__)
    engines[broken].reply = response(500, {"error": {"message": "no"}})
    for _ in range(5):
        for each in ask:
            assert (await client.ask(each)).status == 200
    moved = [after - count for after, count in zip(served(engines), before, strict=True)]
    assert all(moved[number] >= before[number] for number in range(4) if number != broken)


async def test_a_busy_endpoint_is_passed_over(start_router: StartRouter, engines: list[Upstream]) -> None:
    target = backend(engines, name="all")
    router = await start_router(config(policy(target, affinity=Affinity(key="Prefix")), target))
    gates = []
    for engine in engines:
        engine.reply = gate = Gate(response(200, completion()))
        gates.append(gate)
    clients = [await router.connect() for _ in range(8)]
    for client in clients:
        await client.send(request(body=chat(text="the same")))
    await router.settled(lambda: sum(served(engines)) == 8)
    assert max(served(engines)) <= 3  # 125 % of two, rounded up
    for gate in gates:
        gate.open()
    for client in clients:
        assert (await client.answer()).status == 200
