"""Values by chance."""

import copy
import random
from collections.abc import Callable
from typing import Any

Spec = dict[str, Any]


class Draws:
    """Draws parts of specs."""

    def __init__(self, source: random.Random) -> None:
        self._random = source

    def fields(self, **makers: Callable[[], Any]) -> Spec:
        """Each field, or not."""
        return {name: make() for name, make in makers.items() if self._random.random() < 0.7}

    def one(self, *values: Any) -> Callable[[], Any]:
        """Draws one of them."""
        return lambda: copy.deepcopy(self._random.choice(values))

    def some(self, *values: Any) -> Callable[[], list[Any]]:
        """Draws several of them, at least one."""
        return lambda: self._random.sample(values, self._random.randint(1, len(values)))

    def shares(self, names: list[str]) -> list[Spec]:
        """A set of targets, with a weight each or without."""
        weighted = self._random.random() < 0.5
        chosen = self._random.sample(names, self._random.randint(1, len(names)))
        return [{"name": name} | ({"weight": self._random.randint(1, 9)} if weighted else {}) for name in chosen]
