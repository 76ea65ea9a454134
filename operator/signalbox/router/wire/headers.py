"""Which headers cross the router, in both directions."""

from collections.abc import Mapping

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


def nominated(connection: bytes) -> frozenset[bytes]:
    """Header names that a ``Connection`` header declares as hop-by-hop."""
    return frozenset(token.strip().lower() for token in connection.split(b","))


def not_upstream(headers: Mapping[bytes, bytes]) -> frozenset[bytes]:
    """Names of a request's headers that end here."""
    return _NOT_UPSTREAM | nominated(headers[b"connection"]) if b"connection" in headers else _NOT_UPSTREAM


def downstream_lines(headers: Mapping[bytes, bytes]) -> list[bytes]:
    """An upstream's headers that go to the client, as lines; framing is the router's own."""
    drop = nominated(headers[b"connection"]) if b"connection" in headers else frozenset()
    return [
        b"%b: %b\r\n" % item
        for item in headers.items()
        if item[0] not in _NOT_DOWNSTREAM and item[0] not in drop and not item[0].startswith(OWN_PREFIX)
    ]
