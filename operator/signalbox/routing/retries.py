"""The retry budget: when much fails, retries must not multiply the load on what still works."""

CEILING = 1000.0


class RetryBudget:
    """A bucket of retries: requests and time fill it, every retry takes one out.

    It starts full, so that a backend that dies right after start-up is hidden as well as one that dies later.
    """

    __slots__ = ("_balance", "_ceiling", "_per_request", "_per_second", "_refilled_at")

    def __init__(self, per_request: float = 0.2, per_second: float = 10.0, ceiling: float = CEILING) -> None:
        self._per_request = per_request
        self._per_second = per_second
        self._ceiling = ceiling
        self._balance = ceiling
        self._refilled_at: float | None = None

    def deposit(self) -> None:
        """Count one request of a client."""
        balance = self._balance + self._per_request
        self._balance = min(self._ceiling, balance)

    def withdraw(self, now: float) -> bool:
        """Take one retry out at ``now`` (monotonic seconds); False when the budget is spent."""
        if self._refilled_at is not None:
            earned = (now - self._refilled_at) * self._per_second
            self._balance = min(self._ceiling, self._balance + earned)
        self._refilled_at = now
        if self._balance < 1.0:
            return False
        self._balance -= 1.0
        return True
