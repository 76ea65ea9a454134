"""What a policy has learned for it: each lesson, what it learns from, and what tells that it has to be learned anew."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from signalbox.api import RoutingPolicy
from signalbox.api.classifiers import Classifier
from signalbox.api.classifiers import Source as ApiSource
from signalbox.routing.chains import confidence
from signalbox.routing.classifiers import artefact

LEARNER: Final = (1, artefact.VERSION, confidence.VERSION)
"""Another one has everything learned anew. The first number is for a learner that makes better models of the same
examples."""

Kind = Literal["classifier", "confidence", "finished"]


class Source(msgspec.Struct, frozen=True, order=True):
    """One entry of a ConfigMap or Secret."""

    kind: Literal["ConfigMap", "Secret"]
    name: str
    key: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}, key {self.key}"


class Cut(msgspec.Struct, frozen=True):
    """From where on a query leaves the first label, in percent: of the queries, or of the expected gain."""

    kind: Literal["StrongShare", "Threshold"]
    percent: int


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """One model to have. ``finished``: there is one already, in its only source. ``path`` is the field that names the
    sources. A classifier has labels, ``targets`` by label where scores have other names, and maybe a cut; a confidence
    has the names of the targets whose answers count, and maybe no source at all: then there is nothing to learn.
    ``expected_by`` are the fields of objectives that want an expected score of each target from it."""

    key: str
    kind: Kind
    path: str
    sources: tuple[Source, ...]
    labels: tuple[str, ...] = ()
    targets: tuple[tuple[str, str], ...] = ()
    cut: Cut | None = None
    expected_by: tuple[str, ...] = ()

    @property
    def policy(self) -> str:
        """Whose it is."""
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        """Of the classifier, or route and step."""
        return self.key.split("/", 2)[2]

    def digest(self, contents: Mapping[Source, str]) -> str | None:
        """What tells one state of it from another; ``contents`` are digests. None where a source is not known."""
        if not all(source in contents for source in self.sources):
            return None
        settings = msgspec.json.encode((LEARNER, self.kind, self.labels, self.targets, self.cut))
        found = [settings, *(contents[source].encode() for source in self.sources)]
        return hashlib.sha256(b"\n".join(found)).hexdigest()[:32]


def classifier_key(policy: str, name: str) -> str:
    """The key of the lesson of a classifier."""
    return f"{policy}/classifier/{name}"


def confidence_key(policy: str, route: str, step: int) -> str:
    """The key of the lesson of a step of a cascade, which are counted from 0."""
    return f"{policy}/confidence/{route}/{step}"


def lessons_of(policy: RoutingPolicy) -> tuple[Lesson, ...]:
    """Everything that a policy has learned for it, in the order of its fields."""
    return (*_classifiers(policy), *_confidences(policy))


def _classifiers(policy: RoutingPolicy) -> Iterator[Lesson]:
    for index, each in enumerate(policy.spec.classifiers or ()):
        if each.trained is None:
            continue
        path, finished = f"spec.classifiers[{index}].trained", each.trained.model_from
        yield Lesson(
            key=classifier_key(policy.metadata.name, each.name),
            kind="classifier" if finished is None else "finished",
            path=f"{path}.{'examplesFrom' if finished is None else 'modelFrom'}",
            sources=_sources(each.trained.examples_from or ()) if finished is None else _sources([finished]),
            labels=tuple(each.labels),
            targets=tuple((one.label, one.target) for one in each.trained.targets or ()),
            cut=_cut(each),
            expected_by=tuple(_expecting(policy, each)),
        )


def _confidences(policy: RoutingPolicy) -> Iterator[Lesson]:
    for number, route in enumerate(policy.spec.routes):
        for index, step in enumerate(route.cascade.steps if route.cascade is not None else ()):
            by = step.accept.log_probs if step.accept is not None else None
            if by is None:
                continue
            names = (
                [step.target] if step.target else [one.name for one in step.weighted.targets] if step.weighted else []
            )
            yield Lesson(
                key=confidence_key(policy.metadata.name, route.name, index),
                kind="confidence",
                path=f"spec.routes[{number}].cascade.steps[{index}].accept.logProbs.examplesFrom",
                sources=_sources(by.examples_from or ()),
                labels=tuple(names),
            )


def _expecting(policy: RoutingPolicy, classifier: Classifier) -> Iterator[str]:
    """Where labels are no targets they may be skills, of which nothing has to be expected."""
    trained = classifier.trained
    stands_for = {one.label: one.target for one in trained.targets or ()} if trained is not None else {}
    expected = {stands_for.get(label, label) for label in classifier.labels}
    for number, route in enumerate(policy.spec.routes):
        objective = route.objective
        if objective is None or objective.quality is None or objective.quality.classifier != classifier.name:
            continue
        if not expected.isdisjoint(each.name for each in objective.targets):
            yield f"spec.routes[{number}].objective.quality.classifier"


def _cut(classifier: Classifier) -> Cut | None:
    trained = classifier.trained
    if trained is None:
        return None
    if trained.strong_share_percent is not None:
        return Cut("StrongShare", trained.strong_share_percent)
    return None if trained.threshold_percent is None else Cut("Threshold", trained.threshold_percent)


def _sources(sources: Sequence[ApiSource]) -> tuple[Source, ...]:
    found = []
    for source in sources:
        if source.config_map_key_ref is not None:
            found.append(Source("ConfigMap", source.config_map_key_ref.name, source.config_map_key_ref.key))
        elif source.secret_key_ref is not None:
            found.append(Source("Secret", source.secret_key_ref.name, source.secret_key_ref.key))
    return tuple(found)
