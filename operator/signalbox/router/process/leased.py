"""What the supervisor knows of leases: the router's parts of limits, divided among its workers, and what they apply."""

from collections.abc import Iterable, Mapping

from signalbox.control.messages import Applied, Lease, Leases
from signalbox.routing.config import Limits
from signalbox.routing.limits import Allowance, added, in_minute, larger, less, parts


class Leased:
    """A backend that is not named keeps what it had: without an operator the last lease stays. Times are monotonic
    seconds, which all processes of a machine share."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._parts: dict[str, list[Limits]] = {}
        self._spent: dict[int, list[tuple[float, dict[str, Limits]]]] = {}

    def hear(self, leases: Leases) -> None:
        """These count from now on."""
        self._parts.update({name: parts(_limits(lease), self._workers) for name, lease in leases.backends.items()})

    def part(self, worker: int) -> dict[str, Limits]:
        """What a worker is to apply, by backend; empty before the first lease."""
        return {name: of[worker] for name, of in self._parts.items()}

    def ended(self, worker: int, said: Mapping[str, Allowance], at: float) -> None:
        """A worker has died, which said this last, and then: what it had inherited and what it spent itself. One that
        died before it said anything has spent nothing."""
        if not said:
            return
        own = {name: each.spent for name, each in said.items()}
        inherited = [each for each in self.spent(worker) if in_minute(each[0], at)]
        for _, spent in inherited:
            own = {name: less(each, spent.get(name, Limits())) for name, each in own.items()}
        self._spent[worker] = [*inherited, (at, own)]

    def spent(self, worker: int) -> list[tuple[float, dict[str, Limits]]]:
        """When those that were this worker before said their last, and what each had spent itself in the minute before,
        by backend; the oldest first."""
        return self._spent.get(worker, [])

    def applied(self, workers: Iterable[tuple[int, Mapping[str, Allowance]]]) -> dict[str, Applied]:
        """Of all workers (by number), from what each said last. What a worker was told may be applied by now."""
        sums: dict[str, Allowance] = {}
        for number, said in workers:
            for name, each in said.items():
                told = self._parts[name][number] if name in self._parts else Limits()
                one = Allowance(each.lease, larger(each.most, told), each.spent)
                sums[name] = _both(sums[name], one) if name in sums else one
        return {name: Applied(**{f: _lease(v) for f, v in each._asdict().items()}) for name, each in sums.items()}


def _both(one: Allowance, other: Allowance) -> Allowance:
    return Allowance(*map(added, one, other))


def _limits(lease: Lease) -> Limits:
    return Limits(
        max_in_flight=lease.in_flight,
        requests_per_minute=lease.requests_per_minute,
        tokens_per_minute=lease.tokens_per_minute,
    )


def _lease(limits: Limits) -> Lease:
    return Lease(
        in_flight=limits.max_in_flight,
        requests_per_minute=limits.requests_per_minute,
        tokens_per_minute=limits.tokens_per_minute,
    )
