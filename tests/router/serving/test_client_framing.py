"""Requests that must not be served: what the client gets, and that nothing of them is forwarded."""

import pytest

from harness import CHAT, Router, StartRouter, Upstream, backend, chat, chunk, config, policy, request
from signalbox.routing.config import Access

HOST = b"host: router\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
BODY = b'{"model":"auto","messages":[]}'
SIZED = b"content-length: %d\r\n" % len(BODY)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(POST + HOST + SIZED + CHUNKED + b"\r\n" + chunk(BODY) + chunk(b""), 400, id="both framings"),
        pytest.param(POST + HOST + CHUNKED + SIZED + b"\r\n" + chunk(BODY) + chunk(b""), 400, id="both, other order"),
        pytest.param(POST + HOST + SIZED + SIZED + b"\r\n" + BODY, 400, id="same length twice"),
        pytest.param(POST + HOST + SIZED + b"content-length: 1\r\n\r\n" + BODY, 400, id="two lengths"),
        pytest.param(POST + HOST + b"content-length: 30, 30\r\n\r\n" + BODY, 400, id="length list"),
        pytest.param(POST + HOST + b"content-length: +30\r\n\r\n" + BODY, 400, id="signed length"),
        pytest.param(POST + HOST + b"content-length: -1\r\n\r\n" + BODY, 400, id="negative length"),
        pytest.param(POST + HOST + b"content-length: 0x1e\r\n\r\n" + BODY, 400, id="hexadecimal length"),
        pytest.param(POST + HOST + b"content-length: 3 0\r\n\r\n" + BODY, 400, id="length with a space"),
        pytest.param(POST + HOST + b"content-length: \r\n\r\n" + BODY, 400, id="empty length"),
        pytest.param(POST + HOST + b"content-length: 99999999999999999999\r\n\r\n", 400, id="length overflow"),
        pytest.param(POST + HOST + b"transfer-encoding: gzip, chunked\r\n\r\n", 400, id="other coding first"),
        pytest.param(POST + HOST + b"transfer-encoding: chunked, gzip\r\n\r\n", 400, id="chunked not last"),
        pytest.param(POST + HOST + b"transfer-encoding: identity\r\n\r\n" + BODY, 400, id="identity"),
        pytest.param(POST + HOST + b"transfer-encoding: xchunked\r\n\r\n", 400, id="unknown coding"),
        pytest.param(POST + HOST + CHUNKED + CHUNKED + b"\r\n" + chunk(b""), 400, id="chunked twice"),
        pytest.param(POST + HOST + b"transfer-encoding:\x0bchunked\r\n\r\n" + chunk(b""), 400, id="odd white space"),
        pytest.param(POST + HOST + b"transfer-encoding : chunked\r\n\r\n" + chunk(b""), 400, id="space before colon"),
        pytest.param(POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n" + chunk(b""), 400, id="chunked in HTTP/1.0"),
        pytest.param(POST + HOST + CHUNKED + b"\r\nxyz\r\n", 400, id="bad chunk size"),
        pytest.param(POST + HOST + CHUNKED + b"\r\n-1\r\n", 400, id="negative chunk size"),
        pytest.param(POST + HOST + CHUNKED + b"\r\nffffffffffffffffff\r\n", 400, id="chunk size overflow"),
        pytest.param(POST + HOST + CHUNKED + b"\r\n2\r\nabX0\r\n\r\n", 400, id="chunk without its end"),
        pytest.param(POST + HOST + CHUNKED + b"\r\n1e\n" + BODY + b"\r\n0\r\n\r\n", 400, id="bare LF after size"),
        pytest.param(POST + SIZED + b"\r\n" + BODY, 400, id="no Host"),
        pytest.param(POST + HOST + HOST + SIZED + b"\r\n" + BODY, 400, id="two Hosts"),
        pytest.param(POST + HOST + b"x-a: 1\r\n folded\r\n" + SIZED + b"\r\n" + BODY, 400, id="obs-fold"),
        pytest.param(POST + HOST + b"x-a: 1\r\n\tfolded\r\n" + SIZED + b"\r\n" + BODY, 400, id="obs-fold, tab"),
        pytest.param(POST + b"host: router\n" + SIZED + b"\r\n" + BODY, 400, id="bare LF"),
        pytest.param(POST.replace(b"\r\n", b"\n") + HOST + SIZED + b"\r\n" + BODY, 400, id="bare LF in the first line"),
        pytest.param(POST + HOST + SIZED + b"\n" + BODY, 400, id="bare LF at the end of the head"),
        pytest.param(POST + b"host: rou\rter\r\n" + SIZED + b"\r\n" + BODY, 400, id="bare CR"),
        pytest.param(POST + HOST + b"x-a: a\0b\r\n" + SIZED + b"\r\n" + BODY, 400, id="NUL in a value"),
        pytest.param(POST + HOST + b"x a: b\r\n" + SIZED + b"\r\n" + BODY, 400, id="space in a name"),
        pytest.param(POST + HOST + b": b\r\n" + SIZED + b"\r\n" + BODY, 400, id="empty name"),
        pytest.param(POST + HOST + b"no colon\r\n" + SIZED + b"\r\n" + BODY, 400, id="no colon"),
        pytest.param(POST + b" " + HOST + SIZED + b"\r\n" + BODY, 400, id="space before the first header"),
        pytest.param(b"POST /v1/chat completions HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="space in the target"),
        pytest.param(b"POST /\x01 HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="control character in the target"),
        pytest.param(b"POST /v1/models\r\n\r\n", 505, id="HTTP/0.9"),
        pytest.param(b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505, id="HTTP/2.0 as text"),
        pytest.param(b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", 400, id="HTTP/1.2"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="HTTP/2 with prior knowledge"),
        pytest.param(b"CONNECT evil:443 HTTP/1.1\r\nhost: evil:443\r\n\r\n", 400, id="CONNECT"),
        pytest.param(POST + HOST + b"expect: miracles\r\n" + SIZED + b"\r\n" + BODY, 417, id="unknown expectation"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS on a plain port"),
        pytest.param(b"FROB / HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="unknown method"),
    ],
)
async def test_ambiguous_framing_is_refused_once_and_closed(
    router: Router, upstream: Upstream, data: bytes, status: int
) -> None:
    client = await router.connect()
    await client.send(data + request(body=chat()))  # what follows must never count as a request
    answer = await client.answer()
    assert (answer.status, answer.header("connection")) == (status, b"close")
    assert answer.json["error"]["type"] == "invalid_request_error" if status < 500 else True
    assert answer.json["error"]["code"]
    assert answer.header("x-request-id")
    assert await client.rest() == b""
    assert upstream.accepted == 0
    assert await (await router.connect()).ask(request(body=chat()))


async def test_byte_by_byte_makes_no_difference(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    for byte in request("POST", CHAT, "transfer-encoding: chunked") + chunk(BODY) + chunk(b""):
        await client.send(bytes((byte,)))
    assert (await client.answer()).status == 200
    assert upstream.requests[0].header("content-length")


async def test_chunks_extensions_and_trailers_are_read_and_dropped(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    for _ in range(2):
        await client.send(request("POST", CHAT, "transfer-encoding: chunked", "trailer: x-signalbox-evil"))
        for at in range(0, len(BODY), 7):
            piece = BODY[at : at + 7]
            await client.send(b"%x;name=value\r\n%b\r\n" % (len(piece), piece))
        await client.send(b"0\r\nauthorization: Bearer trailer\r\nx-trailer: 1\r\n\r\n")
        assert (await client.answer()).status == 200
    for each in upstream.requests:
        assert each.json == {"model": "real-model", "messages": []}
        names = {name for name, _ in each.headers}
        assert not {b"x-trailer", b"authorization", b"trailer", b"transfer-encoding"} & names


async def test_expect_100_continue(router: Router) -> None:
    client = await router.connect()
    head, body = request("POST", CHAT, "Expect: 100-Continue", body=chat()).split(b"\r\n\r\n")
    await client.send(head + b"\r\n\r\n")
    assert (await client.answer(head_only=True)).line == b"HTTP/1.1 100 Continue"
    assert (await client.ask(body)).status == 200


@pytest.mark.parametrize("framing", ["content-length: 1000", "transfer-encoding: chunked"])
async def test_whoever_expects_100_and_is_refused_gets_the_refusal_at_once(
    start_router: StartRouter, upstream: Upstream, framing: str
) -> None:
    target = backend(upstream)
    closed = await start_router(config(policy(target, access=Access()), target))
    client = await closed.connect()
    answer = await client.ask(request("POST", CHAT, "expect: 100-continue", framing))
    assert (answer.status, answer.header("connection")) == (401, b"close")
    assert await client.rest() == b""


async def test_expectations_of_http_1_0_are_ignored(router: Router) -> None:
    client = await router.connect()
    assert (await client.ask(request("POST", CHAT, "expect: 100-continue", body=chat(), version="1.0"))).status == 200


async def test_empty_lines_between_requests_are_allowed(router: Router) -> None:
    client = await router.connect()
    assert (await client.ask(b"\r\n" + request(body=chat()) + b"\r\n")).status == 200
    router.sweep(after=40)
    assert (await client.ask(request(body=chat()))).status == 200


@pytest.mark.parametrize("framing", ["sized", "chunked"])
async def test_upgrades_are_ignored(router: Router, upstream: Upstream, framing: str) -> None:
    """As Java's client asks for them, byte by byte and at once, with another request behind."""
    lines = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB"]
    if framing == "sized":
        data = request("POST", CHAT, *lines, body=BODY)
    else:
        data = request("POST", CHAT, *lines, "transfer-encoding: chunked") + chunk(BODY) + chunk(b"")
    client = await router.connect()
    assert (await client.ask(data)).status == 200
    for byte in data:
        await client.send(bytes((byte,)))
    assert (await client.answer()).status == 200
    await client.send(data * 2)
    assert [(await client.answer()).status for _ in range(2)] == [200, 200]
    assert len(upstream.requests) == 4
    for each in upstream.requests:
        assert each.json == {"model": "real-model", "messages": []}
        assert not {b"upgrade", b"connection", b"http2-settings"} & {name for name, _ in each.headers}


async def test_upgrades_hide_no_second_request(router: Router, upstream: Upstream) -> None:
    upgrade = b"connection: upgrade, close\r\nupgrade: websocket\r\n"
    client = await router.connect()
    await client.send(POST + HOST + upgrade + SIZED + CHUNKED + b"\r\n" + chunk(BODY) + chunk(b""))
    assert (await client.answer()).status == 400
    assert await client.rest() == b""
    client = await router.connect()
    await client.send(POST + HOST + upgrade + b"content-length: 99999999\r\n\r\n")
    assert (await client.answer()).status == 413
    client = await router.connect()
    await client.send(b"GET /v1/models HTTP/1.1\r\n" + HOST + upgrade + b"\r\n" + request(body=chat()))
    answer = await client.answer()
    assert (answer.status, answer.header("connection")) == (200, b"close")
    assert await client.rest() == b""
    assert not upstream.requests
