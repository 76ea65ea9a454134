"""What a client of Anthropic's API gets: chats in, messages out."""

from typing import Any

import msgspec

from signalbox.router.wire import events
from signalbox.router.wire.errors import Refusal, event_of
from signalbox.routing.formats.anthropic_client import answer, errors
from signalbox.routing.formats.anthropic_client.events import Events, OutOfOrderError
from signalbox.routing.untrusted import value_of

_encode = msgspec.json.Encoder().encode

_OUT_OF_ORDER = Refusal(502, "upstream_error", "The target sent parts of a tool's call out of order.")
_NO_END = Refusal(502, "upstream_error", "The target ended its stream before its answer; the answer is incomplete.")


class MessagesEdge:
    """Of one request, at the client's side. A stream that has ended with an error says nothing more."""

    __slots__ = ("_ended", "_events", "_splitter", "_thinking")

    def __init__(self, *, thinking: bool) -> None:
        self._thinking = thinking
        self._events = Events(thinking=thinking)
        self._splitter = events.Splitter()
        self._ended = False

    def whole(self, status: int, content: bytes) -> bytes | None:
        """A unary answer, or an error, as a message; None where it is no chat."""
        value = value_of(content)
        if status >= 400:
            return _encode(errors.body(status, errors.message_of(value)))
        message = answer.translate(value, thinking=self._thinking) if isinstance(value, dict) else None
        return None if message is None else _encode(message)

    def part(self, data: bytes) -> bytes:
        """Some of the events of a chat's stream as those of a message; what is incomplete waits."""
        if self._ended:
            return b""
        return self._written(self._splitter.feed(data))

    def end(self) -> bytes:
        """What is left when the chat's stream is over."""
        rest = self.part(b"\n\n") if len(self._splitter) else b""
        return rest + self._last()

    def _last(self) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        if not self._events.finished:
            return event_of("messages", _NO_END)
        return b"".join(map(_event, self._events.end()))

    def _written(self, chunks: list[bytes]) -> bytes:
        out = []
        try:
            for chunk in chunks:
                out += [_event(each) for each in self._events.feed(events.parse(chunk))]
        except OutOfOrderError:
            self._ended = True
            out.append(event_of("messages", _OUT_OF_ORDER))
        return b"".join(out)


def _event(value: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (value["type"].encode(), _encode(value))
