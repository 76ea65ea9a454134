"""A service of the user's own puts the label on a query."""

import time
from typing import TYPE_CHECKING

from signalbox.router.serving.classifiers.answers import Unanswered
from signalbox.router.serving.classifiers.visit import Visit
from signalbox.routing import config
from signalbox.routing.choosing import service
from signalbox.routing.choosing.classified import Result

if TYPE_CHECKING:
    from signalbox.router.serving.exchange import Exchange
    from signalbox.router.upstream.backend import BackendState
    from signalbox.router.upstream.endpoint import Endpoint
    from signalbox.routing.features import Facts


class HttpSource:
    """Asked anew for each request: a service may go by more than the query, and remembers what it likes."""

    def __init__(self, classifier: config.Classifier, source: config.Http) -> None:
        self._classifier = classifier
        self._source = source

    async def ask(self, exchange: "Exchange", facts: "Facts", deadline: float) -> tuple[Result, bool]:
        """What the service says. Raises ``Unanswered``; at once, where it is known to be dead."""
        state = exchange.live.services[self._source.service]
        content = service.question(
            self._classifier, facts.query_text, facts.conversation_system, facts.conversation_turns
        )
        request = b"%bx-request-id: %b\r\ntraceparent: %b\r\ncontent-length: %d\r\n\r\n%b" % (
            state.prepared.head(self._source.path),
            exchange.request_id,
            exchange.traceparent,
            len(content),
            content,
        )
        tried: list[Endpoint] = []
        while True:
            now = time.monotonic()
            endpoint = _endpoint(state, tried, now)
            tried.append(endpoint)
            try:
                answer = await Visit(state, endpoint, request, now).made(deadline)
            except Unanswered as unanswered:
                if unanswered.outcome == "timeout" or len(tried) > 1 or state.choose(time.monotonic(), tried) is None:
                    raise
                continue  # once, at another endpoint
            result = service.read(self._classifier, answer)
            if result is None:
                raise Unanswered("failed", "the service answered something else than docs/classifiers.md says")
            return result, False


def _endpoint(state: "BackendState", tried: "list[Endpoint]", now: float) -> "Endpoint":
    """Where it is asked; one that is out gets a question a second, and the others need not wait for nothing."""
    endpoint = state.choose(now, tried) or (state.probe(now) if not tried else None)
    if endpoint is None:
        raise Unanswered("failed", "the service is not healthy")
    return endpoint
