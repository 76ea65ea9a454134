"""What it costs that a client and a backend speak different APIs, in-process: requests, answers, events of a stream."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from benchmarks.decision import time_of
from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.report import Report, Spread, Table
from signalbox.router.wire import body
from signalbox.router.wire.edge import MessagesEdge
from signalbox.router.wire.sse import EventStream
from signalbox.router.wire.translation import reading
from signalbox.routing.config import Backend
from signalbox.routing.formats.anthropic_client.request import translate

OPENAI = Backend(name="b", model="m", authority="b")
ANTHROPIC = Backend(name="b", model="m", authority="b", format="Anthropic")
TURNS = 50
COMPLETION = msgspec.json.encode(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": chat.TEXT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 200, "completion_tokens": 200},
    }
)
MESSAGE = msgspec.json.encode(
    {
        "id": "msg_1",
        "type": "message",
        "model": "m",
        "content": [{"type": "text", "text": chat.TEXT}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 200, "output_tokens": 200},
    }
)
CHUNK = b"data: %b\n\n" % msgspec.json.encode(
    {
        "id": "chatcmpl-1",
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": " signal"}, "finish_reason": None}],
    }
)
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " signal"}}
EVENT = b"event: content_block_delta\ndata: %b\n\n" % msgspec.json.encode(DELTA)

Step = tuple[str, Callable[[Any], Any], Any]


def run(settings: Settings) -> Report:
    """Each translation beside what is done where nothing is translated."""
    count = round(settings.choose(10_000, 1_000))
    steps = _steps()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in steps}
    for number in range(settings.rounds):
        settings.tell(f"round {number + 1} of {settings.rounds}")
        for name, step, value in steps:
            found[name].append(time_of(step, [value], count))
    report = Report(
        "translation",
        f"In-process, {count:,} calls each in {settings.rounds} rounds; texts of {len(chat.TEXT)} bytes. "
        "Microseconds, median (smallest–largest) over the rounds.",
    )
    rows = [
        (name, Spread.of(p50 for p50, _ in times), Spread.of(p99 for _, p99 in times)) for name, times in found.items()
    ]
    report.tables.append(Table("Between the APIs", ("step", "p50 µs", "p99 µs"), rows))
    return report


def _steps() -> Sequence[Step]:
    short = msgspec.json.decode(chat.body())
    turn = [{"role": role, "content": chat.TEXT} for role in ("assistant", "user")]
    long = {**short, "messages": short["messages"] + turn * TURNS}
    message = {"model": "m", "max_tokens": 256, "system": "You help a support team.", "messages": turn[1:]}
    read = reading(ANTHROPIC, native=False, with_usage=False)
    native = reading(ANTHROPIC, native=True, with_usage=False)
    assert read is not None
    assert native is not None
    edge, as_chat, as_is = MessagesEdge(thinking=False), read.stream(), native.stream()
    plain = EventStream(hide_usage=True, plain=False)
    edge.part(CHUNK)

    def request(backend: Backend) -> Callable[[Any], Any]:
        return lambda asked: body.for_backend(asked, backend, "chat", stream=False)

    return [
        ("a chat's body for a backend of OpenAI's API", request(OPENAI), short),
        ("the same for one of Anthropic's", request(ANTHROPIC), short),
        (f"a chat of {2 + 2 * TURNS} messages, OpenAI", request(OPENAI), long),
        ("the same, Anthropic", request(ANTHROPIC), long),
        ("a Messages request as a chat", translate, message),
        ("a message as a chat's answer", lambda answer: read.unary(200, answer), MESSAGE),
        ("a chat's answer as a message", lambda answer: edge.whole(200, answer), COMPLETION),
        ("a chunk for a chat's client", lambda event: plain.inspect(event, done=False), CHUNK),
        ("an event of a message as a chunk", lambda event: as_chat.inspect(event, done=False), EVENT),
        ("an event of a message as it is", lambda event: as_is.inspect(event, done=False), EVENT),
        ("a chunk as an event of a message", edge.part, CHUNK),
    ]
