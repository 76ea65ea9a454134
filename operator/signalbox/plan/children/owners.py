"""Whose a router's children are."""

from collections.abc import Sequence
from typing import Any

from signalbox.api import RoutingPolicy
from signalbox.api.meta import API_VERSION


def owners(members: Sequence[RoutingPolicy]) -> list[dict[str, Any]]:
    """Every member owns the children, the eldest is the controller: they go when the last member goes."""
    return [
        {
            "apiVersion": API_VERSION,
            "kind": "RoutingPolicy",
            "name": policy.metadata.name,
            "uid": policy.metadata.uid,
            **({"controller": True} if position == 0 else {}),
        }
        for position, policy in enumerate(members)
    ]
