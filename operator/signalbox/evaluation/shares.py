"""Shares as they are held over many requests, instead of one draw."""

from signalbox.routing import config
from signalbox.routing.shares import intervals


def expected_shares(shares: tuple[config.Share, ...], eligible: frozenset[str]) -> list[tuple[str, float]]:
    """The part of first attempts of each target of a set, among those that are eligible, as draws hold it."""
    weights = [share.weight if share.target in eligible else 0 for share in shares]
    among = sum(1 << position for position, weight in enumerate(weights) if weight)
    positions, bounds = intervals(weights, among)
    if not positions:
        return []
    edges = [0.0, *bounds, 1.0]
    return [(shares[at].target, above - below) for at, below, above in zip(positions, edges, edges[1:], strict=False)]
