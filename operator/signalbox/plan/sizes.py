"""Whose policies a router has room for."""

from collections.abc import Mapping, Sequence
from typing import Final

from signalbox.plan.backends import PlannedBackend, absent
from signalbox.plan.children.mounted import MAX_BYTES
from signalbox.plan.policies import PlannedPolicy
from signalbox.plan.problems import Problem
from signalbox.plan.routes import KIND, Report

_FRAME: Final = 1024  # bytes around policies and backends


def fitting(
    members: Sequence[str],
    policies: Mapping[str, PlannedPolicy],
    backends: Mapping[str, PlannedBackend],
    report: Report,
) -> list[str]:
    """The members whose configurations fit into one file, the elder first served; the others are reported."""
    taken: list[str] = []
    there: set[str] = set()
    total = _FRAME
    for name in members:
        more = {target.backend for target in policies[name].config.targets} - there
        size = total + policies[name].size + sum((backends.get(each) or absent(each)).size for each in more)
        if size > MAX_BYTES:
            report(_too_large(name, size))
        else:
            total, there = size, there | more
            taken.append(name)
    return taken


def _too_large(name: str, size: int) -> Problem:
    return Problem(
        kind=KIND,
        name=name,
        reason="ConfigTooLarge",
        path="spec",
        message=f"with it the configuration of the router has {size:,} bytes; at most {MAX_BYTES:,} can be kept",
        fix="shorten its conditions, or serve it from another router",
    )
