"""How the answer of a backend that speaks Anthropic's API is read: as a chat, or as it is for a client of that API."""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from signalbox.router.wire import events, usage
from signalbox.router.wire.events import DONE
from signalbox.router.wire.sse import EventStream
from signalbox.routing.config import Backend
from signalbox.routing.formats.anthropic_backend import answer
from signalbox.routing.formats.anthropic_backend.events import Chunks
from signalbox.routing.formats.usage import merged
from signalbox.routing.untrusted import value_of

_encode = msgspec.json.Encoder().encode

_CUT = {"type": "api_error", "message": "the stream ended before the message did"}
# Of an error that is none of the API: its body would be none of the chat's either.
_UNSAID = {"message": "The request failed.", "type": "upstream_error", "param": None, "code": "upstream_error"}
_DEEP = {"type": "api_error", "message": "an event is nested too deeply"}


def reading(backend: Backend, *, native: bool, with_usage: bool) -> "Translation | None":
    """How to read what a backend answers to a chat; None: as a chat, which it is.

    ``native``: the client speaks the backend's API itself. ``with_usage``: it asked for usage in its stream.
    """
    if backend.format == "OpenAI":
        return None
    return Untranslated(with_usage=with_usage) if native else Translation(with_usage=with_usage)


class Untold(Exception):  # noqa: N818 - of the endpoint, not of this code
    """An answer that is not of the API that the backend is said to speak."""


class Translation:
    """Of one attempt. ``unary`` raises ``Untold``; ``stream`` is what the attempt reads events with."""

    __slots__ = ("_with_usage",)

    def __init__(self, *, with_usage: bool) -> None:
        self._with_usage = with_usage

    def unary(self, status: int, content: bytes) -> bytes:
        """The whole answer as a chat's."""
        value = value_of(content)
        error = answer.error(value)
        try:
            if error is not None:
                return _encode({"error": error})
            if status >= 400:
                return content if value is None else _encode({"error": _UNSAID})
            chat = answer.translate(value, int(time.time())) if isinstance(value, dict) else None
            if chat is not None:
                return _encode(chat)
        except RecursionError:  # it could be read, a few calls less deep
            pass
        raise Untold("answered what is no message")

    def stream(self) -> EventStream:
        """The events of a message, as the chunks of a chat."""
        return ChatOfMessage(Chunks(int(time.time()), with_usage=self._with_usage))


class Untranslated(Translation):
    """For a client that speaks the same API: nothing is changed."""

    __slots__ = ()

    def unary(self, status: int, content: bytes) -> bytes:
        return content

    def stream(self) -> EventStream:
        return MessageStream()


class MessageStream(EventStream):
    """Events of a message as they come. A count that an event leaves out is what an earlier one said."""

    __slots__ = ("_complete", "_said")

    def __init__(self) -> None:
        super().__init__(hide_usage=False, plain=False)
        self._said: dict[str, Any] = {}
        self._complete = False

    def inspect(self, data: bytes, done: bool) -> bytes:
        complete = self._whole_events(data, done)
        whole = b"".join(complete)
        if (
            not done
            and not self._complete
            and b'"usage"' not in whole
            and b"error" not in whole
            and b"message_stop" not in whole
        ):
            return whole  # nothing in it that the router must see
        return self._each(complete, done, self._watch)

    def _each(self, complete: list[bytes], done: bool, put: Callable[[bytes, Any], bytes]) -> bytes:
        """What ``put`` makes of each event, up to an error. A message that has no end is one, too."""
        out = []
        for event in complete:
            if self._complete:
                break  # whatever comes behind the end is no part of the message
            value = events.parse(event)
            self.error = events.error_of(value)
            if self.error is not None:
                break
            try:
                out.append(put(event, value))
            except RecursionError:  # it could be read, a few calls less deep
                self.error = _DEEP
                break
        if done and self.error is None and not self._complete:
            self.error = _CUT
        return b"".join(out)

    def _watch(self, event: bytes, value: Any) -> bytes:
        if isinstance(value, dict):
            message = value.get("message")
            counts = value.get("usage") or (message.get("usage") if isinstance(message, dict) else None)
            if counts is not None:
                self._said = merged(self._said, counts)
                self.usage = usage.of({"cache_read_input_tokens": 0, **self._said})
            self._complete = self._complete or value.get("type") == "message_stop"
        return event


class ChatOfMessage(MessageStream):
    """Events of a message in, chunks of a chat out."""

    __slots__ = ("_chunks",)

    def __init__(self, chunks: Chunks) -> None:
        super().__init__()
        self._chunks = chunks

    def inspect(self, data: bytes, done: bool) -> bytes:
        return self._each(self._whole_events(data, done), done, self._translate)

    def _translate(self, event: bytes, value: Any) -> bytes:
        self._watch(event, value)
        lines = [b"data: %b\n\n" % _encode(chunk) for chunk in self._chunks.feed(value)]
        if self._chunks.complete:
            lines.append(b"data: %b\n\n" % DONE)
        return b"".join(lines)
