"""Limits of a backend as one worker applies them: requests in flight, requests and tokens a minute, cool-downs."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from signalbox.routing.config import Limits

MINUTE = 60.0
IN_FLIGHT_WAIT = 1.0
# A worker that was leased nothing waits for a lease.
LEASE_WAIT = 1.0
# What of its part a worker takes while it waits for its first lease: all others together may have leased the whole.
NEWCOMER_PART = 10
DEFAULT_COOL_DOWN = 1.0
MAX_COOL_DOWN = 300.0


class Allowance(NamedTuple):
    """A part of a backend's limits, what is in flight or was ``spent`` in the minute that ends now, and the ``most`` in
    any from there on: more than the part where more was spent before it was lowered."""

    lease: Limits
    most: Limits
    spent: Limits


def in_minute(at: float, now: float) -> bool:
    """Whether what was spent then is still in the last minute."""
    return int(at) + MINUTE + 1.0 > now


class _Minute:
    """What was spent in the last minute, in steps of one second.

    A sliding window rather than a token bucket: a bucket of one minute's size lets twice the limit pass in its first
    minute. Steps are rounded towards later, so no 60 seconds ever hold more than the limit.
    """

    __slots__ = ("_steps", "total")

    def __init__(self) -> None:
        self._steps: deque[list[int]] = deque()
        self.total = 0

    def expire(self, now: float) -> None:
        steps = self._steps
        while steps and not in_minute(steps[0][0], now):
            self.total -= steps.popleft()[1]

    def spend(self, now: float, amount: int) -> None:
        second = int(now)
        if self._steps and self._steps[-1][0] == second:
            self._steps[-1][1] += amount
        else:
            self._steps.append([second, amount])
        self.total += amount

    def refund(self, amount: int) -> None:
        """Give back the oldest spending: what stays is the newer part, so the window is never left too early."""
        while amount > 0 and self._steps:
            step = self._steps[0]
            part = min(amount, step[1])
            step[1] -= part
            self.total -= part
            amount -= part
            if not step[1]:
                self._steps.popleft()

    def wait(self, now: float, amount: int, limit: int) -> float:
        """Seconds until ``amount`` fits; more than the whole limit fits when nothing else is in the window."""
        if not limit:
            return LEASE_WAIT
        self.expire(now)
        left = self.total
        if not left or left + amount <= limit:
            return 0.0
        for second, spent in self._steps:
            left -= spent
            if left <= 0 or left + amount <= limit:
                return second + MINUTE + 1.0 - now
        return MINUTE


class _Usage:
    """The part that outlives a reload: requests begun under the old limits end under the new ones."""

    __slots__ = ("cool_until", "in_flight", "requests", "tokens")

    def __init__(self) -> None:
        self.in_flight = 0
        self.cool_until = 0.0
        self.requests = _Minute()
        self.tokens = _Minute()


class BackendLimits:
    """One worker's part of a backend's limits: what it was leased; before that limit ÷ ``shares``, at least 1, and a
    tenth of that while a lease is awaited.

    Times are monotonic seconds. ``wait`` decides and changes nothing; ``acquire`` books an attempt, and every
    ``acquire`` needs one ``release``.
    """

    __slots__ = ("_in_flight", "_lease", "_limits", "_requests", "_shares", "_tokens", "_usage")

    def __init__(self, limits: Limits, shares: int = 1) -> None:
        self._limits = limits
        self._shares = shares
        self._usage = _Usage()
        self.lease(None)

    def lease(self, part: Limits | None) -> None:
        """Apply a part of the limits from here on; what was counted stays. What it does not name is as before any."""
        self._lease = part
        leased = part or Limits()
        limits, shares = self._limits, self._shares
        self._in_flight = _part(limits.max_in_flight, shares, leased.max_in_flight)
        self._requests = _part(limits.requests_per_minute, shares, leased.requests_per_minute)
        self._tokens = _part(limits.tokens_per_minute, shares, leased.tokens_per_minute)

    def await_lease(self) -> None:
        """Apply little until somebody says ``lease``."""
        shares = NEWCOMER_PART * max(1, self._shares)
        fields = msgspec.structs.asdict(self._limits).items()
        self.lease(Limits(**{name: _part(limit, shares, None) for name, limit in fields}))

    def inherit(self, at: float, spent: Limits) -> None:
        """Count what another worker had spent in the minute before as if it were of then: the backend remembers it. Of
        several the oldest comes first."""
        usage = self._usage
        usage.requests.spend(at, spent.requests_per_minute or 0)
        usage.tokens.spend(at, spent.tokens_per_minute or 0)

    def allowance(self, now: float) -> Allowance:
        """What is applied, and what that comes to at most."""
        usage = self._usage
        usage.requests.expire(now)
        usage.tokens.expire(now)
        part = Limits(max_in_flight=self._in_flight, requests_per_minute=self._requests, tokens_per_minute=self._tokens)
        spent = Limits(
            max_in_flight=usage.in_flight,
            requests_per_minute=usage.requests.total,
            tokens_per_minute=usage.tokens.total,
        )
        return Allowance(part, larger(part, spent), spent)

    @property
    def in_flight(self) -> int:
        """Attempts that were acquired and not yet released."""
        return self._usage.in_flight

    def wait(self, now: float, tokens: int) -> float:
        """Seconds until a request of about ``tokens`` tokens may start; 0.0 when it may start now.

        For requests in flight nobody knows when one ends: the wait is a second.
        """
        usage = self._usage
        wait = usage.cool_until - now if usage.cool_until > now else 0.0
        if self._in_flight is not None and usage.in_flight >= self._in_flight and wait < IN_FLIGHT_WAIT:
            wait = IN_FLIGHT_WAIT
        if self._requests is not None:
            wait = max(wait, usage.requests.wait(now, 1, self._requests))
        if self._tokens is not None:
            wait = max(wait, usage.tokens.wait(now, tokens, self._tokens))
        return wait

    def acquire(self, now: float, tokens: int) -> None:
        """Book an attempt of about ``tokens`` tokens."""
        usage = self._usage
        usage.in_flight += 1
        if self._requests is not None:
            usage.requests.spend(now, 1)
        if self._tokens is not None:
            usage.tokens.spend(now, tokens)

    def release(self, now: float) -> None:
        """End an attempt."""
        self._usage.in_flight -= 1

    def settle(self, now: float, estimated: int, actual: int, acquired_at: float | None = None) -> None:
        """Correct the booking of ``estimated`` tokens to the ``actual`` ones of the response's usage.

        ``acquired_at`` tells whether the booking is still in the window; without it, it is taken to be.
        """
        if self._tokens is None:
            return
        if actual > estimated:
            self._usage.tokens.spend(now, actual - estimated)
        elif acquired_at is None or in_minute(acquired_at, now):
            self._usage.tokens.refund(estimated - actual)

    def cool_down(self, now: float, seconds: float | None) -> None:
        """Let nothing start for ``seconds`` (of ``Retry-After``; None: one second), at most five minutes."""
        pause = DEFAULT_COOL_DOWN if seconds is None else min(max(seconds, 0.0), MAX_COOL_DOWN)
        self._usage.cool_until = max(self._usage.cool_until, now + pause)

    def carry_over(self, old: "BackendLimits") -> None:
        """Continue where ``old`` stands: its requests in flight will still be released through it."""
        self._usage = old._usage
        self.lease(old._lease)


def parts(lease: Limits, count: int) -> list[Limits]:
    """A lease divided among workers: equal whole parts, and what is left goes to the first of them."""
    fields: Mapping[str, int | None] = msgspec.structs.asdict(lease)
    divided: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, amount in fields.items():
        if amount is not None:
            each, rest = divmod(amount, count)
            for number, part in enumerate(divided):
                part[name] = each + (number < rest)
    return [Limits(**part) for part in divided]


def added(one: Limits, other: Limits) -> Limits:
    """The sum; what one of them does not have is not known of both."""
    return _paired(one, other, lambda a, b: None if a is None or b is None else a + b)


def less(one: Limits, other: Limits) -> Limits:
    """What is left of one without the other, never below 0."""
    return _paired(one, other, lambda a, b: None if a is None else max(0, a - (b or 0)))


def larger(one: Limits, other: Limits) -> Limits:
    """The larger of each; what ``one`` does not have there is not, what ``other`` does not have changes nothing."""
    return _paired(one, other, lambda a, b: None if a is None else max(a, b or 0))


def _paired(one: Limits, other: Limits, of: Callable[[int | None, int | None], int | None]) -> Limits:
    pairs = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    in_flight, requests, tokens = (of(first, second) for first, second in pairs)
    return Limits(max_in_flight=in_flight, requests_per_minute=requests, tokens_per_minute=tokens)


def _part(limit: int | None, shares: int, leased: int | None) -> int | None:
    if limit is None:
        return None
    return max(1, limit // max(1, shares)) if leased is None else min(limit, leased)
