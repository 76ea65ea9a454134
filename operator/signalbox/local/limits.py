"""Limits where there is one router: its workers lease the whole, so that nothing is lost to rounding."""

from signalbox.control.messages import Lease, Leases
from signalbox.routing.config import Limits, decode


def whole(config: bytes, workers: int) -> Leases:
    """All limits of a configuration. Those of which not every worker could have one are left as they are planned: one
    for each, or clients of some workers would be refused for ever."""

    def enough(amount: int | None) -> int | None:
        return amount if amount is not None and amount >= workers else None

    return Leases(
        backends={
            backend.name: Lease(
                in_flight=enough(backend.limits.max_in_flight),
                requests_per_minute=enough(backend.limits.requests_per_minute),
                tokens_per_minute=enough(backend.limits.tokens_per_minute),
            )
            for backend in decode(config).backends
            if backend.limits != Limits()
        }
    )
