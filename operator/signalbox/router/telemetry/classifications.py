"""What classifiers of a worker said, and how long they took: counters that never go back."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

import msgspec

# From a trained one, which takes microseconds, to a model that is asked: the time-out of one is a minute at most.
BOUNDS = (0.00002, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Said(msgspec.Struct, array_like=True, frozen=True):
    """How often the label of a classifier came to hold in this way."""

    label: str
    outcome: str
    value: int


class Classifier(msgspec.Struct, array_like=True):
    """Absolute values of one classifier; ``buckets`` of seconds, not cumulative, one more than there are bounds."""

    policy: str
    name: str
    said: list[Said]
    sum: float
    buckets: list[int]


class Classifications:
    """All classifiers of a worker, or the sum of several workers."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], _Counters] = {}

    def count(self, policy: str, name: str, label: str, outcome: str, seconds: float) -> None:
        """One has been asked."""
        counters = self._of(policy, name)
        counters.said[label, outcome] += 1
        counters.sum += seconds
        counters.buckets[bisect_left(BOUNDS, seconds)] += 1

    def replace(self, values: Iterable[Classifier]) -> None:
        """Take over absolute values."""
        for value in values:
            self._found.pop((value.policy, value.name), None)
        self.add(values)

    def add(self, values: Iterable[Classifier]) -> None:
        """Add another worker's values."""
        for value in values:
            counters = self._of(value.policy, value.name)
            counters.said.update({(each.label, each.outcome): each.value for each in value.said})
            counters.sum += value.sum
            counters.buckets = [mine + theirs for mine, theirs in zip(counters.buckets, value.buckets, strict=True)]

    def values(self) -> list[Classifier]:
        """The values so far."""
        return [
            Classifier(
                policy,
                name,
                [Said(label, outcome, value) for (label, outcome), value in sorted(counters.said.items())],
                counters.sum,
                list(counters.buckets),
            )
            for (policy, name), counters in sorted(self._found.items())
        ]

    def _of(self, policy: str, name: str) -> "_Counters":
        return self._found.get((policy, name)) or self._found.setdefault((policy, name), _Counters())


class _Counters:
    __slots__ = ("buckets", "said", "sum")

    def __init__(self) -> None:
        self.said: Counter[tuple[str, str]] = Counter()
        self.sum = 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)
