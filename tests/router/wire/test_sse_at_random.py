"""However an engine's bytes come, and whatever they are: the client gets the same."""

import itertools
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import fuzzed
from harness import chunk
from signalbox.router.upstream.connection import UpstreamConnection
from signalbox.router.wire import events
from signalbox.router.wire.events import Meaning
from signalbox.router.wire.sse import EventStream
from signalbox.router.wire.usage import Usage


def data(value: Any) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def delta(content: str) -> bytes:
    return data({"id": "a", "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}]})


PIECES = [
    delta("a"),
    delta('"usage": {'),
    delta('error: "error"'),
    delta(""),
    data({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}),
    data({"error": {"code": 503, "message": "full"}}),
    b'event: error\ndata: {"type": "error", "message": "x"}\n\n',
    b"data: [DONE]\n\n",
    b": ping\n\n",
    b"data: {\n\n",
    b"data: 1\ndata: 2\n\n",
]
LINES = [b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"data:", b"event: error", b'"usage"', b'"error"', b"\0", b"\xff"]
STREAMS = st.lists(
    st.sampled_from(PIECES) | st.sampled_from(PIECES) | st.sampled_from(LINES) | st.binary(max_size=6), max_size=8
).map(b"".join)
CUTS = st.lists(st.integers(0, 2_000), max_size=8)


def pieces(whole: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % len(whole) for cut in cuts} | {0, len(whole)}) if whole else [0]
    return [whole[start:end] for start, end in itertools.pairwise(ends)]


def passed(reads: list[bytes], *, hide: bool, plain: bool) -> tuple[Meaning, bytes, Any, Usage | None]:
    """What an attempt does with a stream: hold it until it has begun, then let it through, up to an error."""
    stream = EventStream(hide_usage=hide, plain=plain)
    out = b""
    begun = False
    for number, read in enumerate([*reads, b""]):
        done = number == len(reads)
        if not begun:
            meaning = stream.hold(read, done)
            if meaning is not Meaning.CONTENT:
                if meaning is Meaning.OVERTURE and not done:
                    continue
                return meaning, b"", stream.error, None
            begun = True
            out += stream.inspect(stream.release(), done)
        elif not done and stream.passes(chunk(read)):
            out += read
        else:
            out += stream.inspect(read, done)
            stream.parsed(chunk(read), read)
        if stream.error is not None:
            return Meaning.ERROR, out, stream.error, stream.usage
    return Meaning.CONTENT, out, None, stream.usage


@fuzzed(200)
@given(whole=STREAMS, cuts=CUTS, hide=st.booleans(), plain=st.booleans())
def test_the_same_passes_however_a_stream_is_cut(whole: bytes, cuts: list[int], hide: bool, plain: bool) -> None:
    at_once = passed([whole], hide=hide, plain=False)
    assert passed(pieces(whole, cuts), hide=hide, plain=plain) == at_once
    _, out, error, _ = at_once
    if error is None and not hide and out:
        assert out == whole


@fuzzed(100)
@given(whole=STREAMS, cuts=CUTS)
def test_events_are_the_same_however_they_come(whole: bytes, cuts: list[int]) -> None:
    splitter = events.Splitter()
    found = [event for piece in pieces(whole, cuts) for event in splitter.feed(piece)]
    assert len(splitter) == len(rest := splitter.take())
    assert (found, rest) == events.split(whole)
    assert b"".join([*found, rest]) == whole


HEADS = [
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n",
    b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 204 X\r\n\r\n",
    b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
]
PARTS = [
    chunk(b"hello"),
    chunk(b""),
    b"hello",
    b"5;x=y\r\nhello\r\n",
    b"0\r\nx: y\r\n\r\n",
    b"\r\n",
    b"\n",
    b"\0",
    b"H",
]
RESPONSES = st.lists(st.sampled_from(HEADS) | st.sampled_from(PARTS) | st.binary(max_size=4), max_size=6).map(b"".join)


class Receiver:
    """Takes what comes, and remembers whether it was lost."""

    def __init__(self, connection: UpstreamConnection) -> None:
        self.connection = connection
        self.body = b""
        self.answer: tuple[int, dict[bytes, bytes], bytes] | None = None
        self.was_lost = False

    def received(self, raw: bytes) -> None:
        connection = self.connection
        self.body += b"".join(connection.pieces)
        connection.pieces.clear()
        if connection.done:
            self.answer = (connection.status, connection.headers, self.body)
            connection.receiver = None

    def lost(self, reason: str) -> None:
        self.was_lost = True

    def crashed(self) -> None:
        raise AssertionError


class Transport:
    """Of which only the end counts."""

    def abort(self) -> None:
        """Nothing follows."""

    def is_closing(self) -> bool:
        """Never by itself."""
        return False


def answer(reads: list[bytes]) -> Receiver:
    connection = UpstreamConnection()
    connection.connection_made(Transport())  # type: ignore[arg-type]
    connection.receiver = receiver = Receiver(connection)
    for read in reads:
        connection.data_received(read)
        if connection.receiver is None:
            return receiver
    connection.eof_received()
    connection.connection_lost(None)
    return receiver


@fuzzed(200)
@given(whole=RESPONSES, cuts=CUTS)
def test_the_same_answer_is_read_however_it_comes(whole: bytes, cuts: list[int]) -> None:
    """An answer may be given up for something broken that came with it, and only then."""
    at_once, cut = answer([whole]), answer(pieces(whole, cuts))
    if at_once.answer is not None or not cut.answer:
        assert (cut.answer, cut.was_lost) == (at_once.answer, at_once.was_lost)
    else:
        assert at_once.was_lost
