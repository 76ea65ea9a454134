"""What the user declares about a trained classifier."""

import msgspec


class StrongShare(msgspec.Struct, frozen=True, tag=True):
    """So many percent of the training queries leave the first label."""

    percent: float


class Threshold(msgspec.Struct, frozen=True, tag=True):
    """A query leaves the first label for an expected gain of more than so many points."""

    percent: float


class Settings(msgspec.Struct, frozen=True):
    """``labels`` from the cheapest to the strongest; ``targets`` maps labels to the names that ``scores`` use, where
    these differ. The same examples, settings and seed give the same bytes."""

    labels: tuple[str, ...]
    targets: dict[str, str] = {}
    cut: StrongShare | Threshold | None = None
    seed: int = 0

    def names(self) -> tuple[str, ...]:
        """The name in ``scores`` of each label."""
        return tuple(self.targets.get(label, label) for label in self.labels)
