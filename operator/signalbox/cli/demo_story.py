"""What happens in the demo: an engine slows down, another dies, both recover."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from signalbox.sim.faults import HEALTHY, Faults

SECONDS = 34.0
"""Of the whole story."""


@dataclass(frozen=True, slots=True)
class Act:
    """At a time in seconds, engines change; ``text`` says so to whoever watches."""

    at: float
    text: str
    faults: Mapping[str, Faults] = field(default_factory=dict)


STORY = (
    Act(6.0, "fast works four times as slowly: watch its weight", {"fast": Faults(slow=4.0)}),
    Act(14.0, "fast is well again", {"fast": HEALTHY}),
    Act(
        17.0,
        "balanced is dead: streams that it had begun are cut, all else goes elsewhere",
        {"balanced": Faults(dead=True)},
    ),
    Act(21.0, "balanced is well again: its weight comes back", {"balanced": HEALTHY}),
)


def acts(seconds: float | None, fault: tuple[str, Faults] | None) -> tuple[Act, ...]:
    """The story, as long as there is time for it; with a fault of the user's only that, half way."""
    part = (seconds or SECONDS) / SECONDS
    if fault is not None:
        name, wanted = fault
        return (Act(part * SECONDS / 2, f"{name} breaks", {name: wanted}),)
    return tuple(Act(act.at * part, act.text, act.faults) for act in STORY)
