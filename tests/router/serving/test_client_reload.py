"""A new configuration under load: no connection is dropped, no request fails, nothing is asked twice."""

import asyncio

import pytest

from harness import (
    Client,
    Gate,
    Router,
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
from signalbox.router.wire.errors import ConfigRejectedError


async def pipelined(client: Client, rounds: int) -> list[str]:
    """Rounds of five requests at once; who answered."""
    seen = []
    for _ in range(rounds):
        await client.send(request(body=chat()) * 5)
        for _ in range(5):
            answer = await client.answer()
            assert answer.status == 200
            assert answer.header("connection") is None
            seen.append(answer.json["choices"][0]["message"]["content"])
    return seen


async def test_reloads_under_pipelined_load(router: Router, upstream: Upstream, start_upstream: StartUpstream) -> None:
    second = await start_upstream("second")
    clients = [await router.connect() for _ in range(4)]
    load = [asyncio.ensure_future(pipelined(client, 40)) for client in clients]
    reloads = 0
    while not all(task.done() for task in load):
        target = backend([upstream, second][reloads % 2], "engine")
        router.configure(config(policy(target), target))
        reloads += 1
        await asyncio.sleep(0.002)
    answered = [name for task in load for name in task.result()]
    assert len(answered) == 4 * 40 * 5 == len(upstream.requests) + len(second.requests)
    assert set(answered) == {"engine", "second"}
    assert reloads > 5
    assert router.statistics.connections_total == 4


async def test_a_request_ends_where_it_began(router: Router, upstream: Upstream, start_upstream: StartUpstream) -> None:
    slow = Gate(response(200, completion("before")))
    upstream.replies.append(slow)
    client = await router.connect()
    await client.send(request(body=chat()) * 2)
    await upstream.wait_requests(1)
    second = await start_upstream("second")
    target = backend(second)
    router.configure(config(policy(target), target))
    slow.open()
    answers = [(await client.answer()).json["choices"][0]["message"]["content"] for _ in range(2)]
    assert answers == ["before", "second"]


async def test_a_bad_configuration_changes_nothing(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    target = backend(upstream)
    with pytest.raises(ConfigRejectedError):
        router.configure(config(policy(backend(upstream, "missing")), target))
    with pytest.raises(ConfigRejectedError):
        router.proxy.prepare(b"{}", {})
    assert (await client.ask(request(body=chat()))).status == 200
