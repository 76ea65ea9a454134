"""Which headers cross the router, in both directions."""

import random
import re
from collections.abc import Mapping

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}\Z").match
# https://www.w3.org/TR/trace-context/: neither version ff nor ids of zeros; later versions may carry more fields.
_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]{0,128})?\Z"
).match
_getrandbits = random.getrandbits

# RFC 9110, section 7.6.1, and the proxy headers that only ever concern one hop.
HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)

# Framing, and what the router writes itself. Credentials of the client end here.
_NOT_UPSTREAM = HOP_BY_HOP | {
    b"accept-encoding",
    b"api-key",
    b"authorization",
    b"content-length",
    b"content-type",
    b"cookie",
    b"expect",
    b"host",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"traceparent",
    b"x-api-key",
    b"x-request-id",
}

_NOT_DOWNSTREAM = HOP_BY_HOP | {
    b"alt-svc",
    b"content-encoding",
    b"content-length",
    b"proxy-authenticate",
    b"set-cookie",
    b"strict-transport-security",
    b"www-authenticate",
    b"x-request-id",
}

OWN_PREFIX = b"x-signalbox-"


def identify(headers: dict[bytes, bytes]) -> bytes:
    """The id of a request: the client's where it can be written as it is, else a new one.

    A ``traceparent`` that is none is removed, and with it the state that belongs to it.
    """
    traceparent = headers.get(b"traceparent")
    if traceparent is not None and not _TRACEPARENT(traceparent):
        del headers[b"traceparent"]
        headers.pop(b"tracestate", None)
    given = headers.get(b"x-request-id")
    return given if given is not None and _REQUEST_ID(given) else b"%032x" % _getrandbits(128)


def nominated(connection: bytes) -> frozenset[bytes]:
    """Header names that a ``Connection`` header declares as hop-by-hop."""
    return frozenset(token.strip().lower() for token in connection.split(b","))


def upstream_lines(headers: Mapping[bytes, bytes], without: frozenset[bytes]) -> list[bytes]:
    """The client's headers that go upstream, as lines. ``without`` are names that the backend sets itself."""
    if b"connection" in headers:
        without = without | nominated(headers[b"connection"])
    return [
        b"%b: %b\r\n" % item
        for item in headers.items()
        if item[0] not in _NOT_UPSTREAM and item[0] not in without and not item[0].startswith(OWN_PREFIX)
    ]


def downstream_lines(headers: Mapping[bytes, bytes]) -> list[bytes]:
    """An upstream's headers that go to the client, as lines; framing is the router's own."""
    drop = nominated(headers[b"connection"]) if b"connection" in headers else frozenset()
    return [
        b"%b: %b\r\n" % item
        for item in headers.items()
        if item[0] not in _NOT_DOWNSTREAM and item[0] not in drop and not item[0].startswith(OWN_PREFIX)
    ]
