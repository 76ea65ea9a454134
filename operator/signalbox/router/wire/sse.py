"""The event stream of one attempt: held until it has begun, then watched while it passes through."""

import re
from typing import Any

from signalbox.router.wire import chunks, events, usage
from signalbox.router.wire.events import Meaning, Splitter

_ERROR = re.compile(rb'"error"|^event:[ ]?error|"response\.failed"', re.MULTILINE)
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_ID = re.compile(rb'"id"\s*:\s*"([^"\\]+)"')


class EventStream:
    """Bytes in, bytes out. ``hide_usage`` drops the event that exists only because the router asked for usage.

    ``plain`` says that the client may get the endpoint's chunks as they come, framing included, which saves parsing
    them; it holds for reads that are whole events and say nothing that the router must see. ``rename_id`` maps
    the id of a response to the one that the client gets.
    """

    __slots__ = (
        "_aligned",
        "_held",
        "_hide_usage",
        "_plain",
        "_rename_id",
        "_renames",
        "_splitter",
        "error",
        "usage",
    )

    def __init__(
        self, *, hide_usage: bool, plain: bool, rename_id: Any = None, renames: dict[bytes, bytes] | None = None
    ):
        self._hide_usage = hide_usage
        self._plain = plain and rename_id is None
        self._rename_id = rename_id
        self._renames = dict(renames or {})
        self._held = bytearray()  # events that are complete, before the stream has begun
        self._splitter = Splitter()
        self._aligned = False
        self.error: Any = None
        self.usage: usage.Usage | None = None

    @property
    def held_bytes(self) -> int:
        """Size of what is held."""
        return len(self._held) + len(self._splitter)

    def hold(self, data: bytes, done: bool) -> Meaning:
        """Add a read to what is held; the strongest meaning of its events. ERROR sets ``error``."""
        complete = self._whole_events(data, done)
        self._held += b"".join(complete)
        for event in complete:
            meaning, value = events.meaning(event)
            if meaning is Meaning.ERROR:
                self.error = events.error_of(value)
            if meaning is not Meaning.OVERTURE:
                return meaning
        return Meaning.OVERTURE

    def release(self) -> bytes:
        """What was held, now to be passed on."""
        held, self._held = self._held, bytearray()
        return bytes(held) + self._splitter.take()

    def passes(self, raw: bytes) -> bool:
        """Whether a read may go to the client as it came, and need not be parsed.

        It may if it begins and ends at the boundary of a chunk and of an event, and has neither error nor usage.
        """
        # ``in`` takes twice as long: it tries whether what it looks for is a number.
        return self._aligned and chunks.are_events(raw) and raw.find(b'"usage"') < 0 and raw.find(b"error") < 0

    def parsed(self, raw: bytes, data: bytes) -> None:
        """Note where a read ended that was parsed, and inspected: whether the next one begins at both boundaries.

        No framing but the end of a chunk can look so: the parser takes no line that ends without CR.
        """
        self._aligned = self._plain and raw.endswith(b"\n\n\r\n") and data.endswith(b"\n\n") and not len(self._splitter)

    def inspect(self, data: bytes, done: bool) -> bytes:
        """What of a read goes to the client: whole events only. Stops at an error, which sets ``error``."""
        complete = self._whole_events(data, done)
        whole = b"".join(complete)
        renaming = self._rename_id is not None or self._renames
        # Plain searches: most reads pass them, and a regular expression costs more than all the rest of a read.
        if not renaming and b'"usage"' not in whole and b"error" not in whole and b"response.failed" not in whole:
            return whole
        out = []
        for event in complete:
            if (event.find(b"error") >= 0 or event.find(b"response.failed") >= 0) and _ERROR.search(event):
                error = events.error_of(events.parse(event))
                if error is not None:
                    self.error = error
                    break
            if _USAGE.search(event):
                value = events.parse(event)
                self.usage = events.usage_of(value) or self.usage
                if self._hide_usage and events.is_usage_only(value):
                    continue
            out.append(self._renamed(event))
        return b"".join(out)

    def _whole_events(self, data: bytes, done: bool) -> list[bytes]:
        complete = self._splitter.feed(data)
        if done and len(self._splitter):
            complete.append(self._splitter.take())
        return complete

    def _renamed(self, event: bytes) -> bytes:
        if self._rename_id is not None and b'"response"' in event:
            value = events.parse(event)
            response = value.get("response") if isinstance(value, dict) else None
            original = response.get("id") if isinstance(response, dict) else None
            if isinstance(original, str):
                self._renames[b'"%b"' % original.encode()] = b'"%b"' % self._rename_id(original).encode()
                self._rename_id = None
        for old, new in self._renames.items():
            event = event.replace(old, new)
        return event
