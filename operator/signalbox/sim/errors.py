"""Error objects, worded as vLLM words them."""

from http import HTTPStatus

import msgspec

TYPES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    408: "RequestTimeoutError",
    429: "RateLimitError",
    500: "InternalServerError",
    503: "ServiceUnavailableError",
}


class RequestError(Exception):
    """A request that cannot be served; ``status`` is 400 unless said otherwise."""

    def __init__(self, message: str, status: int = 400, param: str | None = None) -> None:
        super().__init__(message)
        self.message, self.status, self.param = message, status, param


def phrase(status: int) -> str:
    """The reason of a status, also of those that the standard does not know (529)."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded" if status == 529 else f"Error {status}"


def body(status: int, message: str = "", param: str | None = None, code: str | None = None) -> bytes:
    """The JSON of an error; ``code`` is the status as a number unless a name is given."""
    error = {
        "message": message or phrase(status),
        "type": TYPES.get(status, TYPES[500] if status >= 500 else TYPES[400]),
        "param": param,
        "code": code or status,
    }
    return msgspec.json.encode({"error": error})
