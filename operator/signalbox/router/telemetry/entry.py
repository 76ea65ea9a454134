"""A line of the access log."""

import msgspec


class Entry(msgspec.Struct, rename="camel", omit_defaults=True):
    """One line. Never a prompt, an answer or a key.

    ``cost`` is a decimal string in the currency of the prices; it, the tokens and ``tries`` hold those of all ``calls``
    of other models that were made on behalf of the request; ``error`` is the code of the error that the client got,
    ``detail`` what the router knows of its cause; ``labels`` what classifiers said, by their names.
    ``time`` (RFC 3339) is that of the call to ``AccessLog.write``.
    """

    time: str = ""
    id: str = ""
    traceparent: str = ""
    tenant: str = ""
    policy: str = ""
    route: str = ""
    target: str = ""
    endpoint: str = ""
    model: str = ""
    operation: str = ""
    status: int = 0
    stream: bool = False
    tries: int = 0
    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost: str = ""
    ttft_ms: int | None = None
    duration_ms: int = 0
    error: str = ""
    detail: str = ""
    labels: dict[str, str] = {}
