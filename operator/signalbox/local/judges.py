"""Classifiers without a router: trained ones judge here, the word of others can be assumed."""

from collections.abc import Mapping

import msgspec

from signalbox.local.explained import AskedClassifier, Said
from signalbox.routing import config
from signalbox.routing.choosing.classified import Judge, Result
from signalbox.routing.choosing.trained import TrainedJudge, default_of
from signalbox.routing.classifiers.trained import TrainedModel


class Assumption(msgspec.Struct):
    """What somebody says that a classifier says; the rest is as it says itself, or certain."""

    label: str | None = None
    score: float | None = None
    confidence: float | None = None


class _Failed:
    """One whose model cannot be read."""

    immediate = True

    def __init__(self, classifier: config.Classifier) -> None:
        self._result = default_of(classifier, "failed")

    def judge(self, text: str) -> Result:
        return self._result


class _Assumed:
    """What is assumed counts; ``itself`` says the rest."""

    immediate = True

    def __init__(self, assumption: Assumption, classifier: config.Classifier, itself: Judge | None) -> None:
        self._assumption, self._classifier, self._itself = assumption, classifier, itself

    def judge(self, text: str) -> Result:
        own = self._itself.judge(text) if self._itself is not None else Result(self._classifier.default, 1.0, 1.0)
        said = {name: value for name, value in msgspec.structs.asdict(self._assumption).items() if value is not None}
        return own._replace(**said)


def judges_of(policy: config.Policy, assumptions: Mapping[str, Assumption]) -> dict[str, Judge]:
    """The classifiers of a policy, by name, without those that would have to be asked over the network."""
    found: dict[str, Judge] = {}
    for classifier in policy.classifiers:
        judge = _judge(classifier)
        if (assumed := assumptions.get(classifier.name)) is not None:
            judge = _Assumed(assumed, classifier, judge)
        if judge is not None:
            found[classifier.name] = judge
    return found


def _judge(classifier: config.Classifier) -> Judge | None:
    if not isinstance(classifier.source, config.Trained):
        return None
    try:
        return TrainedJudge(classifier, TrainedModel.of)
    except ValueError:
        return _Failed(classifier)


def asked(
    policy: config.Policy, said: Mapping[str, Result], assumptions: Mapping[str, Assumption], awaits: str
) -> list[AskedClassifier]:
    """Each classifier of a policy and what became of it."""
    found = []
    for classifier in policy.classifiers:
        kind = str(type(classifier.source).__struct_config__.tag)
        result = said.get(classifier.name)
        if result is None:
            outcome: Said = "unknown" if classifier.name == awaits else "not asked"
            found.append(AskedClassifier(name=classifier.name, kind=kind, outcome=outcome))
            continue
        found.append(
            AskedClassifier(
                name=classifier.name,
                kind=kind,
                outcome="assumed" if classifier.name in assumptions else _outcome(result),
                label=result.label,
                score=round(result.score, 4),
                confidence=round(result.confidence, 4),
                expected={target: round(value, 4) for target, value in result.expected.items()},
            )
        )
    return found


def _outcome(result: Result) -> Said:
    return "failed" if result.outcome == "timeout" else result.outcome
