"""Defects of the router itself: whatever raises, the client gets an answer or the end, and the worker lives on."""

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from compiled import needs_python
from harness import STREAM_HEAD, Gate, Router, Upstream, chat, chunk, completion, event, request, response
from signalbox.router.serving import booking, replies
from signalbox.router.serving.attempt import Attempt
from signalbox.router.serving.client import ClientConnection
from signalbox.router.serving.exchange import Exchange
from signalbox.router.serving.live import LivePolicy
from signalbox.router.serving.search import Search
from signalbox.router.upstream.endpoint import Endpoint
from signalbox.router.wire.requests import RequestReader

pytestmark = needs_python

STREAM = STREAM_HEAD + chunk(event({"content": "a"})) + chunk(b"data: [DONE]\n\n") + chunk(b"")


def broken(*args: Any, **kwargs: Any) -> Any:
    raise ZeroDivisionError("a defect")


@pytest.fixture
def break_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[type | ModuleType, str], None]:
    """``break_once(cls, name)``: the next call of that method raises, later ones work."""

    def install(owner: type | ModuleType, name: str) -> None:
        original = getattr(owner, name)

        def method(*args: Any, **kwargs: Any) -> Any:
            monkeypatch.setattr(owner, name, original)
            return broken()

        monkeypatch.setattr(owner, name, method)

    return install


PLACES = [
    (RequestReader, "on_header"),
    (RequestReader, "on_url"),
    (RequestReader, "on_message_begin"),
    (RequestReader, "on_headers_complete"),
    (RequestReader, "on_body"),
    (RequestReader, "on_message_complete"),
    (ClientConnection, "_gate"),
    (ClientConnection, "_serve"),
    (LivePolicy, "match"),
    (LivePolicy, "available"),
    (Exchange, "_try"),
    (Exchange, "answer"),
    (replies, "head"),
    (Search, "first"),
    (Attempt, "connected"),
    (Endpoint, "take"),
    (Attempt, "received"),
]


@pytest.mark.parametrize(("owner", "name"), PLACES, ids=lambda value: getattr(value, "__name__", value))
async def test_before_the_answer_it_is_a_500(
    router: Router,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
    break_once: Callable[[type | ModuleType, str], None],
    owner: type,
    name: str,
) -> None:
    break_once(owner, name)
    client = await router.connect()
    answer = await client.ask(request("POST", "/v1/chat/completions", body=chat()))
    assert (answer.status, answer.code, answer.header("connection")) == (500, "internal_error", b"close")
    assert "defect" not in answer.body.decode()
    assert await client.rest() == b""
    assert any(record.exc_info and "defect" in str(record.exc_info[1]) for record in caplog.records)
    (entry,) = router.entries()
    assert (entry["status"], entry["error"]) == (500, "internal_error")
    after = await router.connect()
    assert (await after.ask(request(body=chat()))).status == 200
    assert [gauge.in_flight for gauge in router.proxy.gauges()] == [0]


@pytest.mark.parametrize(("owner", "name"), [(Exchange, "pass_on"), (Exchange, "answered"), (ClientConnection, "end")])
async def test_inside_the_answer_the_connection_ends(
    router: Router, upstream: Upstream, break_once: Callable[[type | ModuleType, str], None], owner: type, name: str
) -> None:
    upstream.reply = STREAM
    break_once(owner, name)
    client = await router.connect()
    await client.send(request(body=chat(stream=True)))
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await client.answer()
    after = await router.connect()
    assert (await after.ask(request(body=chat(stream=True)))).status == 200
    assert [gauge.in_flight for gauge in router.proxy.gauges()] == [0]


async def test_after_the_answer_the_client_keeps_it(
    router: Router, break_once: Callable[[type | ModuleType, str], None]
) -> None:
    break_once(booking, "served")
    client = await router.connect()
    answer = await client.ask(request(body=chat()))
    assert answer.status == 200
    assert await client.rest() == b""


async def test_a_failing_attempt_that_fails_to_end_is_ended(
    router: Router, upstream: Upstream, break_once: Callable[[type | ModuleType, str], None]
) -> None:
    upstream.replies.append(b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n")
    break_once(Exchange, "failed")
    client = await router.connect()
    assert (await client.ask(request(body=chat()))).status == 500
    assert [gauge.in_flight for gauge in router.proxy.gauges()] == [0]


async def test_time_outs_that_fail_do_not_stop_time(
    router: Router, upstream: Upstream, break_once: Callable[[type | ModuleType, str], None]
) -> None:
    upstream.replies.append(Gate(response(200, completion())))
    client = await router.connect()
    await client.send(request(body=chat()))
    await upstream.wait_requests(1)
    break_once(Attempt, "check")
    router.sweep(after=0)
    assert (await client.answer()).status == 500


async def test_a_pipeline_ends_with_the_request_that_failed(
    router: Router, upstream: Upstream, break_once: Callable[[type | ModuleType, str], None]
) -> None:
    slow = Gate(response(200, completion()))
    upstream.replies.append(slow)
    client = await router.connect()
    await client.send(request(body=chat()) * 3)
    await upstream.wait_requests(1)
    break_once(LivePolicy, "match")
    slow.open()
    assert [(await client.answer()).status for _ in range(2)] == [200, 500]
    assert await client.rest() == b""
    assert len(upstream.requests) == 1
