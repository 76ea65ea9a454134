"""Targets as a router sees them that has just started: idle, healthy, of no measured speed."""

from dataclasses import dataclass

from signalbox.routing import config


@dataclass(frozen=True)
class IdleTarget:
    """What conditions and objectives ask of a target; see ``features.TargetFacts`` and ``choosing.candidate``."""

    config: config.Backend
    expected_output_tokens: float
    in_flight: int = 0
    ttft_ms: int | None = None
    error_rate: float = 0.0
    healthy: bool = True
    waiting: int | None = None
    utilization: float | None = None
    kv_cache_usage: float | None = None
    overloaded: bool = False
    token_correction: float = 1.0
    load: float = 0.0

    @property
    def expected_ttft_ms(self) -> float | None:
        """As the profile says."""
        return self.config.profile.latency_ms
