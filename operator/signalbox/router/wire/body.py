"""The request body that a backend gets: its model, its names for fields, usage asked for in streams."""

from typing import Any

import msgspec

from signalbox.routing.config import Backend

_encode = msgspec.json.Encoder().encode

STREAMS_WITH_USAGE_OPTION = frozenset(("chat", "completions"))


def wants_usage(body: dict[str, Any]) -> bool:
    """Whether the client itself asked for usage in its stream."""
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def for_backend(body: dict[str, Any], backend: Backend, operation: str, stream: bool) -> bytes:
    """Encode the body for a backend; the original stays as it is, for other attempts."""
    out = dict(body)
    out["model"] = backend.model
    if stream and operation in STREAMS_WITH_USAGE_OPTION:
        options = body.get("stream_options")
        out["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    mapping = backend.request
    for old, new in mapping.rename.items():
        if old in out:
            out[new] = out.pop(old)
    for name in mapping.remove:
        out.pop(name, None)
    return _encode(out)
