"""Problems as a good compiler prints them: file, line, field, the expression with a caret, and the fix."""

import unicodedata
from collections.abc import Iterable
from typing import Any

import msgspec

from signalbox.local.source import Located, Location

_WINDOW = 100


def text(located: Located) -> str:
    """One problem, on as many lines as it takes."""
    problem, where = located.problem, located.location
    subject = problem.path or f"{problem.kind} {problem.name}".strip()
    warning = "warning: " if problem.severity == "warning" else ""
    lines = [f"{where}: {warning}{subject}: {problem.message}" if where else f"{warning}{subject}: {problem.message}"]
    if problem.expression and problem.line:
        lines += caret(problem.expression, problem.line, problem.column)
    if problem.fix:
        lines.append(f"  fix: {problem.fix}")
    return "\n".join(lines)


def caret(expression: str, line: int, column: int) -> list[str]:
    """The line of an expression and a caret under the column (both 1-based); a long line is cut to a window."""
    rows = expression.splitlines()
    row = rows[line - 1] if line <= len(rows) else ""
    begin = max(0, column - 1 - _WINDOW // 2) if len(row) > _WINDOW else 0
    shown = row[begin : begin + _WINDOW]
    before = row[begin : column - 1]
    lead = "... " if begin else ""
    trail = " ..." if begin + _WINDOW < len(row) else ""
    return [f"    {lead}{shown}{trail}", f"    {' ' * len(lead)}{_blank(before)}^"]


def _blank(text: str) -> str:
    """Spaces as wide as the text."""
    return "".join("\t" if c == "\t" else "  " if unicodedata.east_asian_width(c) in "WF" else " " for c in text)


def json(located: Iterable[Located]) -> list[dict[str, Any]]:
    """Problems as JSON-like data: the fields of a problem, and where it is."""
    return [{**_place(one.location), **msgspec.to_builtins(one.problem)} for one in located]


def _place(where: Location | None) -> dict[str, Any]:
    return {"file": where.file, "fileLine": where.line, "fileColumn": where.column} if where else {}


def count(located: Iterable[Located]) -> str:
    """ "2 errors, 1 warning"."""
    severities = [one.problem.severity for one in located]
    counts = [(severities.count("error"), "error"), (severities.count("warning"), "warning")]
    return ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts if n)
