"""Typed problems: what is wrong, where, and what to write instead."""

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

Severity = Literal["error", "warning"]
Subject = Literal["Accepted", "ResolvedRefs"]

_LAST_STEP = re.compile(r'(\.?[^.\[\]"]+|\["[^"]*"\]|\[\d+\])$')
_PLAIN_KEY = re.compile(r'[^.\[\]"]+')


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One finding about one object.

    ``condition`` is the Kubernetes condition that it makes False: an error of ``Accepted`` means that the object is
    invalid and left out of the plan (its last good form may go on serving), one of ``ResolvedRefs`` that the rest of
    the object is used without what is missing. A warning makes nothing False. ``line`` and ``column`` are positions
    inside ``expression``, 1-based; 0 means that there is none.
    """

    kind: str
    name: str
    reason: str
    message: str
    path: str = ""
    fix: str = ""
    severity: Severity = "error"
    condition: Subject = "Accepted"
    expression: str = ""
    line: int = 0
    column: int = 0

    @property
    def invalidates(self) -> bool:
        """Whether the object that it is about is left out of the plan."""
        return self.severity == "error" and self.condition == "Accepted"


def about_policy(
    name: str,
    reason: str,
    path: str,
    message: str,
    fix: str,
    severity: Severity = "error",
    condition: Subject = "Accepted",
) -> Problem:
    """A finding about a RoutingPolicy."""
    return Problem(
        kind="RoutingPolicy",
        name=name,
        reason=reason,
        path=path,
        message=message,
        fix=fix,
        severity=severity,
        condition=condition,
    )


def join(path: str, step: str | int) -> str:
    """Path of a child: ``spec`` + ``routes`` + 2 is ``spec.routes[2]``; keys with punctuation are quoted."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    if not _PLAIN_KEY.fullmatch(step):
        return f'{path}["{step}"]'
    return f"{path}.{step}" if path else step


def path_of(steps: Iterable[str | int]) -> str:
    """The path that these steps lead to."""
    path = ""
    for step in steps:
        path = join(path, step)
    return path


def parent(path: str) -> str:
    """The path without its last step; the parent of a single step is the empty path."""
    return _LAST_STEP.sub("", path, count=1)


def order(problem: Problem) -> tuple[object, ...]:
    """Sort key: object, then place; the same problems are always listed alike."""
    numbered = tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", problem.path))
    return (problem.kind, problem.name, numbered, problem.line, problem.column, problem.reason, problem.message)
