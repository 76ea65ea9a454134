"""A model that is a target of the policy picks the label."""

from typing import TYPE_CHECKING

from signalbox.router.serving.chains.call import Call, CallFailed
from signalbox.router.serving.classifiers.answers import Answers, Unanswered
from signalbox.routing import config
from signalbox.routing.choosing import picking
from signalbox.routing.choosing.classified import Result
from signalbox.routing.choosing.ordered import OrderedChoice

if TYPE_CHECKING:
    from signalbox.router.serving.exchange import Exchange
    from signalbox.routing.features import Facts


class LlmSource:
    """Equal queries are asked once, as long as the answer is remembered."""

    def __init__(self, classifier: config.Classifier, source: config.Llm) -> None:
        self._classifier = classifier
        self._source = source
        self._answers = Answers()

    async def ask(self, exchange: "Exchange", facts: "Facts", deadline: float) -> tuple[Result, bool]:
        """What the model says. Raises ``Unanswered``."""
        query = facts.query_text

        async def call() -> Result:
            return await self._call(exchange, query, deadline)

        return await self._answers.get(picking.normalised(query), deadline, call)

    async def _call(self, exchange: "Exchange", query: str, deadline: float) -> Result:
        policy = exchange.policy
        position = policy.positions[self._source.target]
        asked = picking.body(self._classifier, query, policy.backends[position].config.features)
        try:
            reply = await Call(exchange, OrderedChoice([position]), asked).reply(deadline)
        except CallFailed as failed:
            raise Unanswered("timeout" if failed.outcome == "timeout" else "failed", failed.refusal.message) from None
        result = picking.read(self._classifier, reply.content)
        if result is None:
            raise Unanswered("failed", f"target {self._source.target} answered none of the labels")
        return result
