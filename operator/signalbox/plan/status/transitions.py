"""Which changes of a resource's conditions are worth an Event."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

# They repeat what the others say.
_ECHOES = frozenset({"Reconciling", "Stalled"})


class Transition(msgspec.Struct, frozen=True):
    """One Event: its type, reason and note."""

    type: Literal["Normal", "Warning"]
    reason: str
    note: str


def transitions(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Transition]:
    """A condition that has flipped is one; of a new resource, only what is wrong.

    What is under way is not wrong, and what several conditions say is said once.
    """
    old = {condition["type"]: condition["status"] for condition in before}
    under_way = any(condition["type"] == "Reconciling" for condition in after)
    found: dict[tuple[str, str], Transition] = {}
    for condition in after:
        status, reason, note = condition["status"], condition["reason"], condition["message"]
        flipped = old.get(condition["type"], "True") != status
        if condition["type"] in _ECHOES or not flipped:
            continue
        wrong = status == "False" and not (under_way and condition["type"] in {"Programmed", "Ready"})
        found.setdefault((reason, note), Transition("Warning" if wrong else "Normal", reason, note))
    return list(found.values())


def uninjected(before: int, after: int) -> list[Transition]:
    """Pods without the sidecar that they ask for: said when the first one is there."""
    if before or not after:
        return []
    note = f"{after} pods ask for a sidecar and have none: they were made while the webhook was away; make them anew"
    return [Transition("Warning", "PodsNotInjected", note)]
