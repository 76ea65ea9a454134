"""What all that is done for one answer shares: a deadline, a budget, the best answer so far, the trail."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from signalbox.router.serving.chains.call import Call, CallFailed, Reply
from signalbox.router.serving.chains.race import Race
from signalbox.router.serving.chains.trail import Trail, named
from signalbox.router.wire.errors import Refusal
from signalbox.routing.chains import bodies, judging
from signalbox.routing.chains.answers import Answer
from signalbox.routing.chains.budget import Budget
from signalbox.routing.chains.compiled import CompiledChain, Judge, answers_wanted
from signalbox.routing.features import Facts
from signalbox.routing.prompts import max_tokens
from signalbox.routing.strategies import Choice

if TYPE_CHECKING:
    from signalbox.router.serving.exchange import Exchange

PART: Final = 0.5
"""Of the time that is left, for a call that others may follow: one that hangs must not take it all."""


class Exhausted(Exception):  # noqa: N818 - of what a request may use
    """The next call would go beyond a limit: ``maxCalls``, ``maxCost`` or ``timeout``."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


class Candidate:
    """An answer that may become the answer. ``score`` in percent, None where nobody judged it."""

    __slots__ = ("answer", "hidden_logprobs", "reply", "score")

    def __init__(self, reply: Reply, answer: Answer, *, hidden_logprobs: bool) -> None:
        self.reply = reply
        self.answer = answer
        self.hidden_logprobs = hidden_logprobs
        self.score: float | None = None

    @property
    def content(self) -> bytes:
        """The answer as the client gets it."""
        return bodies.without_logprobs(self.reply.content) if self.hidden_logprobs else self.reply.content


class Live:
    """The answer is that of a target that answers the client directly."""

    __slots__ = ("choice", "what")

    def __init__(self, what: str, choice: Choice) -> None:
        self.what = what
        self.choice = choice


Judgement = TypeVar("Judgement")
Failure = CallFailed | Exhausted


class Chain:
    """Of one request. ``asked`` is the request as steps are asked it."""

    def __init__(self, exchange: "Exchange", compiled: CompiledChain, facts: Facts) -> None:
        limits = compiled.limits
        self.exchange = exchange
        self.facts = facts
        self.operation = exchange.operation
        self.asked = bodies.unary(exchange.data)
        self.on_failure = compiled.on_failure
        self.deadline: float = exchange.started_at + limits.timeout_ms / 1000
        self.trail = Trail(kept=exchange.debug)
        self.best: Candidate | None = None
        self._best_judged: Candidate | None = None
        self._budget = Budget(limits.max_calls, limits.max_cost)
        self._needs = exchange.policy.requirements(facts)

    # asking

    async def ask(self, what: str, choice: Choice, data: dict[str, Any], *, part: float = 1.0) -> Candidate:
        """An answer to the client's request. Raises ``CallFailed`` and ``Exhausted``."""
        reply = await self._call(what, choice, data, self.operation, part)
        answer = Answer(reply.content, self.exchange.data, reply.usage.output if reply.usage is not None else 0)
        if not answer.made:
            raise self._failed(what, reply, "answered what is no answer")
        if self.trail.kept:
            said = "tools" if answer.tools else "refusal" if answer.refusal else "text" if answer.text else "nothing"
            self.trail.add(what, target=reply.target, said=said, finish=named(answer.finish_reason), **_used(reply))
        hidden = bool(data.get("logprobs")) and not bodies.asks_logprobs(self.asked)
        return Candidate(reply, answer, hidden_logprobs=hidden)

    async def score(self, judge: Judge, answer: Answer, *, part: float) -> int:
        """How good an answer is, in percent. Raises as ``ask`` does, ``CallFailed`` also for what is no judgement.

        What a judge's engine says of the router's own request is not for the client: it may repeat the rubric.
        """
        return await self._judgement("score", judge, [answer], part, judging.score)

    async def choose(self, judge: Judge, answers: list[Answer]) -> int:
        """The index of the best answer. Raises as ``score`` does."""
        return await self._judgement("best", judge, answers, 1.0, lambda text: judging.best(text, len(answers)))

    async def group(self, judge: Judge, answers: list[Answer], *, part: float) -> list[list[int]]:
        """Which answers mean the same, by index. Raises as ``score`` does."""
        return await self._judgement("groups", judge, answers, part, lambda text: judging.groups(text, len(answers)))

    async def _judgement(
        self,
        task: judging.Task,
        judge: Judge,
        answers: list[Answer],
        part: float,
        read: Callable[[str], Judgement | None],
    ) -> Judgement:
        features = self.exchange.policy.backends[judge.position].config.features or ()
        key, schema = secrets.token_hex(8), "JSONSchema" in features
        data = judging.request(task, judge.rubric, self.operation, self.exchange.data, answers, key, schema=schema)
        try:
            reply = await self._call("judge", judge.choice, data, "chat", part, answers)
        except CallFailed as failed:
            raise _without_words(failed) from None
        value = read(Answer(reply.content, data).text)
        if value is None:
            raise self._failed("judge", reply, "gave no judgement")
        self.trail.add("judge", target=reply.target, **_used(reply))
        return value

    async def _call(
        self,
        what: str,
        choice: Choice,
        data: dict[str, Any],
        operation: str,
        part: float,
        shown: Sequence[Answer] = (),
    ) -> Reply:
        expected = self.reserve(choice, data, shown)
        now = time.monotonic()
        actual = expected  # of one that is cut off: whoever began on it may charge for all of it
        try:
            if now >= self.deadline:
                actual = 0
                raise Exhausted("timeout")
            call = Call(self.exchange, choice, data, operation=operation, client_headers=what != "judge")
            reply = await call.reply(now + (self.deadline - now) * part)
            actual = reply.cost
        except CallFailed as failed:
            if failed.reply is not None:
                actual = failed.reply.cost
            elif failed.outcome != "timeout":
                actual = 0
            self.trail.add(what, target=failed.target, said="error", why=failed.outcome)
            raise
        finally:
            self._budget.end(expected, actual)
        return reply

    def reserve(self, choice: Choice, data: dict[str, Any], shown: Sequence[Answer] = ()) -> int:
        """Take a call out of the budget; returns what it is expected to cost. Raises ``Exhausted``.

        ``shown`` are answers that become part of a judge's prompt.
        """
        expected = self._expected(choice, data, shown) if self._budget.bounds_cost else 0
        if limit := self._budget.short_of(expected):
            raise Exhausted(limit)
        self._budget.begin(expected)
        return expected

    def _expected(self, choice: Choice, data: dict[str, Any], shown: Sequence[Answer]) -> int:
        """What a call costs at most, as far as anybody can tell: at the dearest of its targets."""
        prompt = self.facts.conversation_tokens
        if shown:
            prompt += judging.OWN_TOKENS + sum(answer.tokens for answer in shown)
        most, answers = max_tokens(data), answers_wanted(self.operation, data)
        dearest = 0
        for position, backend in enumerate(self.exchange.policy.backends):
            pricing = backend.config.pricing
            if choice.mask >> position & 1 and pricing is not None:
                output = backend.long_output_tokens if most is None else most
                cost = round(prompt * backend.token_correction) * pricing.input + answers * output * pricing.output
                dearest = max(dearest, cost)
        return dearest

    def _failed(self, what: str, reply: Reply, message: str) -> CallFailed:
        self.trail.add(what, target=reply.target, said="error", why=message, **_used(reply))
        refusal = Refusal(502, "upstream_error", f"Target {reply.target}: {message}.", retriable=False)
        return CallFailed("nonsense", refusal, reply.target)

    async def attempt(self, what: str, choice: Choice, data: dict[str, Any], part: float) -> "Candidate | Failure":
        """The same as ``ask``, for a race: what may go wrong is a result."""
        try:
            return await self.ask(what, choice, data, part=part)
        except (CallFailed, Exhausted) as failure:
            return failure

    def race(self, what: str, asked: "list[tuple[Choice, dict[str, Any]]]", part: float) -> "Race[Candidate | Failure]":
        """Ask all at once."""
        return Race(
            [self.attempt(f"{what} {number}", choice, data, part) for number, (choice, data) in enumerate(asked, 1)]
        )

    # deciding

    def can_serve(self, choice: Choice, *, logprobs: bool = False) -> bool:
        """Whether any of some targets can serve the request at all."""
        policy = self.exchange.policy
        mask = choice.mask & policy.still_eligible(self._needs)
        if logprobs:
            for position, backend in enumerate(policy.backends):
                features = backend.config.features
                if features is not None and "LogProbs" not in features:
                    mask &= ~(1 << position)
        return bool(mask)

    def offer(self, candidate: Candidate, score: float | None) -> None:
        """An answer that is there, should nobody do better: the last one, until it is judged worse than another."""
        candidate.score = score
        self.best = candidate
        if score is not None:
            former = self._best_judged
            if former is not None and former.score is not None and former.score > score:
                self.best = former
            self._best_judged = self.best

    def condition_failed(self) -> None:
        """An expression over an answer could not be evaluated."""
        exchange = self.exchange
        route = exchange.route.name if exchange.route is not None else ""
        exchange.live.statistics.condition_error(exchange.policy.name, route)

    def missed(self, failure: Failure) -> Failure:
        """One of several that are asked for the same gives no answer. Raises it where the policy says so."""
        if self.on_failure == "Error" and isinstance(failure, CallFailed):
            raise failure
        return failure

    def degrade(self, failed: CallFailed) -> Candidate | None:
        """What follows from a failure: the best answer so far, or None to go on. Raises it where the policy says so."""
        if self.on_failure == "Error":
            raise failed
        return self.best if self.on_failure == "BestSoFar" else None


def _without_words(failed: CallFailed) -> CallFailed:
    """The same failure as the client may see it: that of a gateway."""
    refusal = failed.refusal
    if failed.reply is None and refusal.status >= 500:
        return failed
    refusal = Refusal(502, "upstream_error", refusal.message, retriable=False)
    return CallFailed(failed.outcome, refusal, failed.target)


def _used(reply: Reply) -> dict[str, Any]:
    used = reply.usage
    return {"ms": round(reply.seconds * 1000), "tokens": None if used is None else [used.input, used.output]}
