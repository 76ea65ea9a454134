"""Classifiers: what puts a label, a score and a confidence on a query, for conditions and strategies."""

from typing import Annotated, ClassVar

from pydantic import Field

from signalbox.api.base import ApiModel
from signalbox.api.modelbackend import url_rules
from signalbox.api.requestmapping import HeaderName
from signalbox.api.rules import ListOf, Rule
from signalbox.api.types import (
    Duration,
    SecretKeyRef,
    SignalName,
    TargetName,
    duration_rules,
)

DEFAULT_TIMEOUT = Duration("2s")
TimeOut = Annotated[Duration, Field(max_length=20), duration_rules("10ms", "1m")]
Text = Annotated[str, Field(min_length=1, max_length=8192)]
Percent = Annotated[int, Field(ge=0, le=100)]


class DataRef(ApiModel):
    """One entry of a ConfigMap or Secret of the same namespace. The planner says what does not exist: rules for names
    would be checked too often where lists are inside of lists."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
    """Which of its entries."""


class Source(ApiModel):
    """Where data comes from: exactly one of configMapKeyRef and secretKeyRef."""

    config_map_key_ref: DataRef | None = None
    """An entry of a ConfigMap; binaryData counts, too."""
    secret_key_ref: DataRef | None = None
    """An entry of a Secret."""

    rules: ClassVar = (
        Rule(
            "has(self.configMapKeyRef) != has(self.secretKeyRef)",
            "must name one place: configMapKeyRef or secretKeyRef",
        ),
    )


Sources = Annotated[list[Source], Field(min_length=1, max_length=16), ListOf("atomic")]


class ScoredLabel(ApiModel):
    """A label, and the name under which examples have the scores of what it stands for."""

    label: SignalName
    """One of the labels."""
    target: Annotated[str, Field(min_length=1, max_length=63)]
    """The name in the scores of the examples."""


class Trained(ApiModel):
    """Learned by Signalbox from examples: lines of JSON with a prompt, and either its label or how well each target
    answered it."""

    examples_from: Sources | None = None
    """JSON lines {"prompt": …, "label": …} or {"prompt": …, "scores": {TARGET: 0 to 1}}; "group" names kinds of query
    that belong together. At most 1 MiB each. Where one is missing, ResolvedRefs is False and what was learned last
    serves, before that the default label. Exactly one of examplesFrom and modelFrom."""
    model_from: Source | None = None
    """A finished model, as `signalbox train` writes it. Exactly one of examplesFrom and modelFrom."""
    targets: Annotated[list[ScoredLabel], Field(min_length=1, max_length=32), ListOf("map", "label")] | None = None
    """Which score stands for a label. Default: labels are the names in the scores."""
    strong_share_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    """With scores: so many percent of the queries get another label than the first, those that gain most by it. Of the
    queries that a finished model was trained on, too, which then needs no new training."""
    threshold_percent: Annotated[int, Field(ge=-100, le=100)] | None = None
    """With scores: a query gets another label than the first if that raises the expected score by more than so many
    points. Default: by anything, or as a finished model was cut."""

    rules: ClassVar = (
        Rule(
            "has(self.examplesFrom) != has(self.modelFrom)",
            "must say what to learn from: either examplesFrom, or modelFrom with a finished model",
        ),
        Rule(
            "!(has(self.strongSharePercent) && has(self.thresholdPercent))",
            "is a second cut: remove it or strongSharePercent",
            field="thresholdPercent",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.modelFrom) || !has(self.targets)",
            "goes with examplesFrom: a finished model knows its labels",
            field="targets",
            reason="FieldValueForbidden",
        ),
    )


class LabelDescription(ApiModel):
    """What a label means."""

    label: SignalName
    """One of the labels."""
    text: Annotated[str, Field(min_length=1, max_length=512)]
    """In a few words, such as: programming, debugging, code review."""


class LlmClassifier(ApiModel):
    """A model that picks the label: a target of the policy, asked with a prompt."""

    target: TargetName
    """The target that is asked: a small, fast model."""
    prompt: Text | None = None
    """What it is told, such as: Which model should answer? {labels} The query: {query}. {query} and {labels} are put
    in; without {query}, the query follows as a message of its own. Default: a prompt that lists the labels with their
    descriptions."""
    descriptions: (
        Annotated[list[LabelDescription], Field(min_length=1, max_length=32), ListOf("map", "label")] | None
    ) = None
    """What each label means, for the default prompt and for {labels}."""


class ServiceKey(ApiModel):
    """A key that is sent in a request header."""

    secret_ref: SecretKeyRef
    """The Secret that holds the key. A new value is in force without a restart."""
    header: HeaderName | None = None
    """The request header that carries the key: after "Bearer " in Authorization, alone in others. Default:
    Authorization."""


class ServiceAuth(ApiModel):
    """How Signalbox proves to the service who it is."""

    api_key: ServiceKey
    """A key in a request header."""


class HttpClassifier(ApiModel):
    """A service of your own that is asked for the label; docs/classifiers.md has what is sent and expected."""

    url: Annotated[str, Field(min_length=1, max_length=1024), url_rules("it belongs into the path or the service")]
    """Where it is asked (POST), such as http://classifier.default.svc:8080/classify."""
    auth: ServiceAuth | None = None
    """Credentials for it. Default: none are sent."""
    ca_config_map_ref: DataRef | None = None
    """Authorities (PEM) that may sign its certificate. Default: the system's authorities."""


class Classifier(ApiModel):
    """Puts one of its labels on a query, with a score and a confidence: label.NAME, score.NAME and confidence.NAME in
    conditions. It is asked at most once per request, and only if a condition or a strategy needs it."""

    name: SignalName
    """Name of the classifier."""
    labels: Annotated[list[SignalName], Field(min_length=2, max_length=32), ListOf("set")]
    """The labels. Of a trained classifier in order: the cheapest or least able first."""
    default: SignalName
    """The label when the classifier fails, takes too long, or is not sure enough."""
    timeout: TimeOut | None = None
    """How long a request waits for it. Default: 2s."""
    min_confidence_percent: Percent | None = None
    """Below this confidence the default counts. Default: every answer counts."""
    trained: Trained | None = None
    """Learned from examples. Exactly one of trained, llm and http."""
    llm: LlmClassifier | None = None
    """A model picks the label. Exactly one of trained, llm and http."""
    http: HttpClassifier | None = None
    """A service picks the label. Exactly one of trained, llm and http."""

    rules: ClassVar = (
        Rule("self.default in self.labels", "must be one of the labels", field="default"),
        Rule(
            "(has(self.trained) ? 1 : 0) + (has(self.llm) ? 1 : 0) + (has(self.http) ? 1 : 0) == 1",
            "must say how it classifies, in one way: trained, llm or http",
        ),
    )

    @property
    def timeout_in_force(self) -> Duration:
        """``timeout``, or what its absence means."""
        return self.timeout or DEFAULT_TIMEOUT


Classifiers = Annotated[list[Classifier], Field(min_length=1, max_length=16), ListOf("map")]
