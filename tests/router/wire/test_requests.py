"""Reading requests does not depend on how the network cuts them, and whatever comes is read or refused."""

import itertools
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzzing import fuzzed
from harness import CHAT, chat, chunk, request
from signalbox.router.options import ProxyOptions
from signalbox.router.wire.heads import Repetition
from signalbox.router.wire.requests import MAX_MISSES, Owed, RequestReader
from signalbox.router.wire.room import Room

OPTIONS = ProxyOptions(max_body_bytes=400, max_header_bytes=2_000)
UPGRADE = ("connection: upgrade, x-a", "upgrade: h2c", "x-a: 1")
CHUNKED = request("POST", CHAT, "transfer-encoding: chunked")

WHOLE = st.sampled_from(
    [
        request(body=chat()),
        request("POST", CHAT, *UPGRADE, body=chat()),
        request("POST", CHAT, *UPGRADE, body=chat(), version="1.0"),
        request("GET", "/v1/models", *UPGRADE),
        request("GET", "/v1/models?x=y", "connection: close"),
        request("HEAD", "/"),
        CHUNKED + chunk(b'{"a"') + chunk(b":1}") + chunk(b""),
        CHUNKED + b"3;x=y\r\nabc\r\n0\r\nx-trailer: 1\r\n\r\n",
        request("POST", CHAT, *UPGRADE, "transfer-encoding: chunked") + chunk(b"{}") + chunk(b""),
        request("POST", CHAT, "expect: 100-continue", body=b"12345"),
        b"\r\n",
    ]
)
ODD = st.sampled_from(
    [
        request(body=b"x" * 401),
        CHUNKED + chunk(b"x" * 300) + chunk(b"x" * 300),
        request("GET", "/", *(f"x-{number}: 1" for number in range(130))),
        request("POST", CHAT, "content-length: 3", "transfer-encoding: chunked"),
        request("CONNECT", "evil:443"),
        request("GET", "/", "host: a", "host: b"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\n\n",
        b"\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
)
STREAMS = st.lists(st.one_of(WHOLE, WHOLE, WHOLE, ODD, st.binary(max_size=20)), min_size=1, max_size=6).map(b"".join)


def read(pieces: list[bytes]) -> tuple[list[object], Owed, bool]:
    """Everything that can be said of what was read."""
    reader = RequestReader(OPTIONS, lambda request, has_body: None, Room(1 << 30))
    for piece in pieces:
        reader.feed(piece)
    seen: list[object] = []
    for each in reader.ready:
        if each.refusal is not None:
            assert each.refusal.close
            assert each.refusal.status != 500
            assert each is reader.ready[-1]
            seen.append((each.refusal.status, each.refusal.code))
        else:
            head = each.head
            seen.append((head.method, head.path, head.headers, bytes(each.body), head.keep_alive, head.chunks))
    assert reader.deaf == any(each.refusal is not None for each in reader.ready)
    return seen, reader.owed, reader.deaf


@fuzzed(300)
@given(data=STREAMS, cuts=st.lists(st.integers(0, 1_500), max_size=8))
def test_cuts_make_no_difference(data: bytes, cuts: list[int]) -> None:
    ends = sorted({cut % len(data) for cut in cuts} | {0, len(data)}) if data else [0]
    pieces = [data[start:end] for start, end in itertools.pairwise(ends)]
    assert b"".join(pieces) == data
    assert read(pieces) == read([data])


SAMPLES = (
    request(body=chat()) * 3,
    request("POST", CHAT, "expect: 100-continue", body=b"12345") * 2,
    (CHUNKED + chunk(b'{"a"') + chunk(b":1}") + chunk(b"")) * 2,
    request("POST", CHAT, *UPGRADE, body=chat()) * 2,
    request(body=chat()) + request(body=b"x" * 401),
)


@pytest.mark.parametrize("data", SAMPLES)
def test_no_place_to_cut_makes_a_difference(data: bytes) -> None:
    whole = read([data])
    for cut in range(len(data) + 1):
        assert read([data[:cut], data[cut:]]) == whole, cut
    assert read([data[at : at + 1] for at in range(len(data))]) == whole


@fuzzed(50)
@given(data=STREAMS)
def test_byte_by_byte(data: bytes) -> None:
    assert read([data[at : at + 1] for at in range(len(data))]) == read([data])


@fuzzed(300)
@given(data=STREAMS, at=st.integers(0, 1_500), byte=st.integers(0, 255))
def test_one_wrong_byte_is_read_or_refused(data: bytes, at: int, byte: int) -> None:
    if data:
        at %= len(data)
        read([data[:at] + bytes((byte,)) + data[at + 1 :]])


KEYED = ("authorization: Bearer a-key", "X-Stainless-Lang: python")
CHATS = st.integers(0, 60).map(lambda size: request("POST", CHAT, *KEYED, body=b"x" * size))
OTHERS = st.sampled_from(
    [
        request("POST", CHAT, "authorization: Bearer other", body=b"{}"),
        request("POST", CHAT, *KEYED, "transfer-encoding: chunked") + chunk(b"abc") + chunk(b""),
        request("POST", CHAT, "connection: close", body=b"{}"),
        request("POST", CHAT, *KEYED, body=b"x" * 500),
        request("GET", "/v1/models"),
        request("POST", CHAT, *KEYED, body=b"12").replace(b"content-length: 2", b"content-length: +2"),
        request("POST", CHAT, *KEYED, body=b"12").replace(b"content-length: 2", b"content-length: 0000000000002"),
        b"POST ",
        b"\r\n",
    ]
)


LAST = request("POST", CHAT, "connection: close", body=b"{}")
KEPT = request("POST", CHAT, *KEYED, body=b"x" * 13)


@fuzzed(300)
@example(parts=[KEPT, LAST, KEPT], cuts=[len(KEPT + LAST)])
@given(
    parts=st.lists(st.one_of(CHATS, CHATS, CHATS, OTHERS), min_size=2, max_size=6),
    cuts=st.lists(st.integers(0, 2_000), max_size=6),
)
def test_a_head_that_comes_again_is_read_as_the_parser_reads_it(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    ends = sorted({cut % len(data) for cut in cuts} | {0, len(data)})
    pieces = [data[start:end] for start, end in itertools.pairwise(ends)]
    with mock.patch.object(Repetition, "of", return_value=None):
        parsed = read(pieces)
    assert read(pieces) == parsed


def test_a_head_that_comes_again_is_the_same_head() -> None:
    reader = RequestReader(OPTIONS, lambda head, has_body: None, Room(1 << 30))
    for size in (2, 117, 3):
        reader.feed(request("POST", CHAT, *KEYED, body=b"x" * size))
    first, second, third = reader.ready
    assert first.head is second.head is third.head
    assert [len(each.body) for each in reader.ready] == [2, 117, 3]


@pytest.mark.parametrize("line", ["x-a: 1", "content-length: 2", "expect: 100-continue", "connection: close"])
def test_heads_that_differ_or_need_care_are_never_taken_for_each_other(line: str) -> None:
    reader = RequestReader(OPTIONS, lambda head, has_body: None, Room(1 << 30))
    reader.feed(request("POST", CHAT, *KEYED, body=b"{}"))
    reader.feed(request("POST", CHAT, *KEYED, line, body=b"{}"))
    reader.feed(request("POST", CHAT, *KEYED, line + " ", body=b"{}"))
    assert len({id(each.head) for each in reader.ready}) == len(reader.ready)


def test_who_sends_another_head_each_time_is_not_remembered() -> None:
    reader = RequestReader(OPTIONS, lambda head, has_body: None, Room(1 << 30))
    for number in range(MAX_MISSES + 1):
        reader.feed(request("POST", CHAT, f"x-request-id: {number}", body=b"{}"))
    assert reader._repetition is None


def test_spaces_around_a_value_are_none_of_it() -> None:
    reader = RequestReader(OPTIONS, lambda head, has_body: None, Room(1 << 30))
    reader.feed(request("POST", CHAT, "x-a: \t1 \t", "expect: 100-continue ", "content-length: 2\t") + b"{}")
    [read] = reader.ready
    assert read.refusal is None
    assert (read.head.headers[b"x-a"], read.head.expects, read.body) == (b"1", True, b"{}")
