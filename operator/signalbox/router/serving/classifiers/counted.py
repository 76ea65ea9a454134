"""A classifier of a policy: asked, bounded by its time-out, its defaults applied, and counted."""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from signalbox.router.serving.classifiers.answers import Unanswered
from signalbox.router.serving.classifiers.http import HttpSource
from signalbox.router.serving.classifiers.llm import LlmSource
from signalbox.router.telemetry.statistics import Statistics
from signalbox.routing import config
from signalbox.routing.choosing.classified import Result
from signalbox.routing.choosing.trained import TrainedJudge, default_of, settled
from signalbox.routing.classifiers.trained import TrainedModel

if TYPE_CHECKING:
    from signalbox.router.serving.exchange import Exchange
    from signalbox.routing.features import Facts

_log = logging.getLogger(__name__)


class Awaited(Protocol):
    """What has to be waited for."""

    async def ask(self, exchange: "Exchange", facts: "Facts", deadline: float) -> tuple[Result, bool]:
        """What it says by ``deadline`` (monotonic seconds), and whether that was remembered. Raises ``Unanswered``."""
        ...


Source = TrainedJudge | Awaited
Sources = Mapping[str, tuple[config.Classifier, Source]]
"""Of one policy, by name."""


def sources_of(policy: config.Policy, before: Sources) -> Sources:
    """The classifiers of a policy; those that have not changed since ``before`` are kept, with what they remember.

    Raises ``ValueError`` for an artefact that cannot be read.
    """
    found: dict[str, tuple[config.Classifier, Source]] = {}
    for classifier in policy.classifiers:
        kept = before.get(classifier.name)
        found[classifier.name] = kept if kept is not None and kept[0] == classifier else (classifier, _new(classifier))
    return found


def _new(classifier: config.Classifier) -> Source:
    match classifier.source:
        case config.Trained():
            return TrainedJudge(classifier, TrainedModel.of)
        case config.Llm() as source:
            return LlmSource(classifier, source)
        case config.Http() as source:
            return HttpSource(classifier, source)


async def ask_awaited(exchange: "Exchange", facts: "Facts") -> None:
    """Ask the classifier that a condition waits for."""
    name = facts.awaited
    facts.classified.tell(name, await exchange.policy.classifiers[name].ask(exchange, facts))


class CountedClassifier:
    """See the module; it is a ``Judge``."""

    __slots__ = ("_classifier", "_policy", "_source", "_statistics", "immediate")

    def __init__(self, policy: str, classifier: config.Classifier, source: Source, statistics: Statistics) -> None:
        self._policy = policy
        self._classifier = classifier
        self._source = source
        self._statistics = statistics
        self.immediate = isinstance(source, TrainedJudge)

    def judge(self, text: str) -> Result:
        """See ``Judge``."""
        source = self._source
        assert isinstance(source, TrainedJudge)
        begin = time.perf_counter()
        result = source.judge(text)
        self._count(result, time.perf_counter() - begin)
        return result

    async def ask(self, exchange: "Exchange", facts: "Facts") -> Result:
        """What it says, or the default. Raises nothing: a classifier that fails loses no request."""
        source, classifier = self._source, self._classifier
        assert not isinstance(source, TrainedJudge)
        begin = time.monotonic()
        cached = False
        try:
            said, cached = await source.ask(exchange, facts, begin + classifier.timeout_ms / 1000)
            result = settled(classifier, said)
        except Unanswered as unanswered:
            result = default_of(classifier, unanswered.outcome)
            exchange.note(f"classifier {classifier.name}: {unanswered.why}")
        except Exception:
            _log.exception("cannot ask classifier %s", classifier.name)
            result = default_of(classifier, "failed")
        self._count(result, time.monotonic() - begin, cached=cached)
        return result

    def _count(self, result: Result, seconds: float, *, cached: bool = False) -> None:
        outcome = "cached" if cached and result.outcome == "answered" else result.outcome
        self._statistics.classified(self._policy, self._classifier.name, result.label, outcome, seconds)
