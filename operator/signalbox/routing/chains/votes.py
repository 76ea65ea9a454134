"""Counting equal answers: who leads, by how much, and whether what is still to come can change that."""

from collections.abc import Hashable, Iterable, Sequence


class Votes:
    """Of places in a fixed order, each with a weight. A tie goes to the answer whose first place comes first: the order
    is the policy's, and who happens to be fast wins nothing.
    """

    def __init__(self, weights: Sequence[int]) -> None:
        self._weights = tuple(weights)
        self._total = sum(weights)
        self._open = set(range(len(weights)))
        self._groups: dict[tuple[str, Hashable], list[int]] = {}

    def vote(self, place: int, key: Hashable) -> None:
        """The answer at a place; None is equal to no other."""
        self._open.discard(place)
        group = self._groups.setdefault(("alone", place) if key is None else ("equal", key), [])
        group.append(place)
        group.sort()

    def miss(self, place: int) -> None:
        """There is no answer at a place: it agrees with nobody."""
        self._open.discard(place)

    @property
    def leader(self) -> int | None:
        """The first place of the answer with most votes."""
        group = self._leading()
        return group[0] if group else None

    @property
    def percent(self) -> float:
        """The part of all votes that the leading answer has."""
        return 100.0 * self._weight(self._leading()) / self._total if self._total else 0.0

    @property
    def votes(self) -> str:
        """The votes of each answer, most first, such as "2 of 3, 1 of 3"."""
        weights = sorted((self._weight(group) for group in self._groups.values()), reverse=True)
        return ", ".join(f"{weight} of {self._total}" for weight in weights)

    @property
    def settled(self) -> bool:
        """Whether the leading answer wins, whatever is still to come."""
        leading = self._leading()
        if not self._open:
            return True
        if not leading:
            return False
        mine, coming = self._weight(leading), self._weight(self._open)
        earliest = min(self._open)
        rivals = [
            (self._weight(group) + coming * grows, min(group[0], earliest) if grows else group[0])
            for grows, group in self._growing()
            if group is not leading
        ]
        return not any(
            weight > mine or (weight == mine and first < leading[0]) for weight, first in (*rivals, (coming, earliest))
        )

    def reached(self, percent: int) -> bool | None:
        """Whether some answer has so many percent of the votes; None while that is open."""
        if not self._total:
            return False
        if 100 * self._weight(self._leading()) >= percent * self._total:
            return True
        most = max((self._weight(group) for grows, group in self._growing() if grows), default=0)
        return None if self._open and 100 * (most + self._weight(self._open)) >= percent * self._total else False

    def _growing(self) -> list[tuple[bool, list[int]]]:
        """The answers, and whether others can be equal to them."""
        return [(kind == "equal", group) for (kind, _), group in self._groups.items()]

    def _leading(self) -> list[int]:
        return min(self._groups.values(), key=lambda group: (-self._weight(group), group[0]), default=[])

    def _weight(self, places: Iterable[int]) -> int:
        return sum(self._weights[place] for place in places)
