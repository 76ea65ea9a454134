"""Whatever bytes come: a request that the router takes is, byte for byte, the one that the standard has there."""

import itertools

from hypothesis import example, given
from hypothesis import strategies as st
from reference import Reading, requests

from fuzzing import fuzzed
from harness import CHAT, chat, chunk, request
from hostile.running import requests as families
from signalbox.router.options import ProxyOptions
from signalbox.router.wire.requests import RequestReader
from signalbox.router.wire.room import Room

OPTIONS = ProxyOptions(max_body_bytes=4_000, max_header_bytes=4_000)
# What the router takes out of heads, or reads otherwise on purpose (it ignores a wish for another protocol).
_APART = {b"connection", b"upgrade", b"traceparent", b"tracestate", b"content-length"}
_LONGEST = 2_000

SOUND = [
    request(body=chat()),
    request("POST", CHAT, "transfer-encoding: chunked") + chunk(b'{"a"') + chunk(b":1}") + chunk(b""),
    request("GET", "/v1/models"),
    request("POST", CHAT, "connection: close", body=b"{}"),
    request("POST", CHAT, "connection: keep-alive", body=b"{}", version="1.0"),
    request("POST", CHAT, "connection: upgrade", "upgrade: h2c", body=b"{}"),
]
HOSTILE = [
    data
    for family in families()
    for case in family.cases
    if len(data := b"".join(step.send * min(step.times, 3) for step in case.steps)) <= _LONGEST
]
ODD = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"0", b"chunked", b"content-length: 3\r\n"]
ODD += [b"transfer-encoding: chunked\r\n", b"0\r\n\r\n", b"\x0b", b"\xa0", b"\x7f", b"+", b"-", b"close", b"upgrade"]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Requests, sound and hostile, one behind the other, with some bytes taken out, put in and doubled."""
    data = b"".join(draw(st.lists(st.sampled_from(SOUND) | st.sampled_from(HOSTILE), min_size=1, max_size=4)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 4)))
        piece = draw(st.sampled_from(ODD) | st.binary(max_size=3) | st.just(data[start : end + 20]))
        data = data[:start] + piece + data[end:]
    return data


def taken(pieces: list[bytes]) -> list[Reading]:
    """The requests that the router would serve."""
    room = Room(1 << 30)
    reader = RequestReader(OPTIONS, lambda head, has_body: None, room)
    for piece in pieces:
        reader.feed(piece)
        assert room.held == reader.taken + reader.waiting_bytes
    served = []
    for each in reader.ready:
        assert each.refusal is None or each.refusal.status != 500
        if each.refusal is None:
            served.append(Reading(each.head.method, each.head.path, each.head.headers, bytes(each.body)))
        if not each.head.keep_alive:
            break
    reader.abandon()
    assert room.held == 0
    return served


def plain(reading: Reading) -> Reading:
    return reading._replace(headers={name: value for name, value in reading.headers.items() if name not in _APART})


@fuzzed(200)
@example(data=b"".join(SOUND[:3]), cuts=[10, 100])
@example(data=request("POST", CHAT, "x-a: b \t", "transfer-encoding: chunked\t ") + chunk(b"{}") + chunk(b""), cuts=[])
@example(data=request("POST", CHAT, "x-a: \t b", "X-A:c ", "content-length: 2 ") + b"{}", cuts=[])
@given(data=mutated(), cuts=st.lists(st.integers(0, 6_000), max_size=4))
def test_what_is_taken_is_what_the_standard_has(data: bytes, cuts: list[int]) -> None:
    ends = sorted({cut % len(data) for cut in cuts} | {0, len(data)}) if data else [0]
    served = taken([data[start:end] for start, end in itertools.pairwise(ends)])
    standard = requests(data)
    assert [plain(each) for each in served] == [plain(each) for each in standard[: len(served)]]


def test_sound_requests_are_taken() -> None:
    data = b"".join(SOUND[:3])
    assert [plain(each) for each in taken([data])] == [plain(each) for each in requests(data)]
    assert len(requests(data)) == 3
