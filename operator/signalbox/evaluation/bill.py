"""What a call of a target took: by what its answer recorded, else by estimates that are said to be such."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from signalbox.evaluation.lines import Line, Recorded
from signalbox.routing import config, prompts
from signalbox.routing.choosing import expectations
from signalbox.routing.features import Facts

UNIT = 1e12
"""Prices are in 10⁻¹² of the currency unit."""


class Took(NamedTuple):
    """``cost`` in units of the currency, None without a price; ``latency_ms`` None where it was not recorded."""

    cost: float | None
    latency_ms: float | None
    estimated: bool


@dataclass(frozen=True)
class Means:
    """Of the recorded answers of one target: how long they are, altogether and at least 95 of 100."""

    total: float = 0.0
    count: int = 0
    long: float = expectations.PRIOR_LONG_OUTPUT_TOKENS

    @property
    def tokens(self) -> float:
        """As a router expects it after as many answers: the prior counts as much as ten of them."""
        weight = expectations.PRIOR_WEIGHT
        return (expectations.PRIOR_OUTPUT_TOKENS * weight + self.total) / (weight + self.count)


def means_of(lines: Iterable[Line]) -> dict[str, Means]:
    """By target."""
    lengths: dict[str, list[int]] = {}
    for line in lines:
        for target, answer in line.answers.items():
            if answer.output_tokens is not None:
                lengths.setdefault(target, []).append(answer.output_tokens)
    return {target: Means(sum(of), len(of), sorted(of)[ceil(0.95 * len(of)) - 1]) for target, of in lengths.items()}


class Bill:
    """Prices calls of the targets of one policy."""

    def __init__(self, backends: Mapping[str, config.Backend], means: Mapping[str, Means]) -> None:
        """``backends`` go by name of the target."""
        self._backends = backends
        self._means = means

    def expected_tokens(self, target: str) -> float:
        """Of an answer."""
        return self._means.get(target, Means()).tokens

    def call(self, target: str, facts: Facts, answer: Recorded | None) -> Took:
        """One call. Tokens of a text without a count are estimated from the text."""
        prompt: float | None = answer.input_tokens if answer is not None else None
        output: float | None = None if facts.request_operation != "embeddings" else 0.0
        if answer is not None and output is None:
            output = answer.output_tokens
        estimated = prompt is None or output is None
        if prompt is None:
            prompt = facts.conversation_tokens
        if output is None:
            output = self._output(target, facts, answer)
        return Took(self.priced(target, prompt, output), answer.latency_ms if answer is not None else None, estimated)

    def expected(self, targets: Sequence[str], facts: Facts) -> int:
        """What a call of the dearest of some targets may cost, in 10⁻¹² of the unit: with as many tokens as the client
        allows, else as a long answer has."""
        dearest = 0.0
        for target in targets:
            pricing = self._backends[target].pricing
            if pricing is not None:
                most = facts.request_max_tokens
                output = self._means.get(target, Means()).long if most is None else float(most)
                dearest = max(dearest, expectations.cost(facts.conversation_tokens, output, pricing))
        return round(dearest)

    def _output(self, target: str, facts: Facts, answer: Recorded | None) -> float:
        if answer is not None and answer.text:
            return float(prompts.estimate_tokens(answer.text))
        mean = self.expected_tokens(target)
        return expectations.output_tokens(mean, facts.request_max_tokens, facts.request_n or 1)

    def priced(self, target: str, prompt: float, output: float) -> float | None:
        """Of so many tokens."""
        pricing = self._backends[target].pricing
        return None if pricing is None else expectations.cost(prompt, output, pricing) / UNIT
