"""One request to targets, tried as often as it takes: what a client's request and the calls of a chain have in common.

Who tries books each attempt where every attempt is booked, and spends retries from the one budget of the worker.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from signalbox.router.serving.attempt import Attempt
from signalbox.router.serving.owner import Owner
from signalbox.router.serving.search import Search
from signalbox.router.wire.errors import Refusal
from signalbox.router.wire.heads import Head
from signalbox.router.wire.translation import Translation
from signalbox.routing.config import Backend
from signalbox.routing.outcomes import Outcome

if TYPE_CHECKING:
    from signalbox.router.serving.live import Live, LivePolicy

# Bounds the tries of one request, whatever the retry budget would allow.
MAX_TRIES = 6


class Tries(Owner):
    """See the module. Attempts call it back; who answers somebody with the outcome is the subclass.

    ``detail`` is why a try failed, in words for the operator of the router and not for its clients.
    """

    __slots__ = (
        "_search",
        "_tokens",
        "attempt",
        "data",
        "detail",
        "head",
        "live",
        "operation",
        "policy",
        "request_id",
        "stream",
        "target",
        "traceparent",
        "tries",
    )

    def __init__(
        self, live: "Live", policy: "LivePolicy", operation: str, head: Head, data: dict[str, Any], request_id: bytes
    ) -> None:
        self.live = live
        self.policy = policy
        self.operation = operation
        self.head = head
        self.data = data
        self.stream = data.get("stream") is True
        self.request_id = request_id
        self.traceparent = b""
        self.attempt: Attempt | None = None
        self.target = ""
        self.detail = ""
        self.tries = 0
        self._search = Search(policy)
        self._tokens = 0

    # what the subclass says

    def _composed(self, backend: Backend) -> tuple[bytes, Translation | None]:
        """The body for a backend, and how its answer is read. Raises ``Refusal`` for what it cannot be asked."""
        raise NotImplementedError

    def _give_up(
        self, attempt: Attempt, outcome: Outcome, message: str, gateway_status: int, upstream_status: int | None
    ) -> None:
        """No other attempt follows the one that failed."""
        raise NotImplementedError

    def _hand_over(self, attempt: Attempt, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        """An answer or an error of the client's own is there as a whole."""
        raise NotImplementedError

    def refuse(self, refusal: Refusal) -> None:
        """There is no answer but this."""
        raise NotImplementedError

    def note(self, detail: str) -> None:
        """See ``Owner``."""
        self.detail = detail

    # trying

    def _try(self, now: float) -> None:
        search = self._search
        backend, needs = search.backend, search.needs
        content, translation = self._composed(backend.config)
        self.tries += 1
        self.target = self.policy.config.targets[search.position].name
        self._tokens = 0 if needs is None else backend.tokens(needs)
        backend.limits.acquire(now, self._tokens)
        request = b"".join(
            (
                backend.heads[self.operation],
                self.head.upstream(backend.own_headers),
                b"x-request-id: %b\r\ntraceparent: %b\r\ncontent-length: %d\r\n\r\n"
                % (self.request_id, self.traceparent, len(content)),
                content,
            )
        )
        self.attempt = attempt = Attempt(self, backend, search.endpoint, request, now, translation)
        self.live.attempts.add(attempt)
        self.live.statistics.started(backend.config.name)
        backend.backlog.began(now)
        attempt.start()

    def _try_again(self, now: float) -> None:
        try:
            self._try(now)
        except Refusal as refusal:  # the place that was found cannot be asked this
            self.refuse(refusal)

    def _ended(self, attempt: Attempt, outcome: str) -> float:
        """Book what every attempt books at its end."""
        now = time.monotonic()
        backend = attempt.backend
        backend.limits.release(now)
        backend.backlog.ended(now)
        if attempt.usage is not None:
            backend.limits.settle(now, self._tokens, attempt.usage.input + attempt.usage.output, attempt.started_at)
            backend.wrote(attempt.usage.output, now)
            needs = self._search.needs
            if needs is not None and backend.config.context_window is not None:
                backend.correction.observe(needs.prompt_tokens, attempt.usage.input)
        if outcome in {"success", "failure"}:
            backend.served(outcome == "failure", attempt.ttft, now)
        self.live.attempts.discard(attempt)
        self.live.statistics.attempt(backend.config.name, outcome)
        self.attempt = None
        return now

    def failed(
        self, attempt: Attempt, outcome: Outcome, message: str, gateway_status: int, upstream_status: int | None
    ) -> None:
        """The attempt failed and nobody has seen anything of it: try elsewhere, or say so."""
        now = self._ended(attempt, outcome.name.lower())
        self.detail = self.detail or message
        if self._goes_on(outcome, now):
            self._try_again(now)
        else:
            self._give_up(attempt, outcome, message, gateway_status, upstream_status)

    def _goes_on(self, outcome: Outcome, now: float) -> bool:
        """Whether there is another place for the request after an attempt that failed."""
        search = self._search
        if not search.movable or self.tries >= MAX_TRIES or not self.live.budget.withdraw(now):
            return False
        if outcome is Outcome.FAILURE and search.backend.limits.wait(now, self._tokens) == 0.0 and search.beside(now):
            return True
        return search.elsewhere(now)

    def has_alternative(self, now: float) -> bool:
        """Whether another endpoint or target would take the request now."""
        return self.tries < MAX_TRIES and self._search.has_alternative(now)

    def too_long(self, attempt: Attempt, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        """The prompt was too long for the model: a target with a larger window may take it."""
        now = self._ended(attempt, "context_length")
        larger = self._search.larger()
        retries = larger and self.tries < MAX_TRIES and self.live.budget.withdraw(now)
        if retries and self._search.elsewhere(now, larger):
            self._try_again(now)
        else:
            self._hand_over(attempt, status, headers, content)
