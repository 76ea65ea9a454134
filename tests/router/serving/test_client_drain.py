"""The end of a process: what is in flight ends well, what is idle ends now."""

import asyncio

from harness import Gate, Router, Upstream, chat, completion, request, response


async def test_idle_connections_close_and_requests_in_flight_finish(router: Router, upstream: Upstream) -> None:
    slow = Gate(response(200, completion("late")))
    upstream.replies.append(slow)
    idle, busy = await router.connect(), await router.connect()
    await busy.send(request(body=chat()))
    await upstream.wait_requests(1)
    await router.connections(2)
    router.proxy.drain()
    assert await idle.rest() == b""
    drained = asyncio.ensure_future(router.proxy.drained())
    assert not drained.done()
    slow.open()
    answer = await busy.answer()
    assert answer.json["choices"][0]["message"]["content"] == "late"
    assert answer.header("connection") == b"close"
    assert await busy.rest() == b""
    await asyncio.wait_for(drained, 10)


async def test_a_request_half_sent_is_still_served(router: Router) -> None:
    client = await router.connect()
    whole = request(body=chat())
    await client.send(whole[:-5])
    (connection,) = await router.connections(1)
    await router.settled(lambda: connection._reader.current)
    router.proxy.drain()
    answer = await client.ask(whole[-5:])
    assert (answer.status, answer.header("connection")) == (200, b"close")
    assert await client.rest() == b""


async def test_of_a_pipeline_the_next_answer_is_the_last(router: Router, upstream: Upstream) -> None:
    slow = Gate(response(200, completion()))
    upstream.replies.append(slow)
    client = await router.connect()
    await client.send(request(body=chat()) * 3)
    await upstream.wait_requests(1)
    router.proxy.drain()
    slow.open()
    assert (await client.answer()).header("connection") == b"close"
    assert await client.rest() == b""


async def test_who_comes_by_a_handshake_that_had_begun_is_served_or_does_not_hold_up_the_end(router: Router) -> None:
    busy = await router.connect()
    await busy.send(request(body=chat())[:-5])
    (connection,) = await router.connections(1)
    await router.settled(lambda: connection._reader.current)
    router.proxy.drain()
    asks, silent = await router.connect(), await router.connect()
    await router.connections(3)
    answer = await asks.ask(request(body=chat()))
    assert (answer.status, answer.header("connection")) == (200, b"close")
    router.sweep(after=router.proxy.options.header_timeout + 1)
    assert await silent.rest() == b""
