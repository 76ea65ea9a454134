"""Whose a router's children are."""

from collections.abc import Sequence
from typing import Any

from signalbox.api.meta import API_VERSION
from signalbox.plan.outlines import PolicyOutline


def owners(members: Sequence[PolicyOutline]) -> list[dict[str, Any]]:
    """Every member owns the children, the eldest is the controller: they go when the last member goes.

    One that is leaving is no owner any more: who deletes it may have said that its children are to stay.
    """
    return [
        {
            "apiVersion": API_VERSION,
            "kind": "RoutingPolicy",
            "name": policy.name,
            "uid": policy.uid,
            **({"controller": True} if position == 0 else {}),
        }
        for position, policy in enumerate(member for member in members if not member.leaving)
    ]
