"""What was made once is not made again until something differs of what it was made from."""

from collections.abc import Iterable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Memory(Generic[Made]):
    """One thing for each name. Whoever asks names everything that it was made from: what differs is not remembered,
    so that this saves work and changes nothing."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, Made]] = {}

    def get(self, name: str, made_from: object) -> Made | None:
        """What was made from an equal to this."""
        known = self._known.get(name)
        return known[1] if known is not None and known[0] == made_from else None

    def put(self, name: str, made_from: object, made: Made) -> Made:
        """Remember it instead of what was known under that name."""
        self._known[name] = made_from, made
        return made

    def keep(self, names: Iterable[str]) -> None:
        """Forget all others."""
        for name in self._known.keys() - set(names):
            del self._known[name]

    def __len__(self) -> int:
        return len(self._known)
