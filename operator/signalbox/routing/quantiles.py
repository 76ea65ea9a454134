"""Small running statistics with bounded memory: quantiles, decayed means and rates, the token correction."""

import math

_BASE = 4  # buckets for each doubling: a quantile is read at most 19 % too high
_BUCKETS = 84  # up to 2^21 ms, half an hour; longer values share the last one
_WINDOW = 1024


class Quantile:
    """A rolling quantile of positive numbers (milliseconds), by a histogram with geometric buckets.

    Counts are halved whenever ``_WINDOW`` values are in, so that the past fades and rare outliers vanish.
    """

    __slots__ = ("_count", "_counts", "_dirty", "_fraction", "_value")

    def __init__(self, fraction: float = 0.95) -> None:
        self._fraction = fraction
        self._counts = [0] * _BUCKETS
        self._count = 0
        self._dirty = False
        self._value: float | None = None

    def add(self, value: float) -> None:
        """Count ``value``; whatever is below 1 counts as 1."""
        bucket = int(math.log2(value) * _BASE) if value > 1.0 else 0
        self._counts[bucket if bucket < _BUCKETS else _BUCKETS - 1] += 1
        self._count += 1
        self._dirty = True
        if self._count >= _WINDOW:
            self._counts = [count >> 1 for count in self._counts]
            self._count = sum(self._counts)

    def value(self) -> float | None:
        """Upper bound of the bucket that holds the quantile; None before the first value."""
        if self._dirty:
            self._dirty = False
            rank = math.ceil(self._fraction * self._count)
            seen = 0
            for bucket, count in enumerate(self._counts):
                seen += count
                if seen >= rank:
                    self._value = 2.0 ** ((bucket + 1) / _BASE)
                    break
        return self._value


class DecayedMean:
    """A mean whose values fade over ``seconds``; absent again when all have faded.

    Absent rather than frozen: a condition that keeps traffic away from a slow target must not be fed by the last
    bad value for ever.
    """

    __slots__ = ("_at", "_seconds", "_sum", "_weight")

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._sum = 0.0
        self._weight = 0.0
        self._at = 0.0

    def add(self, value: float, now: float) -> None:
        """Count ``value`` at ``now`` (monotonic seconds)."""
        keep = math.exp((self._at - now) / self._seconds) if self._weight else 0.0
        self._sum = self._sum * keep + value
        self._weight = self._weight * keep + 1.0
        self._at = now

    def value(self, now: float) -> float | None:
        """The mean, or None when the weight left at ``now`` is below 1 % of one value."""
        if not self._weight or self._weight * math.exp((self._at - now) / self._seconds) < 0.01:
            return None
        return self._sum / self._weight

    def beside(self, prior: float, weight: float, now: float) -> float:
        """The mean of the values and of a prior that counts as ``weight`` values that never fade."""
        keep = math.exp((self._at - now) / self._seconds) if self._weight else 0.0
        return (self._sum * keep + prior * weight) / (self._weight * keep + weight)


class ErrorRate:
    """Failures out of requests, 0 to 1, both fading over ``seconds``.

    One success is taken for granted, so that a single failed request is no rate of 100 %, and so that the rate falls
    to 0 when no request comes any more.
    """

    __slots__ = ("_at", "_failures", "_requests", "_seconds")

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._failures = 0.0
        self._requests = 0.0
        self._at = 0.0

    def add(self, failed: bool, now: float) -> None:
        """Count one request that ended at ``now`` (monotonic seconds)."""
        keep = math.exp((self._at - now) / self._seconds) if self._requests else 0.0
        self._requests = self._requests * keep + 1.0
        self._failures = self._failures * keep + (1.0 if failed else 0.0)
        self._at = now

    def value(self, now: float) -> float:
        """The rate at ``now``."""
        if not self._failures:
            return 0.0
        keep = math.exp((self._at - now) / self._seconds)
        return self._failures * keep / (self._requests * keep + 1.0)


class TokenCorrection:
    """Prompt tokens that a backend counted, relative to our estimate: a decayed ratio within [0.25, 4]."""

    __slots__ = ("_estimated", "_seen")

    def __init__(self) -> None:
        self._estimated = 1000.0
        self._seen = 1000.0

    def observe(self, estimated: int, seen: int) -> None:
        """Learn from one request's ``usage``; requests without an estimate or a usage teach nothing."""
        if estimated <= 0 or seen <= 0:
            return
        self._estimated = self._estimated * 0.98 + estimated
        self._seen = self._seen * 0.98 + seen

    @property
    def value(self) -> float:
        """Factor to multiply an estimate with; 1.0 before anything is known."""
        return min(4.0, max(0.25, self._seen / self._estimated))
