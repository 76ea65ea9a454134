"""Chunks that are told without a parser, beside the parser."""

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzzing import fuzzed
from signalbox.router.wire import chunks

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b"data: a\n\n"


class Body:
    """What the parser makes of it."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.done = False
        self.parser = httptools.HttpResponseParser(self)
        self.parser.feed_data(HEAD)

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        self.done = True


@pytest.mark.parametrize(
    "raw",
    [b"9\r\ndata: a\n\n\r\n", b"009\r\ndata: a\n\n\r\n", b"9\r\ndata: a\n\n\r\n3\r\n:\n\n\r\n"]
    + [
        b"%b\r\n%b\n\n\r\n" % (size, b"x" * (int(size, 16) - 2))
        for size in (b"a", b"F", b"1e", b"1E", b"100", b"00000100")
    ],
)
def test_whole_chunks_of_events(raw: bytes) -> None:
    assert chunks.are_events(raw)
    for end in range(len(raw)):
        if raw[:end] != b"9\r\ndata: a\n\n\r\n":
            assert not chunks.are_events(raw[:end])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"0\r\n\r\n",
        b"9\r\ndata: a\n\n\r\n0\r\n\r\n",
        b"9;x=y\r\ndata: a\n\n\r\n",
        b"9 \r\ndata: a\n\n\r\n",
        b" 9\r\ndata: a\n\n\r\n",
        b"+9\r\ndata: a\n\n\r\n",
        b"0x9\r\ndata: a\n\n\r\n",
        b"0_9\r\ndata: a\n\n\r\n",
        b"9\ndata: a\n\n\n",
        b"9\r\ndata: a\n\n\n\n",
        b"8\r\ndata: a\n\n\r\n",
        b"a\r\ndata: a\n\n\r\n",
        b"7\r\ndata: a\r\n",
        b"1\r\n\n\r\n",
        b"000000009\r\ndata: a\n\n\r\n",
        b"ffffffff\r\ndata: a\n\n\r\n",
        b"2\r\n\n\n\r\n",
        b"a\r\ndata: a\n\n\n\r\n",
        b"a\r\ndata: a\r\n\n\r\n",
        b"fffffffffffffffffff\r\ndata: a\n\n\r\n",
    ],
)
def test_anything_else_is_the_parsers(raw: bytes) -> None:
    assert not chunks.are_events(raw)


def test_a_read_of_digits_is_not_read_to_its_end() -> None:
    """A number of so many digits would take minutes to make."""
    assert not chunks.are_events(b"f" * 5_000_000)


FRAMING = st.sampled_from([b"\r\n", b"\n", b"\n\n", b"0", b"2", b"9", b"A", b"f", b";", b" ", b"data: a"])
WHOLE = st.binary(max_size=300).map(lambda data: b"%x\r\n%b\n\n\r\n" % (len(data) + 2, data))


@fuzzed(300)
@given(raw=st.lists(FRAMING | WHOLE | st.binary(max_size=4), max_size=6).map(b"".join))
@example(raw=b"9\r\ndata: a\n\n\r\n")
def test_what_is_told_is_what_the_parser_says(raw: bytes) -> None:
    if not chunks.are_events(raw):
        return
    body = Body()
    body.parser.feed_data(raw)
    assert b"".join(body.pieces).endswith(b"\n\n")
    assert not body.done
    before = len(body.pieces)
    body.parser.feed_data(b"9\r\n%b\r\n" % EVENT)
    assert body.pieces[before:] == [EVENT], "the parser stands where it stood"
