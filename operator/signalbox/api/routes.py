"""A route: a condition, and exactly one strategy."""

from typing import Annotated, ClassVar

from pydantic import Field

from signalbox.api.base import ApiModel
from signalbox.api.chains import BestOf, Cascade, ChainLimits, Consensus, OnFailure
from signalbox.api.choosing import Objective, Select
from signalbox.api.rules import Rule
from signalbox.api.types import SignalName
from signalbox.api.weighted import Failover, Weighted

STRATEGIES = ("weighted", "failover", "select", "objective", "cascade", "bestOf", "consensus")
CHAINS = ("cascade", "bestOf", "consensus")
_NAMED = f"{', '.join(STRATEGIES[:-1])} or {STRATEGIES[-1]}"
_COUNT = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in STRATEGIES)
_CHAIN = " || ".join(f"has(self.{name})" for name in CHAINS)


class Route(ApiModel):
    """A condition, and how to choose a target where it holds."""

    name: SignalName
    """Name of the route, for metrics, logs and the header x-signalbox-route."""
    when: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """A condition in CEL, such as query.chars < 50 && user.tier == "gold". Absent: always. The last route has none.
    A condition that errors counts as not matching."""
    weighted: Weighted | None = None
    """Strategy: draw a target by share. Exactly one strategy."""
    failover: Failover | None = None
    """Strategy: the first tier with a usable target. Exactly one strategy."""
    select: Select | None = None
    """Strategy: a classifier chooses the target. Exactly one strategy."""
    objective: Objective | None = None
    """Strategy: the target that is cheapest, fastest, least loaded or best. Exactly one strategy."""
    cascade: Cascade | None = None
    """Strategy: cheap models first, stronger ones where the answer is not good enough. Exactly one strategy."""
    best_of: BestOf | None = None
    """Strategy: several answers, of which the best is returned. Exactly one strategy."""
    consensus: Consensus | None = None
    """Strategy: several models that must agree. Exactly one strategy."""
    limits: ChainLimits | None = None
    """With cascade, bestOf and consensus: what one request may use."""
    on_failure: OnFailure | None = None
    """With cascade, bestOf and consensus: what to do when a call fails. NextStep: go on without it. BestSoFar: return
    the best answer there is. Error: return the error. Default: NextStep."""

    rules: ClassVar = (
        Rule(
            f"{_COUNT} > 0",
            f"says nothing about where to send the request: add one of {_NAMED}",
            reason="FieldValueRequired",
        ),
        Rule(
            f"{_COUNT} < 2",
            "has more than one strategy: remove all but one, or write several routes",
            reason="FieldValueForbidden",
        ),
        Rule(
            f"!has(self.limits) || {_CHAIN}",
            "goes with cascade, bestOf and consensus: other strategies call one model",
            field="limits",
            reason="FieldValueForbidden",
        ),
        Rule(
            f"!has(self.onFailure) || {_CHAIN}",
            "goes with cascade, bestOf and consensus: the others try the next target by themselves",
            field="onFailure",
            reason="FieldValueForbidden",
        ),
    )
