"""Strategies that ask several models, compiled: targets by position, conditions as functions, confidence models read.

What is asked is a ``Choice`` throughout: a set of targets, or one of them.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from signalbox.routing import config
from signalbox.routing.chains.confidence import ConfidenceModel, decode
from signalbox.routing.choosing.ordered import OrderedChoice
from signalbox.routing.expressions.translate import translate
from signalbox.routing.expressions.values import Unknown
from signalbox.routing.features import Facts
from signalbox.routing.strategies import CascadeChoice, Choice

WITH_CHOICES = frozenset(("chat", "completions"))
"""Operations whose answers can be compared and judged; of others there is nothing to tell good from bad."""


class Judge(NamedTuple):
    """Who judges, at a position, and by what."""

    position: int
    choice: Choice
    rubric: str


class Step(NamedTuple):
    """A step of a cascade; ``accept`` is None where every answer is."""

    choice: Choice
    accept: config.Accept | None
    condition: Callable[[Facts], bool | Unknown] | None
    judge: Judge | None
    confidence: ConfidenceModel | None


class Cascade(NamedTuple):
    """See ``config.Cascade``."""

    steps: tuple[Step, ...]
    limits: config.ChainLimits
    on_failure: config.OnFailure
    direct: Choice


class BestOf(NamedTuple):
    """See ``config.BestOf``; ``samples`` has a place for each answer that is asked for."""

    samples: tuple[Choice, ...]
    repeated: tuple[bool, ...]
    judge: Judge | None
    equality: config.Equality
    limits: config.ChainLimits
    on_failure: config.OnFailure
    direct: Choice


class Consensus(NamedTuple):
    """See ``config.Consensus``."""

    voters: tuple[Choice, ...]
    weights: tuple[int, ...]
    equality: config.Equality
    judge: Judge | None
    min_percent: int
    limits: config.ChainLimits
    on_failure: config.OnFailure
    direct: Choice


CompiledChain = Cascade | BestOf | Consensus
"""``direct`` is who answers what no chain is for: requests for several answers, and operations without choices."""


def compile_chain(strategy: config.Strategy, choice: Choice, positions: Mapping[str, int]) -> CompiledChain | None:
    """None where one model is asked. Raises ``ValueError`` for a condition or a model that cannot be read."""

    def judge(of: config.Judge | None) -> Judge | None:
        return None if of is None else Judge(positions[of.target], one(of.target), of.rubric)

    def one(target: str) -> OrderedChoice:
        return OrderedChoice([positions[target]])

    def step(of: config.Step, choice: Choice) -> Step:
        accept = of.accept
        return Step(
            choice,
            accept,
            translate(accept.condition) if isinstance(accept, config.ByExpression) else None,
            judge(accept.judge) if isinstance(accept, config.ByJudge) else None,
            decode(accept.model) if isinstance(accept, config.ByLogProbs) and accept.model else None,
        )

    match strategy:
        case config.Cascade(steps=steps, limits=limits, on_failure=on_failure):
            assert isinstance(choice, CascadeChoice)
            compiled = tuple(step(each, its) for each, its in zip(steps, choice.steps, strict=True))
            return Cascade(compiled, limits, on_failure, choice.steps[-1])
        case config.BestOf(targets=targets, limits=limits, on_failure=on_failure):
            places = [(one(each.target), each.samples > 1) for each in targets for _ in range(each.samples)]
            return BestOf(
                tuple(its for its, _ in places),
                tuple(repeated for _, repeated in places),
                judge(strategy.judge),
                strategy.equality,
                limits,
                on_failure,
                one(targets[0].target),
            )
        case config.Consensus(targets=voters, limits=limits, on_failure=on_failure):
            return Consensus(
                tuple(one(each.target) for each in voters),
                tuple(each.weight for each in voters),
                strategy.equality,
                judge(strategy.judge),
                strategy.min_percent,
                limits,
                on_failure,
                one(strategy.escalate_to),
            )
        case _:
            return None


def wants_several(operation: str, body: Mapping[str, object]) -> bool:
    """Whether a request is for several answers, or for something that has none to compare."""
    if operation not in WITH_CHOICES:
        return True
    if any(type(count := body.get(name)) is int and count > 1 for name in ("n", "best_of")):
        return True
    prompt = body.get("prompt")
    return operation == "completions" and isinstance(prompt, list) and len(prompt) > 1


def answers_wanted(operation: str, body: Mapping[str, object]) -> int:
    """How many answers a model writes for a request: each of them may be as long as the request allows."""
    if operation == "embeddings":
        return 0
    counts = [count for name in ("n", "best_of") if type(count := body.get(name)) is int]
    prompt = body.get("prompt") if operation == "completions" else None
    prompts = sum(type(part) is not int for part in prompt) if isinstance(prompt, list) else 1  # of tokens: one
    return max(1, prompts) * max((1, *counts))
