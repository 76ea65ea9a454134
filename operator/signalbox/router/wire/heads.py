"""The head of a request as read, and what follows from it.

A client's requests on one connection differ in little but the length of their body. So a head is kept with its
connection, with everything that was made of it; the next request whose head has the same bytes is that head again.
"""

import hashlib
import re
from typing import Final

from signalbox.router.wire.headers import OWN_PREFIX, not_upstream

_REQUEST_ID: Final = re.compile(rb"[\x21-\x7e]{1,128}\Z").match
# https://www.w3.org/TR/trace-context/: neither version ff nor ids of zeros; later versions may carry more fields.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]{0,128})?\Z"
).match

# A longer head is not worth its memory, which every idle connection would hold.
_LONGEST_KEPT: Final = 8 << 10
# A length of more digits is larger than any body that is read.
_DIGITS: Final = 12


class Head:
    """Read by the reader's callbacks, then never changed.

    ``chunks``: its client understands the chunked coding. ``expects``: it waits for 100 before it sends the body.
    """

    __slots__ = ("_digest", "_request_id", "_upstream", "chunks", "expects", "headers", "keep_alive", "method", "path")

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.path = b""
        self.method = b""
        self.keep_alive = True
        self.chunks = True
        self.expects = False
        self._digest: bytes | None = None
        self._request_id: bytes | None = None
        self._upstream: dict[frozenset[bytes], bytes] = {}

    def complete(self) -> None:
        """All headers are in. A ``traceparent`` that is none goes, and with it the state that belongs to it."""
        headers = self.headers
        traceparent = headers.get(b"traceparent")
        if traceparent is not None and not _TRACEPARENT(traceparent):
            del headers[b"traceparent"]
            headers.pop(b"tracestate", None)

    @property
    def key(self) -> bytes:
        """The key that the client presents: ``Authorization: Bearer`` or ``x-api-key``; empty without one."""
        value = self.headers.get(b"authorization")
        if value is not None and value[:7].lower() == b"bearer ":
            return value[7:].strip()
        return self.headers.get(b"x-api-key", b"").strip()

    @property
    def digest(self) -> bytes:
        """SHA-256 of the key; empty without a key."""
        digest = self._digest
        if digest is None:
            key = self.key
            digest = self._digest = hashlib.sha256(key).digest() if key else b""
        return digest

    @property
    def request_id(self) -> bytes:
        """The client's own id of the request; empty where it has none that can be written as it is."""
        given = self._request_id
        if given is None:
            given = self.headers.get(b"x-request-id", b"")
            given = self._request_id = given if _REQUEST_ID(given) else b""
        return given

    def upstream(self, without: frozenset[bytes]) -> bytes:
        """The headers that go upstream, as lines. ``without`` are names that the backend sets itself."""
        lines = self._upstream.get(without)
        if lines is None:
            headers = self.headers
            drop = not_upstream(headers) | without
            lines = self._upstream[without] = b"".join(
                b"%b: %b\r\n" % item
                for item in headers.items()
                if item[0] not in drop and not item[0].startswith(OWN_PREFIX)
            )
        return lines


class Repetition:
    """Recognises a head that comes again, whatever the length of its body."""

    __slots__ = ("_after", "_before", "head")

    def __init__(self, head: Head, before: bytes, after: bytes) -> None:
        self.head = head
        self._before = before
        self._after = after

    @classmethod
    def of(cls, head: Head, raw: bytes, count: int) -> "Repetition | None":
        """Of a head that was read from the start of ``raw`` as ``count`` header lines, where it can be recognised.

        The parser has accepted these bytes; a look at the lines makes sure that it saw the same lines as we do.
        """
        end = raw.find(b"\r\n\r\n", 0, _LONGEST_KEPT)
        if end < 0:
            return None
        lines = raw[:end].split(b"\r\n")
        if len(lines) != count + 1 or any(b"\n" in line or b"\r" in line for line in lines):
            return None
        start = 0
        for line in lines:
            name, colon, value = line.partition(b":")
            if name.lower() == b"content-length":
                digits = value.strip(b" \t")
                if not digits.isdigit() or not colon:
                    return None
                at = start + len(name) + 1 + value.index(digits)
                return cls(head, raw[:at], raw[at + len(digits) : end + 4])
            start += len(line) + 2
        return None

    def match(self, data: bytes) -> tuple[int, int] | None:
        """Where the body begins and how long it will be, if ``data`` begins with this head."""
        before = self._before
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(b"\r\n", start, start + _DIGITS)
        if end < 0:  # told apart first: compiled, a slice that ends before it begins is an error
            return None
        digits = data[start:end]
        after = self._after
        if not digits.isdigit() or not data.startswith(after, end):
            return None
        return end + len(after), int(digits)
