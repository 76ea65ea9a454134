"""Strategies that ask several models for one answer: cascades, best of N, consensus."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from signalbox.api.base import ApiModel
from signalbox.api.choosing import Expression
from signalbox.api.classifiers import Percent, Sources, Text
from signalbox.api.rules import ListOf, Rule
from signalbox.api.types import Duration, Price, TargetName, duration_rules
from signalbox.api.weighted import Weighted

DEFAULT_MAX_CALLS = 8
DEFAULT_TIMEOUT = Duration("120s")
DEFAULT_MIN_PERCENT = 70
DEFAULT_SAMPLES = 3

OnFailure = Literal["NextStep", "BestSoFar", "Error"]


class ChainLimits(ApiModel):
    """What one request may use. Where the next call would go beyond, the best answer so far is returned."""

    max_calls: Annotated[int, Field(ge=1, le=64)] | None = None
    """Most calls of models, judges included. Default: 8."""
    max_cost: Price | None = None
    """Most that all calls may cost together, such as "0.05". Default: no bound."""
    timeout: Annotated[Duration, Field(max_length=20), duration_rules("100ms", "1h")] | None = None
    """How long all of it may take. Default: 120s."""

    @property
    def max_calls_in_force(self) -> int:
        """``maxCalls``, or what its absence means."""
        return self.max_calls or DEFAULT_MAX_CALLS

    @property
    def timeout_in_force(self) -> Duration:
        """``timeout``, or what its absence means."""
        return self.timeout or DEFAULT_TIMEOUT


class Judge(ApiModel):
    """A model that judges answers."""

    target: TargetName
    """The target that is asked."""
    rubric: Text | None = None
    """What a good answer is, such as: correct, complete, in the language of the question. Default: correct and
    helpful."""


class LogProbs(ApiModel):
    """Confidence from the log-probabilities of the answer's tokens. The target must have the feature LogProbs."""

    examples_from: Sources | None = None
    """JSON lines with answers, to learn from how sure the model is when it is right: {"prompt": …, "answers": {TARGET:
    {"text": …, "logprobs": […], "correct": true}}}. Without at least 100 of them the confidence is the mean probability
    of a token, and status says Uncalibrated."""


class Agreement(ApiModel):
    """Confidence from agreement: the target is asked several times."""

    samples: Annotated[int, Field(ge=2, le=16)] | None = None
    """How many answers, the one that may be returned included. Default: 3."""
    equality: Literal["Exact", "Normalized", "Numeric"] | None = None
    """When two answers are equal. Default: Normalized (case, white space and punctuation do not count)."""


class Accept(ApiModel):
    """When the answer of a step is good enough. Exactly one of logProbs, agreement, judge and expression."""

    log_probs: LogProbs | None = None
    """The model itself is sure of it."""
    agreement: Agreement | None = None
    """The model says the same again when it is asked again."""
    judge: Judge | None = None
    """Another model finds it good."""
    expression: Expression | None = None
    """A condition in CEL over answer (text, chars, words, tokens, finishReason, refusal, isJson, matchesSchema,
    toolCalls), such as answer.finishReason == "stop" && !answer.refusal."""
    min_percent: Percent | None = None
    """With logProbs, agreement and judge: the least confidence. Default: 70."""

    rules: ClassVar = (
        Rule(
            "(has(self.logProbs) ? 1 : 0) + (has(self.agreement) ? 1 : 0) + (has(self.judge) ? 1 : 0)"
            " + (has(self.expression) ? 1 : 0) == 1",
            "must say when an answer is accepted, in one way: logProbs, agreement, judge or expression",
        ),
        Rule(
            "!has(self.minPercent) || !has(self.expression)",
            "goes with logProbs, agreement and judge: an expression holds or does not",
            field="minPercent",
            reason="FieldValueForbidden",
        ),
    )

    @property
    def min_percent_in_force(self) -> int:
        """``minPercent``, or what its absence means."""
        return DEFAULT_MIN_PERCENT if self.min_percent is None else self.min_percent


class Step(ApiModel):
    """One step of a cascade: exactly one of target and weighted."""

    target: TargetName | None = None
    """The target that is asked."""
    weighted: Weighted | None = None
    """Or a set of targets, one of which is drawn by share."""
    accept: Accept | None = None
    """When its answer is good enough. The last step has none: its answer is returned."""

    rules: ClassVar = (Rule("has(self.target) != has(self.weighted)", "must say who is asked: target or weighted"),)


class Cascade(ApiModel):
    """Asks a cheap model first, and the next one only where its answer is not good enough."""

    steps: Annotated[
        list[Step],
        Field(min_length=2, max_length=8),
        ListOf("atomic"),
    ]
    """Tried in order. The answer of the last step is always accepted; a request with n > 1 goes there at once. An
    answer that calls a tool is accepted, too."""

    rules: ClassVar = (
        Rule(
            "!has(self.steps[self.steps.size() - 1].accept)",
            "the last step takes what is left: remove its accept, or add a step without one",
            field="steps",
        ),
    )


class Sampled(ApiModel):
    """A target, and how many answers it gives."""

    name: TargetName
    """Name of a target in spec.targets."""
    samples: Annotated[int, Field(ge=1, le=16)] | None = None
    """How many answers. Several of one target are asked for with a temperature of at least 0.7. Default: 1."""


class Majority(ApiModel):
    """The answer that was given most often wins."""

    equality: Literal["Exact", "Normalized", "Numeric"] | None = None
    """When two answers are equal. Default: Normalized (case, white space and punctuation do not count)."""


class BestOf(ApiModel):
    """Asks for several answers at once and returns the best. Exactly one of judge and majority."""

    targets: Annotated[list[Sampled], Field(min_length=1, max_length=16), ListOf("map")]
    """Who is asked. Together at least two answers; the first target also answers requests with n > 1."""
    judge: Judge | None = None
    """A model chooses."""
    majority: Majority | None = None
    """The most frequent answer wins; what cannot win any more is not waited for."""

    rules: ClassVar = (Rule("has(self.judge) != has(self.majority)", "must say who chooses: judge or majority"),)


class Member(ApiModel):
    """A target that has a vote."""

    name: TargetName
    """Name of a target in spec.targets. Its vote weighs as much as profile.quality says, 50 where that is absent."""


class Consensus(ApiModel):
    """Asks several models at once; where they do not agree, a stronger one answers."""

    targets: Annotated[list[Member], Field(min_length=2, max_length=16), ListOf("map")]
    """Who is asked."""
    equality: Literal["Exact", "Normalized", "Numeric", "Judged"] | None = None
    """When two answers are equal: Exact, Normalized (case, white space and punctuation do not count), Numeric (the
    last number in each) or Judged (judge says so). Default: Normalized."""
    judge: Judge | None = None
    """With Judged: who says whether two answers mean the same."""
    min_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """The part of the votes that must agree. Default: 60."""
    escalate_to: TargetName
    """Who answers where they do not agree; also requests with n > 1."""

    rules: ClassVar = (
        Rule(
            "has(self.judge) == (has(self.equality) && self.equality == 'Judged')",
            "goes with equality: Judged, which needs one",
            field="judge",
        ),
    )
