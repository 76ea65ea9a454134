"""Strategies that choose a target for the query: by a classifier, or by an objective."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from signalbox.api.base import ApiModel
from signalbox.api.classifiers import Percent
from signalbox.api.rules import ListOf, Rule
from signalbox.api.types import Duration, Price, SignalName, TargetName, duration_rules

ClassifierName = Annotated[str, Field(min_length=1, max_length=63)]
Expression = Annotated[str, Field(min_length=1, max_length=4096)]


class LabelledTarget(ApiModel):
    """A label, and the target that it stands for."""

    label: SignalName
    """A label of the classifier."""
    target: TargetName
    """The target that answers queries with this label."""


class Best(ApiModel):
    """A classifier whose labels are targets."""

    by: ClassifierName
    """Name of a classifier in spec.classifiers; each of its labels is the name of a target."""


class Select(ApiModel):
    """A classifier chooses the target. Where that one is not usable, otherwise serves, then the others."""

    by: ClassifierName | None = None
    """Name of a classifier in spec.classifiers. Exactly one of by and best."""
    targets: Annotated[list[LabelledTarget], Field(min_length=1, max_length=32), ListOf("map", "label")] | None = None
    """With by: the target of each label."""
    otherwise: TargetName | None = None
    """The target for labels that are not in targets, and where the chosen one is not usable. Needed where targets does
    not name every label."""
    best: Best | None = None
    """The labels are the names of targets. Exactly one of by and best."""

    rules: ClassVar = (
        Rule("has(self.by) != has(self.best)", "must name one classifier: by (with targets) or best"),
        Rule(
            "has(self.by) == has(self.targets)",
            "goes with by: the target of each label",
            field="targets",
        ),
    )


class Candidate(ApiModel):
    """A target that may be chosen."""

    name: TargetName
    """Name of a target in spec.targets."""


class QualityFrom(ApiModel):
    """Where the quality of an answer is expected from."""

    classifier: ClassifierName
    """A trained classifier that learned from scores, whose labels are names of targets (or stand for them): its
    expected score of a target, as percent, is the quality of the target for this query. Or one whose labels are names
    of skills: then what profile.skills says for the label counts. Where neither is known of a target, profile.quality
    counts."""


class Bounds(ApiModel):
    """What a target must meet to be chosen. If none does, the one that comes nearest serves."""

    min_quality: Percent | None = None
    """Least quality, in percent."""
    max_cost: Price | None = None
    """Most that a request may be expected to cost, such as "0.01"."""
    max_first_token: Annotated[Duration, Field(max_length=20), duration_rules("1ms", "10m")] | None = None
    """Longest expected time to the first token."""


class Objective(ApiModel):
    """Chooses the target that is best in one respect among those that meet the bounds. Exactly one of minimize and
    maximize."""

    minimize: Literal["Cost", "Latency", "Load"] | None = None
    """Cost: expected tokens times prices. Latency: expected time to the first token, as measured, before that
    profile.latency. Load: utilisation."""
    maximize: Literal["Quality"] | None = None
    """Quality: of this query by a classifier, else profile.skills and profile.quality."""
    targets: Annotated[list[Candidate], Field(min_length=1, max_length=64), ListOf("map")]
    """The targets to choose from."""
    filter: Expression | None = None
    """A condition in CEL over target (name, model, quality, inputPerMillion, contextWindow, …) and all else that
    conditions know: targets for which it does not hold are left out. docs/expressions.md lists its fields."""
    quality: QualityFrom | None = None
    """Quality for this query. Default: profile.quality, and profile.skills for queries with code."""
    bounds: Bounds | None = None
    """What a target must meet. Default: nothing."""

    rules: ClassVar = (Rule("has(self.minimize) != has(self.maximize)", "must have one aim: minimize or maximize"),)
