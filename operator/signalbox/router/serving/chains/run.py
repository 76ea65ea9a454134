"""A chain at work for a request: from its first call to what the client gets, whatever becomes of the calls."""

import asyncio
import time
from typing import TYPE_CHECKING

from signalbox.router.serving.chains.best_of import best_of
from signalbox.router.serving.chains.call import CallFailed
from signalbox.router.serving.chains.cascade import cascade
from signalbox.router.serving.chains.chain import Candidate, Chain, Exhausted, Live
from signalbox.router.serving.chains.consensus import consensus
from signalbox.router.serving.chains.trail import Trail
from signalbox.router.wire.errors import Refusal
from signalbox.routing.chains.compiled import BestOf, Cascade, CompiledChain
from signalbox.routing.features import Facts

if TYPE_CHECKING:
    from signalbox.router.serving.exchange import Exchange

KEEP_ALIVE_SECONDS = 15.0
"""Proxies close what is silent for a minute, some for half of that; before this, an error can still have its status."""

_OVER = {
    "timeout": (504, "upstream_timeout", "The models had no answer within the time-out of the route."),
    "maxCost": (400, "cost_limit", "An answer could cost more than the route allows: shorten it, or lower max_tokens."),
    "maxCalls": (502, "upstream_error", "The models had no answer within the calls that the route allows."),
}


def _over(exhausted: Exhausted) -> Refusal:
    status, code, message = _OVER[exhausted.limit]
    return Refusal(status, code, message, retriable=False)


def afford(exchange: "Exchange", compiled: CompiledChain, facts: Facts) -> None:
    """See that a request that one target serves alone keeps within the limits. Raises ``Refusal`` where it may not."""
    try:
        Chain(exchange, compiled, facts).reserve(compiled.direct, exchange.data)
    except Exhausted as over:
        raise _over(over) from None


class Run:
    """See the module; the exchange asks it for another answer where its own attempt fails."""

    __slots__ = ("_chain", "_compiled", "_deadline", "_exchange", "_live", "_pulse", "_rescued")

    def __init__(self, exchange: "Exchange", compiled: CompiledChain, facts: Facts) -> None:
        self._chain = Chain(exchange, compiled, facts)
        self._compiled = compiled
        self._exchange = exchange
        self._live = False
        self._rescued = False
        self._deadline: asyncio.TimerHandle | None = None
        self._pulse: asyncio.TimerHandle | None = None

    @property
    def trail(self) -> Trail:
        """What was done so far."""
        return self._chain.trail

    def start(self) -> None:
        """Begin; what follows comes by itself."""
        if self._exchange.stream:
            self._beat_later()
        self._exchange.run(self._serve())

    def close(self) -> None:
        """The request has ended."""
        self.quiet()
        if self._deadline is not None:
            self._deadline.cancel()
        if self._live and not self._rescued:
            self._count("live")
        self._live = False

    def quiet(self) -> None:
        """The client gets the answer itself now."""
        if self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None

    def _beat_later(self) -> None:
        self._pulse = asyncio.get_running_loop().call_later(KEEP_ALIVE_SECONDS, self._beat)

    def _beat(self) -> None:
        self._exchange.keep_alive()
        self._beat_later()

    # from calls to an answer

    async def _serve(self) -> None:
        chain = self._chain
        try:
            outcome = await self._outcome()
            if isinstance(outcome, Live):
                chain.reserve(outcome.choice, chain.asked)
        except Exhausted as over:
            chain.trail.add("limit", why=over.limit)
            if chain.best is None:
                self._name_target("")
                raise _over(over) from None
            self._deliver(chain.best, over.limit)
        except CallFailed as failed:
            self._fail(failed)
        else:
            if isinstance(outcome, Live):
                self._go_live(outcome)
            else:
                self._deliver(outcome, "accepted")

    async def _outcome(self) -> Candidate | Live:
        compiled = self._compiled
        if isinstance(compiled, Cascade):
            return await cascade(self._chain, compiled)
        if isinstance(compiled, BestOf):
            return await best_of(self._chain, compiled)
        return await consensus(self._chain, compiled)

    def _fail(self, failed: CallFailed) -> None:
        chain, exchange = self._chain, self._exchange
        if chain.best is not None and chain.on_failure != "Error":
            self._deliver(chain.best, "best so far")
            return
        self._name_target(failed.target)
        exchange.note(failed.refusal.message)
        if failed.reply is None:
            exchange.refuse(failed.refusal)
        else:
            exchange.answer_with(failed.reply.status, failed.reply.headers, failed.reply.content)

    def _name_target(self, target: str) -> None:
        """Whose failure the client sees."""
        exchange = self._exchange
        exchange.target = target or (exchange.spent.target if exchange.spent is not None else "")

    # what the client gets

    def _deliver(self, candidate: Candidate, how: str) -> None:
        reply = candidate.reply
        self._exchange.target = reply.target
        self._count(how)
        self._exchange.answer_with(reply.status, reply.headers, candidate.content)

    def _go_live(self, live: Live) -> None:
        chain, exchange = self._chain, self._exchange
        chain.trail.add(live.what, said="live")
        left = max(0.0, chain.deadline - time.monotonic())
        self._deadline = asyncio.get_running_loop().call_later(left, exchange.out_of_time)
        exchange.answer_live(live.choice)
        self._live = True

    def rescue(self) -> bool:
        """Answer with the best so far where nobody else does; False where there is none."""
        best = self._chain.best
        if best is None or self._rescued or self._chain.on_failure == "Error":
            return False
        self._rescued = True
        self.trail.add("best so far", target=best.reply.target)
        self._deliver(best, "best so far")
        return True

    def _count(self, how: str) -> None:
        exchange = self._exchange
        route = exchange.route.name if exchange.route is not None else ""
        exchange.live.statistics.chosen(exchange.policy.name, route, exchange.target, how)
