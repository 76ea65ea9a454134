"""A trained classifier at work: its model's prediction, or the default."""

from collections.abc import Callable, Mapping
from typing import Protocol

from signalbox.routing import config
from signalbox.routing.choosing.classified import Outcome, Result


class Prediction(Protocol):
    """What a model says of a query; see ``Result``."""

    @property
    def label(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def confidence(self) -> float: ...
    @property
    def qualities(self) -> Mapping[str, float]: ...


class Model(Protocol):
    """A model that was read."""

    def predict(self, text: str) -> Prediction: ...


def default_of(classifier: config.Classifier, outcome: Outcome) -> Result:
    """What holds when a classifier says nothing."""
    return Result(classifier.default, 0.0, 0.0, outcome=outcome)


def settled(classifier: config.Classifier, result: Result) -> Result:
    """What holds when it said ``result``: the default label below its least confidence, or by a label that is none."""
    if result.label not in classifier.labels:
        return default_of(classifier, "failed")
    if result.confidence * 100.0 < classifier.min_confidence_percent:
        return result._replace(label=classifier.default, outcome="unsure")
    return result


class TrainedJudge:
    """Without an artefact, as long as nothing was learned, it says the default."""

    immediate = True

    def __init__(self, classifier: config.Classifier, read: Callable[[bytes], Model]) -> None:
        """``read`` raises ``ValueError`` for an artefact that is none."""
        assert isinstance(classifier.source, config.Trained)
        self._classifier = classifier
        self._untrained = default_of(classifier, "untrained")
        self._model = read(classifier.source.model) if classifier.source.model else None

    def judge(self, text: str) -> Result:
        """See ``Judge``."""
        if self._model is None:
            return self._untrained
        said = self._model.predict(text)
        return settled(self._classifier, Result(said.label, said.score, said.confidence, said.qualities))
