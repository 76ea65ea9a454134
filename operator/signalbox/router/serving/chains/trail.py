"""What a chain did, for who asks: who said what kind of thing, how it was judged, and why. Never what it said."""

from typing import Any

import msgspec

MAX_ENTRIES = 24
MAX_BYTES = 3500
"""Of all of it as a header: proxies in front of the router take 4 to 8 KiB of headers."""

FINISHED = frozenset(("stop", "length", "tool_calls", "function_call", "content_filter"))
"""The reasons of the API why an answer ends."""

_encode = msgspec.json.Encoder().encode


class Trail:
    """Entries in the order in which they were made. Names and words are ours or the policy's, hence ASCII.

    Where nobody may ask for them, or has, none are ``kept``.
    """

    __slots__ = ("_entries", "_left_out", "kept")

    def __init__(self, *, kept: bool) -> None:
        self.kept = kept
        self._entries: list[dict[str, Any]] = []
        self._left_out = 0

    def add(self, what: str, **fields: Any) -> None:
        """Something that was done; fields that are None or empty are left out."""
        if not self.kept:
            return
        if len(self._entries) >= MAX_ENTRIES:
            self._left_out += 1
        else:
            self._entries.append({"what": what, **{k: v for k, v in fields.items() if v is not None and v != ""}})

    def header(self) -> bytes:
        """The value of a header."""
        entries, left_out = list(self._entries), self._left_out
        while True:
            more = [{"what": f"{left_out} more"}] if left_out else []
            value = _encode([*entries, *more])
            if len(value) <= MAX_BYTES or not entries:
                return value.decode().encode("ascii", "replace")
            entries.pop()
            left_out += 1


def named(finish_reason: str) -> str:
    """A reason as a trail says it: whatever else an engine writes there is its own text."""
    return finish_reason if finish_reason in FINISHED or not finish_reason else "other"
