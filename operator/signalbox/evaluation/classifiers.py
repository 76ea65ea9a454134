"""What classifiers say of a recorded query: learned ones by their models, the others by what the line recorded."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from signalbox.evaluation.lines import Line, Said
from signalbox.routing import config
from signalbox.routing.choosing.classified import Classified, Judge, Result
from signalbox.routing.choosing.trained import TrainedJudge
from signalbox.routing.classifiers.trained import TrainedModel
from signalbox.routing.expressions.values import UnknownValueError
from signalbox.routing.features import Facts, TargetFacts

_Value = TypeVar("_Value")


def judges_of(policy: config.Policy) -> dict[str, Judge]:
    """Those that a line need not tell. Raises ``ValueError`` for a model that cannot be read."""
    return {
        classifier.name: TrainedJudge(classifier, TrainedModel.of)
        for classifier in policy.classifiers
        if isinstance(classifier.source, config.Trained)
    }


def untrained(policy: config.Policy) -> list[str]:
    """Learned classifiers without a model: their defaults hold, as they would in a router."""
    return [
        each.name for each in policy.classifiers if isinstance(each.source, config.Trained) and not each.source.model
    ]


class _Asked(dict[str, _Value]):
    """One field of what classifiers say; what was not recorded is unknown, as in a router while it waits."""

    def __init__(self, classified: Classified, find: Callable[[str], _Value | None]) -> None:
        super().__init__()
        self._classified = classified
        self._find = find

    def __missing__(self, name: str) -> _Value:
        value = self._find(name)
        if value is None:
            raise UnknownValueError(name)
        self[name] = value
        return value


def facts_of(
    line: Line,
    tenant: config.Tenant | None,
    targets: Mapping[str, TargetFacts],
    judges: Mapping[str, Judge],
    model: str,
) -> Facts:
    """The facts of a line's request to ``model``; looking up what a classifier has not told raises
    ``UnknownValueError``. A learned classifier is always asked: what another model said is not what this one says."""
    body = line.body if line.body.get("model") == model else {**line.body, "model": model}
    name, tier = (tenant.name, tenant.tier) if tenant is not None else ("", "")
    facts = Facts(line.operation, body, line.headers, name, tier, targets, judges)
    said = {name: each for name, each in line.labels.items() if name not in judges}
    for name, each in said.items():
        facts.classified.tell(name, Result(each.label, each.score or 0.0, each.confidence or 0.0, each.scores))

    def found(name: str) -> Said:
        if name in said:
            return said[name]
        result = facts.classified.of(name)
        return Said(result.label, result.score, result.confidence)

    facts.scores = _Asked(facts.classified, lambda name: found(name).score)
    facts.confidences = _Asked(facts.classified, lambda name: found(name).confidence)
    return facts
