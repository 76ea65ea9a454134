"""Connections of clients: several requests on one, in order, and how they end."""

import asyncio

import pytest
import uvloop

from harness import STREAM_HEAD, Gate, Router, Upstream, chat, chunk, completion, event, request, response
from signalbox.router.serving.client import MAX_PIPELINED


async def test_requests_follow_each_other_on_one_connection(router: Router, upstream: Upstream) -> None:
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
    client = await router.connect()
    for _ in range(3):
        answer = await client.ask(request(body=chat()))
        assert answer.status == 200
        assert answer.header("connection") is None
        assert answer.json["choices"][0]["message"]["content"] == "engine"
    assert [each.json["model"] for each in upstream.requests] == ["real-model"] * 3
    assert (upstream.accepted, router.statistics.connections_total) == (1, 1)


async def test_the_client_may_ask_to_close(router: Router) -> None:
    client = await router.connect()
    answer = await client.ask(request("POST", "/v1/chat/completions", "connection: close", body=chat()))
    assert (answer.status, answer.header("connection")) == (200, b"close")
    assert await client.rest() == b""


async def test_pipelined_requests_are_answered_in_order(router: Router, upstream: Upstream) -> None:
    slow = Gate(response(200, completion("0")))
    upstream.replies.append(slow)
    upstream.replies.extend(response(200, completion(str(number))) for number in range(1, 6))
    client = await router.connect()
    await client.send(b"".join(request(body=chat(text=str(number))) for number in range(6)))
    await upstream.wait_requests(1)
    slow.open()
    answers = [(await client.answer()).json["choices"][0]["message"]["content"] for _ in range(6)]
    assert answers == ["0", "1", "2", "3", "4", "5"]
    assert [each.json["messages"][0]["content"] for each in upstream.requests] == answers


async def test_refusals_keep_their_place_in_a_pipeline(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    await client.send(
        request(body=chat(text="first"))
        + request(body=b"{")
        + request("GET", "/v1/models")
        + request(body=chat(model="unknown"))
        + request(body=chat(text="last"))
    )
    assert [(await client.answer()).status for _ in range(5)] == [200, 400, 200, 404, 200]
    assert len(upstream.requests) == 2


async def test_what_follows_lost_framing_is_never_served(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    await client.send(request(body=chat()) + b"garbage\r\n\r\n" + request(body=chat()))
    assert (await client.answer()).status == 200
    refused = await client.answer()
    assert (refused.status, refused.header("connection")) == (400, b"close")
    assert await client.rest() == b""
    assert len(upstream.requests) == 1


async def test_a_long_pipeline_is_not_read_before_its_turn(router: Router, upstream: Upstream) -> None:
    slow = Gate(response(200, completion()))
    upstream.replies.append(slow)
    client = await router.connect()
    (connection,) = await router.connections(1)
    one = request(body=chat(text="x" * 100_000))
    client.writer.write(one * 200)  # 20 MB
    await upstream.wait_requests(1)
    await router.settled(lambda: len(connection._reader.ready))
    assert 0 < len(connection._reader.ready) <= 2 * MAX_PIPELINED
    assert not connection.transport.is_reading()
    slow.open()
    for _ in range(200):
        assert (await client.answer()).status == 200


async def test_a_request_that_waits_for_100_in_a_pipeline_gets_it_in_its_turn(
    router: Router, upstream: Upstream
) -> None:
    slow = Gate(response(200, completion()))
    upstream.replies.append(slow)
    client = await router.connect()
    second = request("POST", "/v1/chat/completions", "expect: 100-continue", body=chat())
    head, body = second.split(b"\r\n\r\n")
    await client.send(request(body=chat()) + head + b"\r\n\r\n")
    await upstream.wait_requests(1)
    slow.open()
    assert (await client.answer()).status == 200
    assert (await client.answer(head_only=True)).status == 100
    assert (await client.ask(body)).status == 200


@pytest.mark.parametrize("end", ["drain", "eof"])
async def test_an_answer_of_the_very_moment_in_which_a_connection_ends_is_sent(router: Router, end: str) -> None:
    client = await router.connect()
    (connection,) = await router.connections(1)
    connection.data_received(request("GET", "/v1/models"))
    if end == "drain":
        router.proxy.drain()
    else:
        connection.eof_received()
        connection.transport.close()
    assert (await client.answer()).status == 200
    assert await client.rest() == b""


async def test_http_1_0_is_closed_unless_it_asks_otherwise(router: Router) -> None:
    client = await router.connect()
    answer = await client.ask(request(body=chat(), version="1.0"))
    assert (answer.status, answer.header("connection")) == (200, b"close")
    assert await client.rest() == b""
    client = await router.connect()
    for _ in range(2):
        answer = await client.ask(
            request("POST", "/v1/chat/completions", "connection: keep-alive", body=chat(), version="1.0")
        )
        assert (answer.status, answer.header("connection")) == (200, b"keep-alive")


async def test_http_1_0_gets_streams_without_chunks(router: Router, upstream: Upstream) -> None:
    first, last = event({"content": "a"}), b"data: [DONE]\n\n"
    upstream.reply = STREAM_HEAD + chunk(first) + chunk(last) + chunk(b"")
    client = await router.connect()
    await client.send(
        request("POST", "/v1/chat/completions", "connection: keep-alive", body=chat(stream=True), version="1.0")
    )
    answer = await client.answer(until_close=True)
    assert answer.all("transfer-encoding") == []
    assert answer.header("connection") == b"close"
    assert answer.body == first + last


async def test_idle_connections_are_closed_after_their_time(router: Router) -> None:
    client, fresh = await router.connect(), await router.connect()
    await client.ask(request(body=chat()))
    await router.connections(2)
    router.sweep(after=60)
    assert (await client.ask(request(body=chat()))).status == 200
    router.sweep(after=80)
    assert await client.rest() == b""
    assert await fresh.rest() == b""


async def test_clients_that_leave_cancel_the_work_of_the_endpoint(router: Router, upstream: Upstream) -> None:
    slow = Gate(response(200, completion()))
    upstream.replies.append(slow)
    client = await router.connect()
    await client.send(request(body=chat()))
    await upstream.wait_requests(1)
    client.leave()
    await asyncio.wait_for(slow.gone.wait(), 10)
    (entry,) = router.entries()
    assert (entry["status"], entry["error"]) == (499, "client_closed")
    assert [gauge.in_flight for gauge in router.proxy.gauges()] == [0]


async def test_clients_that_leave_take_their_pipeline_with_them(router: Router, upstream: Upstream) -> None:
    slow = Gate(response(200, completion()))
    upstream.replies.append(slow)
    client = await router.connect()
    await client.send(request(body=chat()) * 3)
    await upstream.wait_requests(1)
    client.leave()
    await upstream.wait_closed()
    assert len(upstream.requests) == 1
