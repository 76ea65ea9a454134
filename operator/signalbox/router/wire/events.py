"""Server-sent events of the APIs: where one ends, and what it means for a stream whose head is held.

Engines answer 200 before they have begun, and report a full queue or a crash as an event. So a stream has not begun
until an event carries something that a client can use.
"""

import re
from enum import IntEnum
from typing import Any

from signalbox.router.wire import usage
from signalbox.routing.untrusted import value_of

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
# So much of an end may have come with the read before.
_BEFORE = 3
_DATA = re.compile(rb"^data:[ ]?(.*?)\r?$", re.MULTILINE)
DONE = b"[DONE]"

# Responses API: the stream's own bookkeeping. Everything else carries content or an end.
_OVERTURE = frozenset(
    (
        "response.created",
        "response.in_progress",
        "response.queued",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_summary_part.added",
    )
)
# Messages: the same; and a block of text has nothing in it yet when it starts, where a call has its name.
_MESSAGE_OVERTURE = frozenset(("ping", "message_start"))
_EMPTY_BLOCKS = ("text", "thinking")


class Meaning(IntEnum):
    """What an event is to a held stream."""

    OVERTURE = 0
    CONTENT = 1
    ERROR = 2
    DONE = 3


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Complete events, each with its terminator, and the incomplete rest."""
    events = []
    start = 0
    if buffer.find(b"\r") < 0:  # mostly; and then without the regular expression, which takes ten times as long
        while (end := buffer.find(b"\n\n", start)) >= 0:
            events.append(buffer[start : end + 2])
            start = end + 2
        return events, buffer[start:]
    for match in _END.finditer(buffer):
        events.append(buffer[start : match.end()])
        start = match.end()
    return events, buffer[start:]


class Splitter:
    """Events out of reads that end anywhere. No byte of an event that does not end is looked at twice."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        # One buffer that grows: an event that comes in tiny reads must not cost many times its size.
        self._rest = bytearray()

    def __len__(self) -> int:
        """Size of the event that has not ended yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The events that a read completes, each with its terminator."""
        rest = self._rest
        if not rest:
            complete, after = split(data)
        else:
            seen = len(rest)
            rest += data
            end = _END.search(rest, max(0, seen - _BEFORE))
            if end is None:
                return []
            upto = end.end() - seen
            complete, after = split(data[upto:])
            del rest[seen + upto :]
            complete.insert(0, bytes(rest))
        if rest or after:
            self._rest = bytearray(after)
        return complete

    def take(self) -> bytes:
        """The event that has not ended yet, which will not go on."""
        rest, self._rest = self._rest, bytearray()
        return bytes(rest)


def data_of(event: bytes) -> bytes:
    """The data of an event; empty for a comment or a ping."""
    if event.startswith(b"data:") and event.find(b"\n") == len(event) - 2 and event.find(b"\r") < 0:
        return event[5:].strip()  # one line, as most are
    lines = _DATA.findall(event)
    return lines[0].strip() if len(lines) == 1 else b"\n".join(lines).strip()


def parse(event: bytes) -> Any:
    """The JSON value of an event's data, or None where it is none."""
    data = data_of(event)
    if not data or data == DONE:
        return None
    return value_of(data)


def error_of(value: Any) -> Any:
    """The error that an event's value reports, or None."""
    if not isinstance(value, dict):
        return None
    if value.get("error"):
        return value["error"]
    kind = value.get("type")
    if kind == "error" or value.get("object") == "error":
        return value
    response = value.get("response")
    if kind == "response.failed":
        return (response.get("error") if isinstance(response, dict) else None) or {"code": "server_error"}
    return None


def usage_of(value: Any) -> usage.Usage | None:
    """Usage that an event reports, at the top or inside ``response``."""
    if not isinstance(value, dict):
        return None
    response = value.get("response")
    return usage.of(value.get("usage") or (response.get("usage") if isinstance(response, dict) else None))


def is_usage_only(value: Any) -> bool:
    """Whether the event exists only because usage was asked for (``include_usage``)."""
    return isinstance(value, dict) and value.get("choices") == [] and isinstance(value.get("usage"), dict)


def meaning(event: bytes) -> tuple[Meaning, Any]:
    """What an event means, and its parsed value. Data of an unknown form counts as content: never hold it back."""
    data = data_of(event)
    if not data:
        return Meaning.OVERTURE, None
    if data == DONE:
        return Meaning.DONE, None
    value = parse(event)
    if error_of(value) is not None:
        return Meaning.ERROR, value
    if not isinstance(value, dict):
        return Meaning.CONTENT, value
    kind = value.get("type")
    if isinstance(kind, str) and kind.startswith("response."):
        return (Meaning.OVERTURE if kind in _OVERTURE else Meaning.CONTENT), value
    choices = value.get("choices")
    if isinstance(choices, list):
        return (Meaning.CONTENT if any(map(_has_content, choices)) else Meaning.OVERTURE), value
    if kind == "content_block_start":
        block = value.get("content_block")
        empty = isinstance(block, dict) and block.get("type") in _EMPTY_BLOCKS
        return (Meaning.OVERTURE if empty else Meaning.CONTENT), value
    return (Meaning.OVERTURE if isinstance(kind, str) and kind in _MESSAGE_OVERTURE else Meaning.CONTENT), value


def _has_content(choice: Any) -> bool:
    if not isinstance(choice, dict):
        return True
    if choice.get("finish_reason") or choice.get("text"):
        return True
    delta = choice.get("delta")
    return isinstance(delta, dict) and any(value for name, value in delta.items() if name != "role")
