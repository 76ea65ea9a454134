"""What a request may be expected to cost and to wait, from what was measured and what is said of a model."""

from typing import Final

from signalbox.routing.config import Pricing

PRIOR_OUTPUT_TOKENS: Final = 300.0
"""Tokens of an answer before any was seen: about the mean of public chat logs (ShareGPT 340, LMSYS-Chat-1M 215)."""
PRIOR_LONG_OUTPUT_TOKENS: Final = 1000.0
"""Of a long answer, before any was seen: nineteen of twenty are shorter in the same logs."""
PRIOR_WEIGHT: Final = 10.0
"""A prior counts as much as so many measurements: one odd answer moves it by a tenth of the difference."""
PRIOR_CONCURRENCY: Final = 256
"""Requests that an endpoint runs at once where nobody says: vLLM's default for ``--max-num-seqs`` on most hardware."""
_IDLE: Final = 0.01
"""Of this utilisation an idle target is taken to be, so that what it was sent since its last sample counts."""


def output_tokens(mean: float, most: int | None, choices: int) -> float:
    """Of a request: as answers have on the average, at most what the client allows, for each choice it wants."""
    return (mean if most is None else min(mean, float(most))) * max(choices, 1)


def cost(prompt: float, output: float, pricing: Pricing) -> float:
    """In 10⁻¹² of the currency unit. What a cache may save is not counted."""
    return prompt * pricing.input + output * pricing.output


def load(utilization: float | None, there: float, there_then: float, capacity: float) -> float:
    """How full a target is, 0 to 1 and beyond.

    ``utilization`` is its engines' own figure, seconds old: it is corrected by the requests ``there`` now beside those
    ``there_then``, when it was heard. It is at least what the requests make of what it can run at once: an engine that
    was idle then may be small.
    """
    counted = there / capacity
    return (
        counted if utilization is None else max(counted, max(utilization, _IDLE) * (there + 1.0) / (there_then + 1.0))
    )
