"""Faults on demand: what an engine does wrong, as data."""

from typing import Any

import msgspec

KINDS = "slow, stalled, dead, reset, status, errorEvent, cutAfter, draining"


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """Faults in force; the defaults are a healthy engine. Several may be combined.

    ``slow``: every step takes so many times longer. ``stalled``: requests are accepted, no token ever comes.
    ``dead``: the listener is closed and every connection reset. ``reset``: connections are accepted, and reset when a
    request came. ``status``: inference requests are answered with it (``retryAfter`` seconds go along with 429 and 503,
    ``code`` replaces the code in the error object). ``errorEvent``: a stream gets 200, then an error event of this code
    and the end, as vLLM does it; a unary request gets it as its status. ``cutAfter``: the connection is reset after so
    many tokens of a stream, or instead of a unary answer. ``draining``: new requests fail at once, gauges read 0,
    /health stays 200, old streams end well. ``percent``: share of requests that status, errorEvent, cutAfter and reset
    hit. ``seconds``: all of it ends by itself after that time.
    """

    slow: float = 1.0
    stalled: bool = False
    dead: bool = False
    reset: bool = False
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    error_event: int | None = None
    cut_after: int | None = None
    draining: bool = False
    percent: float = 100.0
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.slow <= 0:
            raise ValueError("slow is a factor above 0")
        for status in (self.status, self.error_event):
            if status is not None and not 400 <= status <= 599:
                raise ValueError(f"{status} is no error status: give 400 to 599")
        if not 0 <= self.percent <= 100:
            raise ValueError("percent is 0 to 100")


HEALTHY = Faults()


def decode(data: bytes) -> Faults:
    """Read the JSON of ``POST /sim/faults``. Raises ``ValueError`` (msgspec's is one) that says what is wrong."""
    return msgspec.json.decode(data, type=Faults)


def parse(text: str) -> Faults:
    """Read the form of the command line: "stalled", "status=429,retryAfter=2", "slow=5,seconds=10".

    Raises ``ValueError`` that says what is wrong.
    """
    fields: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        fields[name] = value or True
    if fields.get("draining") is None and "status" not in fields and "retryAfter" in fields:
        fields["status"] = 429
    try:
        return msgspec.convert(fields, Faults, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error} in {text!r}: write kind or kind=value, with {KINDS}") from None


def encode(faults: Faults) -> bytes:
    """The JSON that ``decode`` reads; healthy is {}."""
    return msgspec.json.encode(faults)
