"""However an engine frames and sends the events of a stream: the client reads the same, and the connection lives on."""

import asyncio
import itertools

from hypothesis import given
from hypothesis import strategies as st
from scenes import ASK, HELLO, LAST, USAGE

from fuzzing import fuzzed
from harness import DONE, STREAM_HEAD, Message, Router, Upstream, chat, event, request

STREAM = request(body=chat(stream=True, stream_options={"include_usage": True}))
EVENTS = [
    HELLO,
    HELLO,
    event({"content": "an error"}),
    event({"content": '"usage": {'}),
    USAGE,
    b": ping\n\n",
    b"data: {}\r\n\r\n",
    b"data: 1\ndata: 2\n\n",
    b"event: x\ndata: " + b"a" * 300 + b"\n\n",
]
SIZES = [b"%x\r\n", b"%x\r\n", b"%x\r\n", b"%X\r\n", b"00%x\r\n", b"%x;a=b\r\n", b"000000000%x\r\n"]


def framed(body: bytes, ends: list[int], sizes: list[bytes]) -> bytes:
    """The body in chunks that end there."""
    out = []
    for number, (start, end) in enumerate(itertools.pairwise([0, *ends, len(body)])):
        if start < end:
            out.append(sizes[number % len(sizes)] % (end - start) + body[start:end] + b"\r\n")
    return b"".join(out) + b"0\r\n\r\n"


def cut(raw: bytes, at: list[int]) -> list[bytes]:
    ends = sorted({place % len(raw) for place in at} | {0, len(raw)})
    return [raw[start:end] for start, end in itertools.pairwise(ends)]


@fuzzed(150)
@given(
    told=st.lists(st.sampled_from(EVENTS), max_size=8),
    whole=st.booleans(),
    places=st.lists(st.integers(1, 2_000), max_size=4),
    sizes=st.lists(st.sampled_from(SIZES), min_size=1, max_size=4),
    reads=st.lists(st.integers(0, 3_000), max_size=10),
)
async def test_the_client_reads_what_the_engine_wrote(
    router: Router,
    upstream: Upstream,
    told: list[bytes],
    whole: bool,
    places: list[int],
    sizes: list[bytes],
    reads: list[int],
) -> None:
    """``whole``: each event is a chunk of its own, and mostly a read of its own, as engines send them."""
    parts = [HELLO, *told, LAST, DONE]
    body = b"".join(parts)
    at = list(itertools.accumulate(map(len, parts[:-1]))) if whole else sorted({p % len(body) for p in places})
    raw = framed(body, at, sizes)
    ends = [len(framed(body[:end], [e for e in at if e < end], sizes)) - 5 for end in at] if whole else []

    async def reply(_: Message, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD)
        for piece in cut(raw, [*ends, *reads]):
            writer.write(piece)
            await writer.drain()
            for _ in range(3):
                await asyncio.sleep(0)

    upstream.replies.extend([reply, upstream.reply])
    client = await router.connect()
    answer = await client.ask(STREAM)
    assert answer.status == 200
    assert answer.body == body
    assert (await client.ask(ASK)).status == 200
    client.leave()
    assert upstream.accepted == 1, "whoever lost its place in a connection could not use it again"
