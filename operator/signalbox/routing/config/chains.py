"""Strategies that ask several models for one answer."""

from typing import Literal

from signalbox.routing.config.base import ConfigStruct
from signalbox.routing.config.weighted import Share
from signalbox.routing.expressions.tree import Condition


class ChainLimits(ConfigStruct, frozen=True):
    """What one request may use of a chain; ``max_cost`` in 10⁻¹² of the currency unit."""

    max_calls: int = 8
    max_cost: int | None = None
    timeout_ms: int = 120_000


class Judge(ConfigStruct, frozen=True):
    """A target that judges answers; an empty rubric means the router's own."""

    target: str
    rubric: str = ""


Equality = Literal["Exact", "Normalized", "Numeric", "Judged"]
OnFailure = Literal["NextStep", "BestSoFar", "Error"]


class ByLogProbs(ConfigStruct, tag="logProbs", frozen=True):
    """Confidence by log-probabilities; ``model`` is a fitted one, empty: the mean probability of a token."""

    min_percent: int
    model: bytes = b""


class ByAgreement(ConfigStruct, tag="agreement", frozen=True):
    """Confidence by how many of some samples are equal to the answer."""

    min_percent: int
    samples: int
    equality: Equality = "Normalized"


class ByJudge(ConfigStruct, tag="judge", frozen=True):
    """Confidence by the word of another model."""

    min_percent: int
    judge: Judge


class ByExpression(ConfigStruct, tag="expression", frozen=True):
    """A condition over the answer."""

    condition: Condition


Accept = ByLogProbs | ByAgreement | ByJudge | ByExpression


class Step(ConfigStruct, frozen=True):
    """Who is asked, drawn by share, and when the answer is good enough; the last step accepts every answer."""

    targets: tuple[Share, ...]
    free: bool = False
    accept: Accept | None = None


class Cascade(ConfigStruct, tag="cascade", frozen=True):
    """Steps in order until an answer is good enough."""

    steps: tuple[Step, ...]
    limits: ChainLimits = ChainLimits()
    on_failure: OnFailure = "NextStep"


class Sampled(ConfigStruct, frozen=True):
    """A target, and how many answers it gives."""

    target: str
    samples: int = 1


class BestOf(ConfigStruct, tag="bestOf", frozen=True):
    """Several answers, of which ``judge`` chooses; without one the most frequent wins."""

    targets: tuple[Sampled, ...]
    judge: Judge | None = None
    equality: Equality = "Normalized"
    limits: ChainLimits = ChainLimits()
    on_failure: OnFailure = "NextStep"


class Voter(ConfigStruct, frozen=True):
    """A target and the weight of its vote."""

    target: str
    weight: int = 50


class Consensus(ConfigStruct, tag="consensus", frozen=True):
    """Several targets that must agree by ``min_percent`` of their votes, else ``escalate_to`` answers."""

    targets: tuple[Voter, ...]
    escalate_to: str
    equality: Equality = "Normalized"
    judge: Judge | None = None
    min_percent: int = 60
    limits: ChainLimits = ChainLimits()
    on_failure: OnFailure = "NextStep"
