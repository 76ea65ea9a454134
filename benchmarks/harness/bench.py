"""What every bench is: a function from its settings to a report."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.candidates import ALL
from benchmarks.harness.processes import Cores
from benchmarks.harness.report import Report


@dataclass(frozen=True)
class Settings:
    """How long and against whom. ``directory`` is scratch space of one bench."""

    cores: Cores
    directory: Path
    quick: bool = False
    candidates: tuple[str, ...] = ALL

    def choose(self, full: float, quick: float) -> float:
        """A length: the one that gives figures to quote, or the one that shows that it runs."""
        return quick if self.quick else full

    @property
    def rounds(self) -> int:
        """How often each candidate is measured."""
        return 2 if self.quick else 5

    def where(self) -> str:
        """The cores, for the head of a report."""
        return f"proxy on core {_list(self.cores.proxy)}, load generator and upstream on core {_list(self.cores.load)}"

    @staticmethod
    def tell(progress: str) -> None:
        """Say on stderr what goes on: a bench takes minutes."""
        if sys.stderr.isatty():
            print(f"\r\033[K  {progress}", end="", file=sys.stderr, flush=True)
        else:
            print(f"  {progress}", file=sys.stderr, flush=True)


Bench = Callable[[Settings], Report]


def _list(numbers: frozenset[int]) -> str:
    return ",".join(map(str, sorted(numbers)))
