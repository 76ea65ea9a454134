"""What a bench found: tables for a terminal, the same as JSON."""

import statistics
from collections.abc import Iterable, Sequence

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """A figure taken several times: median, smallest, largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Raises ``ValueError`` without any value."""
        taken = sorted(values)
        if not taken:
            raise ValueError("a spread needs values")
        return cls(statistics.median(taken), taken[0], taken[-1])

    def __str__(self) -> str:
        if self.low == self.high:
            return number(self.median)
        return f"{number(self.median)} ({number(self.low)}–{number(self.high)})"


Cell = Spread | float | str


class Table(msgspec.Struct, frozen=True):
    """Rows under column names; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]


class Expectation(msgspec.Struct, frozen=True):
    """A promise and whether it was kept in this run."""

    promise: str
    found: str
    met: bool


class Report(msgspec.Struct):
    """All that one bench has to say; ``setup`` says how it was measured."""

    name: str
    setup: str
    tables: list[Table] = []
    expectations: list[Expectation] = []
    notes: list[str] = []

    def expect(self, promise: str, found: object, met: bool) -> None:
        """Note a promise of the project beside the figure that was found."""
        self.expectations.append(Expectation(promise, str(found), met))


def number(value: float) -> str:
    """Three to four significant digits, with separators: 1.23, 45.6, 12,345."""
    magnitude = abs(value)
    if value == int(value) and magnitude < 1e15:
        return f"{int(value):,}"
    digits = 0 if magnitude >= 100 else 1 if magnitude >= 10 else 2 if magnitude >= 0.1 else 4
    return f"{value:,.{digits}f}"


def cell_text(cell: Cell) -> str:
    """A cell as people read it."""
    return cell if isinstance(cell, str) else str(cell) if isinstance(cell, Spread) else number(cell)


def _table_lines(table: Table) -> list[str]:
    rows = [table.columns, *([cell_text(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        return "  ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))])

    return [table.title, line(table.columns), "─" * (sum(widths) + 2 * len(widths) - 2), *map(line, rows[1:])]


def render(report: Report) -> str:
    """The report for a terminal."""
    lines = [f"━━ {report.name}", report.setup]
    for table in report.tables:
        lines += ["", *_table_lines(table)]
    if report.expectations:
        lines.append("")
    lines += [f"{'✓ met  ' if e.met else '✗ SHORT'} {e.promise}: {e.found}" for e in report.expectations]
    lines += [f"• {note}" for note in report.notes]
    return "\n".join(lines)
