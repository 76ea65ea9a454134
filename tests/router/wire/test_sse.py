"""Events of a stream: where they end, what they mean, what of them a client gets."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.router.wire import events
from signalbox.router.wire.events import Meaning, data_of, split
from signalbox.router.wire.sse import EventStream
from signalbox.router.wire.usage import Usage


def data(value: Any) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def delta(**fields: Any) -> bytes:
    return data({"choices": [{"index": 0, "delta": fields, "finish_reason": None}]})


USAGE = data({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}})
FULL = data({"error": {"message": "queue is full", "type": "ServiceUnavailableError", "code": 503}})
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_events_end_at_an_empty_line_however_it_is_written(end: bytes) -> None:
    assert events.split(b"data: 1" + end + b"data: 2" + end + b"dat") == ([b"data: 1" + end, b"data: 2" + end], b"dat")


@pytest.mark.parametrize(
    ("event", "meaning"),
    [
        (delta(role="assistant", content=""), Meaning.OVERTURE),
        (delta(role="assistant", content=None), Meaning.OVERTURE),
        (b": ping\n\n", Meaning.OVERTURE),
        (b'event: ping\ndata: {"type": "ping"}\n\n', Meaning.OVERTURE),
        (USAGE, Meaning.OVERTURE),
        (data({"type": "response.created", "response": {"id": "r"}}), Meaning.OVERTURE),
        (data({"type": "response.in_progress", "response": {"id": "r"}}), Meaning.OVERTURE),
        (delta(content="a"), Meaning.CONTENT),
        (delta(reasoning_content="hm"), Meaning.CONTENT),
        (delta(tool_calls=[{"index": 0}]), Meaning.CONTENT),
        (data({"choices": [{"text": "a"}]}), Meaning.CONTENT),
        (data({"choices": [{"delta": {}, "finish_reason": "length"}]}), Meaning.CONTENT),
        (data({"type": "response.output_text.delta", "delta": "a"}), Meaning.CONTENT),
        (data({"type": "response.completed", "response": {}}), Meaning.CONTENT),
        (b"data: not JSON\n\n", Meaning.CONTENT),
        (b'data: {"half of a character": "\xc3"}\n\n', Meaning.CONTENT),
        (b"data: %b\n\n" % (b"[" * 100_000), Meaning.CONTENT),
        (b"data:no space\r\n\r\n", Meaning.CONTENT),
        (FULL, Meaning.ERROR),
        (b'event: error\ndata: {"type": "error", "code": "server_error", "message": "x"}\n\n', Meaning.ERROR),
        (data({"type": "response.failed", "response": {"error": {"code": "server_error"}}}), Meaning.ERROR),
        (data({"object": "error", "message": "x", "code": 500}), Meaning.ERROR),
        (DONE, Meaning.DONE),
    ],
)
def test_what_an_event_means(event: bytes, meaning: Meaning) -> None:
    assert events.meaning(event)[0] is meaning


def stream(**options: Any) -> EventStream:
    return EventStream(**{"hide_usage": True, "plain": False, **options})


@given(st.lists(st.sampled_from([b"\n", b"\r", b"data:", b" ", b"event: x", b"\x0b", b"{}"])).map(b"".join))
def test_the_short_ways_find_what_the_long_ones_do(text: bytes) -> None:
    ends = [match.end() for match in re.finditer(rb"\r\n\r\n|\n\n|\r\r", text)]
    pieces = [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    assert split(text) == (pieces[:-1], pieces[-1])
    for piece in pieces:
        lines = re.findall(rb"^data:[ ]?(.*?)\r?$", piece, re.MULTILINE)
        assert data_of(piece) == b"\n".join(lines).strip()


def test_a_stream_is_held_until_its_first_content_and_then_released_as_it_came() -> None:
    held = stream()
    first = delta(role="assistant", content="")
    assert held.hold(first + b"data: {", False) is Meaning.OVERTURE
    rest = delta(content="a")[len(b"data: {") :]
    assert held.hold(rest, False) is Meaning.CONTENT
    assert held.inspect(held.release(), False) == first + delta(content="a")


class Counting:
    """A pattern that counts the bytes it was given to look at."""

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern
        self.bytes = 0

    def search(self, text: bytes, start: int) -> Any:
        self.bytes += len(text) - start
        return self._pattern.search(text, start)

    def finditer(self, text: bytes) -> Any:
        self.bytes += len(text)
        return self._pattern.finditer(text)


@pytest.mark.parametrize("end", [b"", b"\n\n", b"\r\n\r\n", b"\r\r"])
@pytest.mark.parametrize("reading", ["hold", "inspect"])
def test_a_long_event_in_short_reads_costs_what_it_costs_in_long_ones(
    reading: str, end: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(events._END)
    monkeypatch.setattr(events, "_END", counting)
    event = b": %b%b" % (b"x" * 100_000, end)
    watched = stream()
    for at in range(0, len(event), 10):
        getattr(watched, reading)(event[at : at + 10], False)
    assert len(event) <= counting.bytes < 1.5 * len(event)
    assert watched.held_bytes == (0 if reading == "inspect" and end else len(event))


def test_an_error_before_content_is_seen_even_when_content_never_comes() -> None:
    held = stream()
    assert held.hold(delta(role="assistant") + FULL + DONE, True) is Meaning.ERROR
    assert held.error["code"] == 503


def test_an_end_without_content_is_no_content() -> None:
    assert stream().hold(delta(role="assistant") + DONE, True) is Meaning.DONE
    assert stream().hold(delta(role="assistant"), True) is Meaning.OVERTURE


@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
def test_usage_is_read_and_hidden_wherever_reads_end(step: int) -> None:
    whole = delta(content='"usage": {') + delta(content="b") + USAGE + DONE
    watched = stream()
    out = b"".join(watched.inspect(whole[at : at + step], False) for at in range(0, len(whole), step))
    assert out + watched.inspect(b"", True) == whole.replace(USAGE, b"")
    assert watched.usage == Usage(7, 0, 2)


def test_usage_that_was_asked_for_stays() -> None:
    watched = stream(hide_usage=False)
    assert watched.inspect(USAGE + DONE, True) == USAGE + DONE
    assert watched.usage == Usage(7, 0, 2)


def test_usage_that_comes_with_an_answer_is_read_and_stays() -> None:
    last = data({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}})
    watched = stream()
    assert watched.inspect(last, False) == last
    assert watched.usage == Usage(1, 0, 0)


def test_an_error_ends_what_passes_through() -> None:
    watched = stream()
    assert watched.inspect(delta(content="a") + FULL + DONE, True) == delta(content="a")
    assert watched.error["code"] == 503


def test_the_word_error_in_an_answer_is_no_error() -> None:
    watched = stream()
    event = delta(content='{"error": "x"}\nevent: error')
    assert watched.inspect(event + DONE, True) == event + DONE
    assert watched.error is None


def test_an_unfinished_last_event_passes_at_the_end() -> None:
    watched = stream()
    assert watched.inspect(b"data: [DONE]", False) == b""
    assert watched.inspect(b"", True) == b"data: [DONE]"


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def parse(watched: EventStream, *payloads: bytes) -> bytes:
    """What goes on of a read of these chunks when it does not pass as it came."""
    raw, data = b"".join(map(chunk, payloads)), b"".join(payloads)
    out = watched.inspect(data, False)
    watched.parsed(raw, data)
    return out


def test_whole_chunks_of_whole_events_pass_without_being_parsed() -> None:
    watched = stream(plain=True)
    event = delta(content="a")
    assert not watched.passes(chunk(event)), "the read before might have ended anywhere"
    assert parse(watched, event) == event
    assert watched.passes(chunk(event))
    assert watched.passes(chunk(event) + chunk(event))
    for special in (USAGE, FULL, b"event: error\ndata: {}\n\n"):
        assert not watched.passes(chunk(special))
        assert not watched.passes(chunk(event) + chunk(special))
    assert not watched.passes(chunk(event)[:-3])
    assert not watched.passes(b"")


def test_a_chunk_that_ends_inside_an_event_leaves_the_fast_way() -> None:
    watched = stream(plain=True)
    event = delta(content="a")
    parse(watched, event)
    assert not watched.passes(chunk(event) + chunk(event[:9]))
    assert parse(watched, event, event[:9]) == event
    assert not watched.passes(chunk(event)), "an event has begun"
    assert parse(watched, event[9:]) == event
    assert watched.passes(chunk(event))


def test_a_read_that_ends_inside_a_chunk_leaves_the_fast_way() -> None:
    watched = stream(plain=True)
    event = delta(content="a")
    parse(watched, event)
    raw = chunk(event)
    assert watched.inspect(event, False) == event
    watched.parsed(raw[:-2], event)
    assert not watched.passes(raw), "the parser waits for the end of a chunk"


def test_nothing_passes_unparsed_that_the_client_gets_in_another_framing() -> None:
    watched = stream(plain=False)
    event = delta(content="a")
    assert parse(watched, event) == event
    assert not watched.passes(chunk(event))


@pytest.mark.parametrize("first", ["response.created", "response.in_progress", "response.completed"])
def test_the_id_of_a_response_is_replaced_in_every_event(first: str) -> None:
    watched = EventStream(hide_usage=False, plain=True, rename_id=lambda original: f"sealed-{original}")
    whole = data({"type": first, "response": {"id": "resp_1"}}) + data(
        {"type": "response.completed", "response": {"id": "resp_1", "usage": {"input_tokens": 3, "output_tokens": 1}}}
    )
    assert not watched.passes(chunk(whole))
    assert watched.inspect(whole, True) == whole.replace(b"resp_1", b"sealed-resp_1")
    assert watched.usage == Usage(3, 0, 1)


def test_the_id_of_the_response_before_is_replaced_too() -> None:
    watched = EventStream(
        hide_usage=False, plain=False, rename_id=lambda _: "new", renames={b'"resp_0"': b'"sealed-resp_0"'}
    )
    event = data({"type": "response.created", "response": {"id": "resp_1", "previous_response_id": "resp_0"}})
    assert msgspec.json.decode(events.data_of(watched.inspect(event, False)))["response"] == {
        "id": "new",
        "previous_response_id": "sealed-resp_0",
    }
