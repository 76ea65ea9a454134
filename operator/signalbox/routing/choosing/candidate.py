"""A target as an objective sees it, for one request; also what its filter asks about."""

from typing import TYPE_CHECKING, Final, Protocol

from signalbox.routing.choosing import expectations
from signalbox.routing.config import Backend, Profile
from signalbox.routing.features import Facts, TargetFacts

if TYPE_CHECKING:
    from signalbox.routing.choosing.classified import Result

CODE: Final = "code"
"""The skill that counts for queries with source code."""


class LiveTarget(TargetFacts, Protocol):
    """What an objective asks of a target beyond what conditions do."""

    @property
    def config(self) -> Backend: ...
    @property
    def token_correction(self) -> float:
        """Prompt tokens that it counts, for each that is estimated."""
        ...

    @property
    def expected_output_tokens(self) -> float:
        """Tokens of an answer."""
        ...

    @property
    def expected_ttft_ms(self) -> float | None:
        """Time to the first token; None where it was neither measured nor is said."""
        ...

    @property
    def load(self) -> float:
        """How full it is, see ``expectations.load``."""
        ...


class Candidate:
    """``said`` is the word of the classifier that expects qualities, if there is one."""

    __slots__ = ("_live", "cost", "first_token_ms", "load", "name", "percent", "position")

    def __init__(self, name: str, position: int, live: LiveTarget, facts: Facts, said: "Result | None") -> None:
        self.name = name
        self.position = position
        self._live = live
        self.percent = _percent(name, live.config.profile, facts, said)
        self.cost = _cost(live, facts)
        self.first_token_ms = _first_token_ms(live, facts)
        self.load = live.load

    # for filters

    @property
    def model(self) -> str:
        return self._live.config.model

    @property
    def backend(self) -> str:
        return self._live.config.name

    @property
    def quality(self) -> int | None:
        return None if self.percent is None else round(self.percent)

    @property
    def input_per_million(self) -> float | None:
        pricing = self._live.config.pricing
        return None if pricing is None else pricing.input / 1e6

    @property
    def output_per_million(self) -> float | None:
        pricing = self._live.config.pricing
        return None if pricing is None else pricing.output / 1e6

    @property
    def context_window(self) -> int | None:
        return self._live.config.context_window

    @property
    def in_flight(self) -> int:
        return self._live.in_flight

    @property
    def ttft_ms(self) -> int | None:
        return self._live.ttft_ms

    @property
    def error_rate(self) -> float:
        return self._live.error_rate

    @property
    def healthy(self) -> bool:
        return self._live.healthy

    @property
    def waiting(self) -> int | None:
        return self._live.waiting

    @property
    def utilization(self) -> float | None:
        return self._live.utilization

    @property
    def kv_cache_usage(self) -> float | None:
        return self._live.kv_cache_usage

    @property
    def overloaded(self) -> bool:
        return self._live.overloaded


def _percent(name: str, profile: Profile, facts: Facts, said: "Result | None") -> float | None:
    """Quality: of this query by a classifier that learned scores; else the skill that it asks for; else in general."""
    if said is not None:
        expected = said.expected.get(name)
        if expected is not None:
            return expected * 100.0
        if said.label in profile.skills:
            return profile.skills[said.label]
    if CODE in profile.skills and facts.query_has_code:
        return profile.skills[CODE]
    return profile.quality


def _cost(live: LiveTarget, facts: Facts) -> float | None:
    pricing = live.config.pricing
    if pricing is None:
        return None
    prompt = facts.conversation_tokens * live.token_correction
    if facts.request_operation == "embeddings":
        return expectations.cost(prompt, 0.0, pricing)
    mean = live.expected_output_tokens
    return expectations.cost(
        prompt, expectations.output_tokens(mean, facts.request_max_tokens, facts.request_n or 1), pricing
    )


def _first_token_ms(live: LiveTarget, facts: Facts) -> float | None:
    """Of a target of which nothing is known, none: one stream at a time goes there and finds out."""
    expected = live.expected_ttft_ms
    return 0.0 if expected is None and facts.request_stream and live.in_flight == 0 else expected
