"""What routers say of a backend, summed over all of them."""

import math

import msgspec

from signalbox.feedback.readings import PROMPT_WORK

PRIOR_LENGTH = 300.0
"""Tokens of work that a request is, before anything is known."""
PRIOR_REQUESTS = 5.0
LENGTH_SECONDS = 60.0
LENGTH_REQUESTS = 300.0
"""Seconds, and requests, over which what was seen of lengths fades: the longer of both. As lengths vary as much as
their mean, that many requests tell it within 6 %; over a minute alone, a small backend's would waver by a fifth."""
ARRIVAL_GAIN = 0.3


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Counters that never go back: requests that were sent, that ended well, that were answered 429, and their tokens.
    ``in_flight`` is a gauge. ``at`` in seconds."""

    at: float
    started: int = 0
    completed: int = 0
    busy: int = 0
    output_tokens: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    in_flight: int = 0

    @property
    def work(self) -> float:
        """In output tokens, see ``readings.PROMPT_WORK``."""
        return self.output_tokens + PROMPT_WORK * max(0, self.input_tokens - self.cached_tokens)


class Length(msgspec.Struct, frozen=True):
    """Mean work of a request in tokens."""

    tokens: float = PRIOR_LENGTH * PRIOR_REQUESTS
    requests: float = PRIOR_REQUESTS

    @property
    def mean(self) -> float:
        """Tokens a request, at least 1."""
        return max(1.0, self.tokens / self.requests)

    def seen(self, tokens: float, requests: float, seconds: float) -> "Length":
        """With what happened in so many seconds. Where nothing ended, what is known does not fade."""
        if requests <= 0.0:
            return self
        keep = math.exp(-min(seconds / LENGTH_SECONDS, requests / LENGTH_REQUESTS))
        return Length(self.tokens * keep + tokens, self.requests * keep + requests)


def smoothed(before: float | None, now: float) -> float:
    """A rate that wavers from one interval to the next."""
    return now if before is None else before + ARRIVAL_GAIN * (now - before)
