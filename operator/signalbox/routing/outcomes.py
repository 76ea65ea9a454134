"""What an upstream's answer means: whose fault it is, and whether another target may do better."""

from enum import IntEnum
from typing import Any

from signalbox.routing.untrusted import value_of

MAX_RETRY_AFTER = 300.0
_MAX_ERROR_BODY = 65_536


class Outcome(IntEnum):
    """Whose fault a response is.

    SUCCESS; FAILURE of the endpoint (next one, counts for ejection); BUSY (next target, cool-down, no ejection);
    MISCONFIGURED backend (next target, never shown to the client as its own 401); CLIENT (passed through, touches no
    statistic); CONTEXT_LENGTH (a target with a larger window may serve it).
    """

    SUCCESS = 0
    FAILURE = 1
    BUSY = 2
    MISCONFIGURED = 3
    CLIENT = 4
    CONTEXT_LENGTH = 5


_BY_STATUS = {
    401: Outcome.MISCONFIGURED,
    403: Outcome.MISCONFIGURED,
    404: Outcome.MISCONFIGURED,
    408: Outcome.FAILURE,
    429: Outcome.BUSY,
    501: Outcome.CLIENT,  # the engine lacks what the client asked for: not a fault that ejection heals
}

# Lower case, without separators and without a final "error": "rate_limit_error", "RateLimitError" are one name.
_BY_NAME = {
    **dict.fromkeys(("contextlengthexceeded", "exceedcontextsize"), Outcome.CONTEXT_LENGTH),
    **dict.fromkeys(
        ("ratelimitexceeded", "ratelimit", "ratelimitreached", "toomanyrequests", "insufficientquota", "quotaexceeded"),
        Outcome.BUSY,
    ),
    **dict.fromkeys(
        ("authentication", "invalidapikey", "unauthorized", "permission", "permissiondenied", "forbidden", "notfound",
         "modelnotfound", "accountdeactivated", "billing"),
        Outcome.MISCONFIGURED,
    ),
    **dict.fromkeys(
        ("invalidrequest", "badrequest", "invalidprompt", "contentfilter", "contentpolicyviolation",
         "requesttoolarge", "unprocessableentity", "validation", "invalidvalue", "invalidtype",
         "missingrequiredparameter", "unsupportedparameter", "unsupportedvalue", "invalidimage", "invalidimageformat",
         "invalidbase64image", "invalidimageurl", "imagetoolarge", "imagetoosmall", "imageparse", "invalidimagemode",
         "imagefiletoolarge", "unsupportedimagemediatype", "emptyimagefile", "failedtodownloadimage",
         "imagefilenotfound", "imagecontentpolicyviolation", "previousresponsenotfound"),
        Outcome.CLIENT,
    ),
    **dict.fromkeys(
        ("server", "internalserver", "internal", "overloaded", "engineoverloaded", "serviceunavailable", "unavailable",
         "api", "timeout", "gatewaytimeout", "vectorstoretimeout"),
        Outcome.FAILURE,
    ),
}  # fmt: skip

_CONTEXT_PHRASES = (
    "context length",
    "context_length",
    "context window",
    "context size",
    "maximum model length",
    "prompt is too long",
)


def of_status(status: int, body: bytes = b"") -> Outcome:
    """Outcome of a response; ``body`` of a 400, 413 or 422 may show that the prompt was too long for the model."""
    if 200 <= status < 300:
        return Outcome.SUCCESS
    if status in (400, 413, 422):
        return Outcome.CONTEXT_LENGTH if body and _too_long(_error_of(body)) else Outcome.CLIENT
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    if status >= 500:
        return Outcome.FAILURE
    # Redirects are never followed, so a backend that answers with one was given the wrong URL.
    return Outcome.CLIENT if status >= 400 else Outcome.MISCONFIGURED


def of_error(error: object) -> Outcome:
    """Outcome of an error that came inside a stream: the value of ``error``, in any of the forms that engines use.

    What cannot be read is the endpoint's failure: it had said 200 before.
    """
    if not isinstance(error, dict):
        return _of_code(error) or (Outcome.CONTEXT_LENGTH if _too_long(error) else Outcome.FAILURE)
    inner = error.get("error")
    if isinstance(inner, dict):
        return of_error(inner)
    for key in ("code", "status", "status_code", "type"):
        outcome = _of_code(error.get(key))
        if outcome is Outcome.CLIENT and _too_long(error):
            return Outcome.CONTEXT_LENGTH
        if outcome is not None:
            return outcome
    return Outcome.CONTEXT_LENGTH if _too_long(error) else Outcome.FAILURE


def retry_after(value: bytes | None, now_wall: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks to wait (0 to five minutes); None when it is absent or unreadable.

    ``now_wall`` is the Unix time, for the form that is a date.
    """
    if not value:
        return None
    text = value.decode("latin-1").strip()
    try:
        seconds = float(text) if text.replace(".", "", 1).isdecimal() else _seconds_until(text, now_wall)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _seconds_until(date: str, now_wall: float) -> float:
    # Seldom needed, and half a dozen modules: not at every start.
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    return parsedate_to_datetime(date).timestamp() - now_wall


def _of_code(code: object) -> Outcome | None:
    if isinstance(code, str):
        if code.isdecimal() and len(code) == 3:
            code = int(code)
        else:
            name = code.lower().replace("_", "").replace("-", "").replace(" ", "").replace(".", "")
            return _BY_NAME.get(name) or _BY_NAME.get(name.removesuffix("error").removesuffix("exception"))
    if isinstance(code, int) and not isinstance(code, bool) and 300 <= code < 600:
        return of_status(code)
    return None


def _error_of(body: bytes) -> Any:
    if len(body) > _MAX_ERROR_BODY:
        return None
    value = value_of(body)
    return value.get("error", value) if isinstance(value, dict) else value


def _too_long(error: object) -> bool:
    if isinstance(error, dict):
        return any(_too_long(error.get(key)) for key in ("code", "type", "message", "detail"))
    if not isinstance(error, str):
        return False
    text = error.lower()
    return any(phrase in text for phrase in _CONTEXT_PHRASES)
