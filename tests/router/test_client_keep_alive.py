"""Connections of clients: several requests on one, in order, and how they end."""

import asyncio

import uvloop

from harness import Router, Upstream, chat, request


async def test_one_request(router: Router, upstream: Upstream) -> None:
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
    client = await router.connect()
    answer = await client.ask(request(body=chat()))
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "engine"
    assert upstream.requests[0].json["model"] == "real-model"
