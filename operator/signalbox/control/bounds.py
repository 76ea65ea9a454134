"""What is kept of what a pod says, and how much it may say: anybody who can make a pod may be one."""

import re
import time
from collections.abc import Callable, Collection

import msgspec

from signalbox.control.messages import (
    MAX_NAMES,
    MAX_TEXT,
    MAX_WAYS,
    Applied,
    Hello,
    Lease,
    Rejected,
    Report,
    Sent,
    Traffic,
    Waiting,
    Ways,
)

# Of an entry of a Secret; nothing that is named here has a longer name.
MAX_NAME = 253
# Of anything that is counted: beyond that, a number with a fraction is not exact.
MOST = 1 << 53
_HASH = re.compile("[0-9a-f]{16}")


def bounded(report: Report, backends: Collection[str], policies: Collection[str] = ()) -> Report:
    """Hashes that are none count as not said, texts are cut, ``backends`` and ``policies`` are all that may be spoken
    about, and no counter is beyond reason."""
    waits, rejected = report.waits_for, report.rejected
    return Report(
        config_hash=_hash(report.config_hash),
        waits_for=Waiting(waits.hash, _names(waits.entries)) if waits is not None and _hash(waits.hash) else None,
        rejected=Rejected(rejected.hash, rejected.reason[:MAX_TEXT])
        if rejected is not None and _hash(rejected.hash)
        else None,
        backends={name: _traffic(report.backends[name]) for name in backends if name in report.backends},
        weights={name: report.weights[name] for name in policies if name in report.weights},
        sent=_ways({name: report.sent[name] for name in policies if name in report.sent}),
        leases={name: _applied(report.leases[name]) for name in backends if name in report.leases},
    )


def bounded_hello(hello: Hello) -> Hello:
    """As above."""
    return msgspec.structs.replace(hello, config_hash=_hash(hello.config_hash))


class Bucket:
    """Gives out ``rate`` a second, and at once no more than ``burst``."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._at = burst, clock()

    def take(self, amount: float = 1.0) -> bool:
        """Whether there was as much."""
        now = self._clock()
        self._left, self._at = min(self._burst, self._left + (now - self._at) * self._rate), now
        if self._left < amount:
            return False
        self._left -= amount
        return True


def _hash(name: str) -> str:
    return name if _HASH.fullmatch(name) else ""


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name[:MAX_NAME] for name in names[:MAX_NAMES])


def _count(amount: int) -> int:
    return min(max(amount, 0), MOST)


def _traffic(traffic: Traffic) -> Traffic:
    counts = {name: _count(value) for name, value in msgspec.structs.asdict(traffic).items() if isinstance(value, int)}
    return msgspec.structs.replace(traffic, causes=_names(traffic.causes), **counts)


def _applied(applied: Applied) -> Applied:
    return Applied(lease=_lease(applied.lease), most=_lease(applied.most), spent=_lease(applied.spent))


def _lease(lease: Lease) -> Lease:
    amounts = lease.in_flight, lease.requests_per_minute, lease.tokens_per_minute
    in_flight, requests, tokens = (None if amount is None else _count(amount) for amount in amounts)
    return Lease(in_flight=in_flight, requests_per_minute=requests, tokens_per_minute=tokens)


def _ways(ways: Ways) -> Ways:
    """The first ``MAX_WAYS`` of those whose names could be some."""
    left = MAX_WAYS
    found: Ways = {}
    for policy, routes in ways.items():
        for route, targets in routes.items():
            for target, sent in targets.items():
                if left and all(0 < len(name) <= MAX_NAME for name in (policy, route, target)):
                    counts = Sent(requests=_count(sent.requests), failed=_count(sent.failed))
                    found.setdefault(policy, {}).setdefault(route, {})[target] = counts
                    left -= 1
    return found
