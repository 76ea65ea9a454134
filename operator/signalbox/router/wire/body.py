"""The request body that a backend gets: its API, its model, its names for fields, usage asked for in streams."""

from typing import Any

import msgspec

from signalbox.router.wire.errors import Refusal
from signalbox.routing.config import Backend
from signalbox.routing.formats.anthropic_backend import request as to_messages
from signalbox.routing.formats.anthropic_client.signed import signed
from signalbox.routing.formats.untranslatable import Untranslatable

_encode = msgspec.json.Encoder().encode

STREAMS_WITH_USAGE_OPTION = frozenset(("chat", "completions"))


def wants_usage(body: dict[str, Any]) -> bool:
    """Whether the client itself asked for usage in its stream."""
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def for_backend(
    body: dict[str, Any], backend: Backend, operation: str, stream: bool, message: dict[str, Any] | None = None
) -> bytes:
    """Encode the body for a backend; the original stays as it is, for other attempts.

    ``message`` is the request of a client that speaks Anthropic's API itself: a backend that does, too, gets that.
    Raises ``Refusal`` for what cannot be said in the backend's API, and for what could be read but not be written: the
    bound on nesting is one on the depth of calls, and here they are deeper.
    """
    try:
        return _for_backend(body, backend, operation, stream, message)
    except RecursionError:
        raise Refusal(400, "invalid_json", "The body is nested too deeply.") from None


def _for_backend(
    body: dict[str, Any], backend: Backend, operation: str, stream: bool, message: dict[str, Any] | None
) -> bytes:
    mapping = backend.request
    if backend.format == "Anthropic":
        out = _message(body, message, backend)
    else:
        out = dict(body)
        if stream and operation in STREAMS_WITH_USAGE_OPTION:
            options = body.get("stream_options")
            out["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    out["model"] = backend.model
    for old, new in mapping.rename.items():
        if old in out:
            out[new] = out.pop(old)
    for name in mapping.remove:
        out.pop(name, None)
    return _encode(out)


def _message(body: dict[str, Any], message: dict[str, Any] | None, backend: Backend) -> dict[str, Any]:
    """A Messages request. What a backend wants removed is so in either language."""
    if message is not None:
        return signed(message)
    try:
        kept = {name: value for name, value in body.items() if name not in backend.request.remove}
        return to_messages.translate(kept, backend.context_window)
    except Untranslatable as difference:
        raise Refusal(400, "unsupported_by_target", str(difference), param=difference.field) from None
