"""A target as a router sees it that has just started, or as somebody says that it is: nothing is measured here."""

from dataclasses import dataclass

from signalbox.routing import config
from signalbox.routing.choosing import expectations


@dataclass
class AssumedTarget:
    """What conditions and objectives ask of a target; see ``features.TargetFacts`` and ``choosing.candidate``."""

    config: config.Backend
    expected_output_tokens: float = expectations.PRIOR_OUTPUT_TOKENS
    in_flight: int = 0
    ttft_ms: int | None = None
    error_rate: float = 0.0
    healthy: bool = True
    waiting: int | None = None
    utilization: float | None = None
    kv_cache_usage: float | None = None
    overloaded: bool = False
    token_correction: float = 1.0

    @property
    def expected_ttft_ms(self) -> float | None:
        """As measured, before that as the profile says."""
        return self.config.profile.latency_ms if self.ttft_ms is None else self.ttft_ms

    @property
    def load(self) -> float:
        """See ``expectations.load``."""
        endpoints = max(1, len(self.config.endpoints))
        most = self.config.limits.max_in_flight or expectations.PRIOR_CONCURRENCY * endpoints
        capacity = most if self.config.concurrency is None else self.config.concurrency * endpoints
        return expectations.load(self.utilization, self.in_flight, self.in_flight, capacity)
