"""Which headers cross the router, in both directions."""

from collections.abc import Mapping

# RFC 9110, section 7.6.1, and the proxy headers that only ever concern one hop.
HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)

# Who is behind a request, and by which way it came: a client may write what it likes there, nobody vouches for it, and
# an engine that believes it takes the client for another machine, host or path.
FORWARDING = frozenset(
    (
        b"cf-connecting-ip",
        b"client-ip",
        b"fastly-client-ip",
        b"forwarded",
        b"true-client-ip",
        b"via",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-envoy-external-address",
        b"x-envoy-original-path",
        b"x-forwarded",
        b"x-forwarded-by",
        b"x-forwarded-client-cert",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-path",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-scheme",
        b"x-forwarded-server",
        b"x-forwarded-ssl",
        b"x-forwarded-uri",
        b"x-forwarded-user",
        b"x-host",
        b"x-http-method-override",
        b"x-original-forwarded-for",
        b"x-original-host",
        b"x-original-url",
        b"x-real-ip",
        b"x-remote-user",
        b"x-rewrite-url",
        b"x-scheme",
    )
)

# Whose account is to pay: it belongs to a credential, and no credential crosses the router, in either direction.
ACCOUNT = frozenset((b"anthropic-organization-id", b"openai-organization", b"openai-project"))

# What stands behind the router, by which machines, programs and versions: nothing that a client must know.
INTERNALS = frozenset(
    (
        b"server",
        b"via",
        b"x-backend-server",
        b"x-envoy-decorator-operation",
        b"x-envoy-peer-metadata",
        b"x-envoy-peer-metadata-id",
        b"x-envoy-upstream-service-time",
        b"x-powered-by",
        b"x-served-by",
    )
)

# Framing, and what the router writes itself. Credentials of the client end here.
_NOT_UPSTREAM = (
    HOP_BY_HOP
    | FORWARDING
    | ACCOUNT
    | {
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
)

# ``access-control-…``: engines let any page read their answers, which is nothing to say of a router on a developer's
# own machine; preflight requests are not answered either.
_NOT_DOWNSTREAM = (
    HOP_BY_HOP
    | ACCOUNT
    | INTERNALS
    | {
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"access-control-allow-private-network",
        b"access-control-expose-headers",
        b"access-control-max-age",
        b"alt-svc",
        b"clear-site-data",
        b"content-encoding",
        b"content-length",
        b"proxy-authenticate",
        b"set-cookie",
        b"strict-transport-security",
        b"www-authenticate",
        b"x-request-id",
    }
)

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
