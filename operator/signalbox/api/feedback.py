"""What a RoutingPolicy says of load: whether it moves weights, and how long requests stay with one endpoint."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from signalbox.api.base import ApiModel
from signalbox.api.rules import Rule
from signalbox.api.types import Duration, duration_rules

STALE_INTERVALS = 3
"""A sample means nothing any more after so many intervals, where nothing else is said."""


class Affinity(ApiModel):
    """Which endpoint of a target gets a request. Requests with one key go to one endpoint, whose cache knows them
    already."""

    key: Literal["Prefix", "Session", "None"]
    """Prefix: the system prompt and the first user message. Session: the header x-session-id, else prompt_cache_key,
    else user. None: the less busy of two endpoints drawn at random."""
    max_overload_percent: Annotated[int, Field(ge=100, le=1000)] = 125
    """An endpoint that has more than this part of the mean of its target's requests in flight passes them on to the
    next one."""


class Feedback(ApiModel):
    """Whether the load of the engines moves weights. Where no share is declared they follow capacity and load; a
    declared share is kept until its target is overloaded."""

    mode: Literal["Active", "Observe", "Disabled"] = "Active"
    """Active: load moves the weights. Observe: status and metrics show what it would do, the weights stay. Disabled:
    nothing is computed."""
    interval: Annotated[Duration, Field(max_length=20), duration_rules("1s", "5m")] = Duration("5s")
    """Time between two looks at the engines, and between two moves of the weights."""
    stale_after: Annotated[Duration, Field(max_length=20), duration_rules("2s", "1h")] | None = None
    """A target whose newest sample is older than this goes back to its weight without load; until then its weight
    stays. At least twice the interval. Default: three times the interval."""

    rules: ClassVar = (
        Rule(
            "!has(self.staleAfter) || duration(self.staleAfter) >= duration(self.interval) + duration(self.interval)",
            "must be at least twice the interval, or one late sample would already be too old",
            field="staleAfter",
        ),
    )

    @property
    def stale_after_ms(self) -> int:
        """``staleAfter`` in milliseconds, or what its absence means."""
        return (
            self.interval.milliseconds * STALE_INTERVALS if self.stale_after is None else self.stale_after.milliseconds
        )
