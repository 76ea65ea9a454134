"""Errors that the router answers by itself, unary and inside a stream: in the words of the OpenAI API, or of
Anthropic's where its clients ask."""

import math
from http import HTTPStatus

import msgspec

from signalbox.routing.formats.anthropic_client import errors as anthropic


class ConfigRejectedError(Exception):
    """A configuration that cannot serve; the last good one keeps serving."""


class Refusal(Exception):  # noqa: N818 - an answer, not only a fault
    """An answer that the router gives by itself.

    ``retry_after`` is in seconds; ``retriable`` False adds ``x-should-retry: false``, which OpenAI's clients obey;
    ``close`` ends the connection after the answer, because its framing can no longer be trusted or was not read.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        kind: str = "",
        param: str | None = None,
        retry_after: float | None = None,
        retriable: bool = True,
        close: bool = False,
        allow: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.kind = kind or _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
        self.param = param
        self.retry_after = retry_after
        self.retriable = retriable
        self.close = close
        self.allow = allow

    def body(self, operation: str = "") -> bytes:
        """The error object, as JSON, for a client that speaks the API of ``operation``."""
        if operation == "messages":
            return msgspec.json.encode(anthropic.body(self.status, self.message))
        return msgspec.json.encode({"error": self.error()})

    def error(self) -> dict[str, str | None]:
        """The value of ``error``."""
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}

    def head(self) -> bytes:
        """Header lines that belong to this answer, without framing and connection."""
        lines = [b"content-type: application/json\r\n"]
        if self.retry_after is not None:
            lines.append(b"retry-after: %d\r\n" % max(1, math.ceil(self.retry_after)))
        if not self.retriable:
            lines.append(b"x-should-retry: false\r\n")
        if self.allow:
            lines.append(b"allow: %b\r\n" % self.allow.encode())
        if self.status == 401:
            lines.append(b'www-authenticate: Bearer realm="signalbox"\r\n')
        return b"".join(lines)


_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}


def status_line(status: int) -> bytes:
    """The status line of HTTP/1.1, with the reason phrase where there is a registered one."""
    line = _STATUS_LINES.get(status)
    return line if line is not None else b"HTTP/1.1 %d \r\n" % status


_STATUS_LINES = {s.value: b"HTTP/1.1 %d %b\r\n" % (s.value, s.phrase.encode()) for s in HTTPStatus}


def event_of(operation: str, refusal: Refusal) -> bytes:
    """The last event of a stream that broke after content was sent, in the form of the operation's API."""
    if operation == "messages":
        return b"event: error\ndata: " + refusal.body(operation) + b"\n\n"
    error = refusal.error()
    if operation == "responses":
        fields = {"type": "error", "code": error["code"], "message": error["message"], "param": error["param"]}
        return b"event: error\ndata: " + msgspec.json.encode(fields) + b"\n\n"
    return b"data: " + msgspec.json.encode({"error": error}) + b"\n\n"
