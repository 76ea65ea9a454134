"""Errors in the words of the Messages API."""

from typing import Any, Final

_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    408: "timeout_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def body(status: int, message: str) -> dict[str, Any]:
    """The whole body of an error, and the data of an error event."""
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


def message_of(error: object) -> str:
    """What a chat's error object says; ``error`` is its value, or the whole body."""
    inner = error.get("error", error) if isinstance(error, dict) else error
    found = inner.get("message") if isinstance(inner, dict) else inner
    return found if isinstance(found, str) and found else "The request failed."
