"""A call of the router's own on behalf of a client's request: to a step, a sample, a judge or a classifier.

It is always unary, and is tried, counted and bounded like any request. Who waits for it and is cancelled cancels it,
upstream too.
"""

import asyncio
import sys
import time
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from signalbox.router.serving import replies, waiting
from signalbox.router.serving.attempt import Attempt
from signalbox.router.serving.tries import Tries
from signalbox.router.wire import body, usage
from signalbox.router.wire.errors import Refusal
from signalbox.router.wire.heads import Head
from signalbox.router.wire.sse import EventStream
from signalbox.router.wire.translation import Translation, reading
from signalbox.routing.chains.budget import Spent
from signalbox.routing.config import Backend
from signalbox.routing.features import Facts
from signalbox.routing.outcomes import Outcome
from signalbox.routing.strategies import Choice

if TYPE_CHECKING:
    from signalbox.router.serving.exchange import Exchange

NO_HEAD = Head()
"""Of a request that no client sent: nothing of the client's headers is a judge's business."""

IN_PARTS = "an answer that is wanted as a whole came in parts"


class Reply(NamedTuple):
    """An answer: of a model, or an error that is the client's own (``status`` 400 and above).

    ``cost`` in 10⁻¹² of the currency unit; ``seconds`` from the start of the call.
    """

    status: int
    headers: Mapping[bytes, bytes]
    content: bytes
    usage: usage.Usage | None
    cost: int
    target: str
    seconds: float


class CallFailed(Exception):  # noqa: N818 - of others, not of this code
    """There is no answer. ``outcome`` is one of few words; ``refusal`` is what a client is told where nobody else
    answers it; ``reply`` is there where the model itself has refused the request."""

    def __init__(self, outcome: str, refusal: Refusal, target: str, reply: Reply | None = None) -> None:
        super().__init__(refusal.message)
        self.outcome = outcome
        self.refusal = refusal
        self.target = target
        self.reply = reply


class Call(Tries):
    """See the module. ``choice`` are the targets that may be asked.

    With ``client_headers`` it goes out with the headers of the client's request, as that itself would.
    """

    __slots__ = ("_choice", "_ended_as", "_model", "_route", "_spent", "_started_at", "_under_way", "done", "rewrites")

    def __init__(
        self,
        exchange: "Exchange",
        choice: Choice,
        data: dict[str, Any],
        *,
        operation: str = "chat",
        client_headers: bool = False,
    ) -> None:
        head = exchange.head if client_headers else NO_HEAD
        super().__init__(exchange.live, exchange.policy, operation, head, data, exchange.request_id)
        if exchange.spent is None:
            exchange.spent = Spent()
        if exchange.calls is None:
            exchange.calls = set()
        self.traceparent = exchange.traceparent
        self.rewrites = True
        self._choice = choice
        self.done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._ended_as = ""
        self._model = exchange.data["model"]
        self._route = exchange.route
        self._spent = exchange.spent
        self._under_way = exchange.calls
        self._started_at = 0.0

    def reply(self, deadline: float) -> Coroutine[Any, Any, Reply]:
        """See ``waiting``."""
        return waiting.reply(self, deadline)

    def start(self, now: float) -> None:
        """Send; ``done`` is set when there is an answer, or none to be expected."""
        self._started_at = now
        self._under_way.add(self)
        self._start(now)

    def close(self) -> None:
        """Nobody waits any more."""
        self._cut("cancelled")
        self._under_way.discard(self)
        if self.done.done() and not self.done.cancelled() and self.done.exception() is not None:
            # Seen, even where who waits was cancelled in the same moment; and let go, as its frames refer to this.
            self.done = self.done.get_loop().create_future()
            self.done.cancel()

    def _start(self, now: float) -> None:
        self._spent.calls += 1
        self.live.budget.deposit()
        facts = Facts(self.operation, self.data, self.head.headers, "", "", self.policy.facts)
        try:
            self._search.among(self._choice, facts, now)
            self._try(now)
            self._spent.target = self.target
        except Refusal as refusal:
            self.refuse(refusal)

    def overdue(self) -> None:
        """The time is over."""
        if not self._ended_as:
            self._cut("timeout")
            self._fail("timeout", replies.expired(self.target, "time-out of the call"))

    def cancel(self) -> None:
        """At once: who waits is cancelled as well, but learns of it later."""
        self._cut("cancelled")
        self.done.cancel()

    def _cut(self, outcome: str) -> None:
        """Nobody waits for the answer any more, if it is not there yet: the endpoint need not go on."""
        if self._ended_as:
            return
        attempt = self.attempt
        if attempt is not None:
            if not attempt.cancelled:
                attempt.cancel()
            self._ended(attempt, "abandoned")
        self._book(outcome, None)

    # what every try asks

    def _composed(self, backend: Backend) -> tuple[bytes, Translation | None]:
        content = body.for_backend(self.data, backend, self.operation, stream=False)
        return content, reading(backend, native=False, with_usage=True)

    # owner of attempts

    @property
    def paused(self) -> bool:
        """See ``Owner``: an answer is taken as fast as it comes."""
        return False

    def events(self, chunked: bool) -> EventStream | None:
        """See ``Owner``."""
        return None

    def begin(self, status: int, headers: Mapping[bytes, bytes], length: bytes | None) -> None:
        """Never, as all that follow: what is wanted as a whole is held until it is one."""
        raise AssertionError(IN_PARTS)

    def pass_on(self, data: bytes) -> None:
        """See ``begin``."""
        raise AssertionError(IN_PARTS)

    def pass_raw(self, raw: bytes) -> None:
        """See ``begin``."""
        raise AssertionError(IN_PARTS)

    def answered(self, attempt: Attempt, status: int) -> None:
        """See ``begin``."""
        raise AssertionError(IN_PARTS)

    def broken(self, attempt: Attempt, message: str, timed_out: bool, outcome: str = "failure") -> None:
        """See ``begin``."""
        raise AssertionError(IN_PARTS)

    def answer(self, attempt: Attempt, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        """See ``Owner``."""
        self._ended(attempt, "success" if status < 400 else "client")
        self._hand_over(attempt, status, headers, content)

    def _hand_over(self, attempt: Attempt, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        cost = self._book("answered" if status < 400 else "refused", attempt)
        seconds = time.monotonic() - self._started_at
        reply = Reply(status, headers, content, attempt.usage, cost, self.target, seconds)
        if status < 400:
            if not self.done.done():
                self.done.set_result(reply)
        else:
            self._fail("refused", Refusal(status, "upstream_error", f"Target {self.target}: answered {status}."), reply)

    def refused_inside(self, attempt: Attempt, error: object, outcome: Outcome) -> None:
        """See ``Owner``."""
        refusal = replies.inside(error, outcome)
        headers = {b"content-type": b"application/json"}
        if outcome is Outcome.CONTEXT_LENGTH:
            self.too_long(attempt, refusal.status, headers, refusal.body())
        else:
            self._ended(attempt, "client")
            self._hand_over(attempt, refusal.status, headers, refusal.body())

    def expired(self, attempt: Attempt, message: str) -> None:
        """See ``Owner``."""
        self._ended(attempt, "failure")
        self._book("timeout", attempt)
        self._fail("timeout", replies.expired(self.target, message))

    def _give_up(
        self, attempt: Attempt, outcome: Outcome, message: str, gateway_status: int, upstream_status: int | None
    ) -> None:
        self._book("failed", attempt)
        self._fail("failed", replies.failure(self.target, attempt, outcome, message, gateway_status))

    def refuse(self, refusal: Refusal) -> None:
        """Nobody can be asked."""
        self._book("unsent" if not self.tries else "failed", None)
        self._fail("unsent" if not self.tries else "failed", refusal)

    def crashed(self) -> None:
        """See ``Owner``: whoever waits gets the defect."""
        error = sys.exception()
        self._cut("failed")
        if not self.done.done():
            self.done.set_exception(error or RuntimeError("a call crashed"))

    # ends

    def _fail(self, outcome: str, refusal: Refusal, reply: Reply | None = None) -> None:
        if not self.done.done():
            self.done.set_exception(CallFailed(outcome, refusal, self.target, reply))

    def _book(self, outcome: str, attempt: Attempt | None) -> int:
        """Count the call, once; returns what it cost."""
        self._ended_as = outcome
        policy, spent = self.policy, self._spent
        spent.tries += self.tries
        cost = 0
        if self.target:
            backend = policy.backends[policy.positions[self.target]].config
            used = (attempt.usage if attempt is not None else None) or usage.Usage(0, 0, 0)
            cost = usage.cost(used, backend.pricing)
            spent.add(*used, cost)
            series = policy.series(self._route, self.target, backend.name, self.operation, self._model)
            series.spent(*used, cost, self.tries)
        name = self._route.name if self._route is not None else ""
        self.live.statistics.called(policy.name, name, self.target, outcome)
        return cost
