"""Token usage, as OpenAI-compatible endpoints report it, and its price."""

import re
from typing import Any, Final, NamedTuple

from signalbox.routing.config import Pricing
from signalbox.routing.untrusted import value_of

# No answer has more tokens: ten times the largest context windows there are. What counts tokens is sent as 64 bits, and
# must not end with one answer that claims otherwise.
MAX_TOKENS: Final = 100_000_000


class Usage(NamedTuple):
    """Tokens of one answer. ``cached`` are those of ``input`` that the endpoint had in its prefix cache."""

    input: int
    cached: int
    output: int


def of(value: Any) -> Usage | None:
    """The value of a ``usage`` field, of chat, completions and embeddings, of responses or of messages."""
    if not isinstance(value, dict):
        return None
    if "cache_read_input_tokens" in value:  # of a message: there, the input does not hold what was cached
        read, written = _count(value["cache_read_input_tokens"]), _count(value.get("cache_creation_input_tokens"))
        return Usage(_count(value.get("input_tokens")) + read + written, read, _count(value.get("output_tokens")))
    details = value.get("prompt_tokens_details") or value.get("input_tokens_details")
    return Usage(
        _count(value.get("prompt_tokens", value.get("input_tokens"))),
        _count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
        _count(value.get("completion_tokens", value.get("output_tokens"))),
    )


def of_tail(tail: bytes) -> Usage | None:
    """Usage from the end of a JSON text whose beginning was not kept, as of a large embeddings answer."""
    found = None
    for match in _FLAT_USAGE.finditer(tail):
        found = match
    return of(value_of(found[1])) if found else None


def cost(usage: Usage, pricing: Pricing | None) -> int:
    """Price of an answer in 10⁻¹² of the currency unit."""
    if pricing is None:
        return 0
    cached_price = pricing.input if pricing.cached_input is None else pricing.cached_input
    cached = min(usage.cached, usage.input)
    return (usage.input - cached) * pricing.input + cached * cached_price + usage.output * pricing.output


def _count(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():  # some gateways write 5.0
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= MAX_TOKENS else 0


# Two levels are enough: usage objects hold numbers and objects of numbers.
_FLAT_USAGE = re.compile(rb'"usage"\s*:\s*(\{(?:[^{}]|\{[^{}]*\})*\})')
