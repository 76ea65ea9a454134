"""The last quarter of an hour, so that a page that was just opened has a past: a bounded ring of numbers."""

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from math import nan

import msgspec

from signalbox.signals.view import BackendView, TargetView, View

STEP_SECONDS = 5.0
POINTS = 180
MAX_LINES = 1_000
"""Targets and backends together, of all histories that share a room: about 7 KB each."""

REASONS = ("", "Declared", "Overloaded", "Base", "Load", "Held", "Stale", "NoEndpoint")
MEASURES = ("requests", "running", "waiting", "kv_usage", "utilization", "first_token", "errors", "age", "tokens")

Columns = dict[str, "array[float]"]
Line = tuple[str, ...]


class Recorded(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Columns of equal length, None where nothing is known. ``weights`` are by policy, route, tier and target, joined
    by "/", and their reasons are places in ``reasons``."""

    at: list[float]
    reasons: tuple[str, ...]
    weights: dict[str, dict[str, list[float | None]]]
    backends: dict[str, dict[str, list[float | None]]]


class Room:
    """What several histories may keep together. Lines that find none have no past."""

    def __init__(self, lines: int = MAX_LINES) -> None:
        self._left = lines

    @property
    def full(self) -> bool:
        """Whether there is no room for any more."""
        return self._left <= 0

    def take(self) -> bool:
        """Whether there was room for one more."""
        if self._left <= 0:
            return False
        self._left -= 1
        return True

    def leave(self, lines: int) -> None:
        """So many are kept no longer."""
        self._left += lines


class History:
    """Give it views as often as you like; it keeps one every ``STEP_SECONDS``."""

    def __init__(self, room: Room | None = None) -> None:
        self._room = room or Room()
        self._at: array[float] = array("d")
        self._lines: dict[Line, Columns] = {}

    def copied(self) -> "History":
        """As it is now: it may be read beside the event loop."""
        made = History(self._room)
        made._at = self._at[:]
        made._lines = {line: {name: column[:] for name, column in each.items()} for line, each in self._lines.items()}
        return made

    def due(self, at: float) -> bool:
        """Whether anything of a view of that time would be kept."""
        if self._room.full and not self._lines:
            return False
        return not self._at or not 0.0 <= at - self._at[-1] < STEP_SECONDS - 0.1

    def add(self, view: View) -> None:
        """A view; one that is too soon after the last is left out."""
        if not self.due(view.at):
            return
        self._drop(slice(bisect_left(self._at, view.at), None))  # nothing, unless the calendar was set back
        self._at.append(view.at)
        found = dict(_lines(view))
        for line, values in found.items():
            if line not in self._lines and self._room.take():
                self._lines[line] = {name: array("f", [nan] * (len(self._at) - 1)) for name in values}
        for line, columns in self._lines.items():
            values = found.get(line, {})
            for name, column in columns.items():
                column.append(values.get(name, nan))
        self._drop(slice(0, max(0, len(self._at) - POINTS)))
        for line in [line for line in self._lines if line not in found and self._empty(line)]:
            del self._lines[line]
            self._room.leave(1)

    def close(self) -> None:
        """Keep nothing of what was."""
        self._room.leave(len(self._lines))
        self._lines.clear()
        del self._at[:]

    def _drop(self, points: slice) -> None:
        del self._at[points]
        for columns in self._lines.values():
            for column in columns.values():
                del column[points]

    def _empty(self, line: Line) -> bool:
        return all(value != value for column in self._lines[line].values() for value in column)  # noqa: PLR0124 (NaN)

    def recorded(self) -> Recorded:
        """All of it."""
        weights = {"/".join(line[1:]): _shown(columns) for line, columns in self._lines.items() if line[0] == "w"}
        backends = {line[1]: _shown(columns) for line, columns in self._lines.items() if line[0] == "b"}
        return Recorded(at=list(self._at), reasons=REASONS, weights=weights, backends=backends)


def _lines(view: View) -> list[tuple[Line, Mapping[str, float]]]:
    found: list[tuple[Line, Mapping[str, float]]] = [
        (("w", policy.name, route.name, str(each.tier), target.name), _weight(target))
        for policy in view.policies
        for route in policy.routes
        for each in route.sets
        for target in each.targets
        if target.effective is not None
    ]
    found += [(("b", backend.name), _load(backend)) for backend in view.backends]
    return found


def _weight(target: TargetView) -> dict[str, float]:
    reason = REASONS.index(target.reason) if target.reason in REASONS else 0
    return {"effective": _number(target.effective), "base": _number(target.base), "reason": float(reason)}


def _load(backend: BackendView) -> dict[str, float]:
    return {name: _number(getattr(backend, name)) for name in MEASURES}


def _number(value: float | None) -> float:
    return nan if value is None else value


def _shown(columns: Columns) -> dict[str, list[float | None]]:
    """Four digits are more than a picture shows. Names as in a view."""
    return {
        _camel(name): [None if value != value else float(f"{value:.4g}") for value in column]  # noqa: PLR0124 (NaN)
        for name, column in columns.items()
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
