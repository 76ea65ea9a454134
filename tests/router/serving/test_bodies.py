"""Bodies of answers: encoded although nobody asked, and large ones."""

import asyncio
import gzip

import msgspec
import pytest
from scenes import ASK, FULL, HELLO, LAST, STREAM, USAGE, attempts, backends_of, in_order

from harness import (
    DONE,
    STREAM_HEAD,
    Message,
    Router,
    StartRouter,
    Upstream,
    chunk,
    completion,
    config,
    request,
    response,
)
from signalbox.router.wire import encoding

EMBED = request(path="/v1/embeddings", body={"model": "auto", "input": ["a"]})
SSE_GZIP = STREAM_HEAD[:-2] + b"content-encoding: gzip\r\n\r\n"


def packed(status: int, content: bytes) -> bytes:
    return response(status, gzip.compress(content), "content-encoding: gzip")


async def test_an_encoded_answer_is_decoded(router: Router, upstream: Upstream) -> None:
    content = msgspec.json.encode(completion("packed"))
    upstream.reply = packed(200, content)
    client = await router.connect()
    answer = await client.ask(
        request("POST", "/v1/chat/completions", "accept-encoding: gzip, br", body={"model": "auto"})
    )
    assert (answer.body, answer.header("content-encoding")) == (content, None)
    assert upstream.requests[0].all("accept-encoding") == [b"identity"]
    assert router.entries()[0]["outputTokens"] == 5
    upstream.reply = packed(400, b'{"error": {"code": "unsupported_value"}}')
    assert (await client.ask(ASK)).code == "unsupported_value"


@pytest.mark.parametrize("step", [1, 50, 100_000])
async def test_an_encoded_stream_is_decoded(router: Router, upstream: Upstream, step: int) -> None:
    whole = gzip.compress(HELLO + HELLO + LAST + USAGE + DONE)

    async def in_pieces(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE_GZIP)
        for at in range(0, len(whole), step):
            writer.write(chunk(whole[at : at + step]))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(chunk(b""))

    upstream.reply = in_pieces
    answer = await (await router.connect()).ask(STREAM)
    assert answer.body == HELLO + HELLO + LAST + DONE
    assert answer.header("content-encoding") is None
    assert router.entries()[0]["outputTokens"] == 5


@pytest.mark.parametrize(
    "answer",
    [
        SSE_GZIP + chunk(gzip.compress(FULL + DONE)) + chunk(b""),
        SSE_GZIP + chunk(b"no gzip") + chunk(b""),
        response(200, b"no gzip", "content-encoding: gzip"),
        response(200, b"?", "content-encoding: br"),
        response(200, gzip.compress(b"{}")[:-4], "content-encoding: gzip"),
        packed(200, bytes(2000)),
    ],
)
async def test_an_encoding_that_cannot_be_undone_is_a_failure(
    start_router: StartRouter, pair: tuple[Upstream, Upstream], monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(encoding, "MAX_DECODED_BYTES", 1000)
    backends = backends_of(pair)
    router = await start_router(config(in_order(*backends), *backends))
    pair[0].reply = answer
    got = await (await router.connect()).ask(STREAM)
    assert (got.status, got.header("x-signalbox-target")) == (200, b"second")
    assert attempts(router)["first", "failure"] == 1


@pytest.mark.parametrize("size", [500_000, 5_000_000])
@pytest.mark.parametrize("sized", [True, False])
async def test_large_embeddings_pass_with_their_usage(
    router: Router, upstream: Upstream, size: int, sized: bool
) -> None:
    vectors = b"0.25," * (size // 5) + b"0.5"
    content = b'{"object":"list","data":[{"embedding":[%b]}],"usage":{"prompt_tokens":7,"total_tokens":7}}' % vectors
    chunks = b"".join(chunk(content[at : at + 100_000]) for at in range(0, len(content), 100_000)) + chunk(b"")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    upstream.reply = response(200, content) if sized else head + b"transfer-encoding: chunked\r\n\r\n" + chunks
    client = await router.connect()
    for _ in range(2):
        answer = await client.ask(EMBED)
        assert answer.body == content
    assert upstream.accepted == 1
    assert [entry["inputTokens"] for entry in router.entries()] == [7, 7]
    assert upstream.requests[0].line == b"POST /v1/embeddings HTTP/1.1"


async def test_a_large_encoded_answer_passes_decoded(router: Router, upstream: Upstream) -> None:
    content = b'{"data":"%b","usage":{"prompt_tokens":7}}' % (b"x" * 5_000_000)
    upstream.reply = packed(200, content)
    answer = await (await router.connect()).ask(EMBED)
    assert answer.body == content
    assert router.entries()[0]["inputTokens"] == 7


async def test_a_large_answer_that_is_cut_is_cut_for_the_client_too(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    backends = backends_of(pair)
    router = await start_router(config(in_order(*backends), *backends))

    async def cut(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(200, bytes(5_000_000))[:-1])
        await writer.drain()
        writer.close()

    pair[0].reply = cut
    client = await router.connect()
    await client.send(EMBED)
    assert (await client.answer(head_only=True)).status == 200
    assert len(await client.rest()) < 5_000_000
    assert not pair[1].requests
    [entry] = router.entries()
    assert entry["error"] == "upstream_error"


async def test_a_body_that_only_the_end_of_the_connection_ends(router: Router, upstream: Upstream) -> None:
    async def close_delimited(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{}")
        await writer.drain()
        writer.close()

    upstream.reply = close_delimited
    client = await router.connect()
    for _ in range(2):
        assert (await client.ask(ASK)).body == b"{}"
    assert upstream.accepted == 2


async def test_a_large_error_of_the_client_touches_nothing(router: Router, upstream: Upstream) -> None:
    upstream.reply = response(400, b" " * 2_000_000)
    answer = await (await router.connect()).ask(ASK)
    assert (answer.status, len(answer.body)) == (400, 2_000_000)
    assert attempts(router) == {("engine", "client"): 1}
