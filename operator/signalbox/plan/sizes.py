"""Whose policies a router has room for."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from signalbox.plan.backends import PlannedBackend, absent
from signalbox.plan.children.mounted import MAX_BYTES
from signalbox.plan.policies import PlannedPolicy
from signalbox.plan.problems import Problem
from signalbox.plan.routes import KIND, Report
from signalbox.routing import config

_FRAME: Final = 1024  # bytes around policies and backends
_FIELD: Final = '"model":"",'


def fitting(
    members: Sequence[str],
    policies: Mapping[str, PlannedPolicy],
    backends: Mapping[str, PlannedBackend],
    report: Report,
) -> dict[str, PlannedPolicy]:
    """The members whose configurations fit into one file, the elder first served; the others are reported.

    Learned models have the room that is left: nobody who serves is put out because somebody else has learned more.
    """
    taken: list[str] = []
    there: set[str] = set()
    total = _FRAME
    for name in members:
        more = {target.backend for target in policies[name].config.targets} - there
        bare = policies[name].size - sum(map(_room, _models(policies[name])))
        size = total + bare + sum((backends.get(each) or absent(each)).size for each in more)
        if size > MAX_BYTES:
            report(_too_large(name, size))
        else:
            total, there = size, there | more
            taken.append(name)
    found: dict[str, PlannedPolicy] = {}
    for name in taken:
        left_out = set[str]()
        for classifier in _models(policies[name]):
            if total + _room(classifier) > MAX_BYTES:
                left_out.add(classifier.name)
            else:
                total += _room(classifier)
        found[name] = _without(policies[name], left_out) if left_out else policies[name]
        if left_out:
            report(_models_too_large(name, sorted(left_out)))
    return found


def _models(policy: PlannedPolicy) -> list[config.Classifier]:
    """The classifiers that have learned something."""
    classifiers = policy.config.classifiers
    return [each for each in classifiers if isinstance(each.source, config.Trained) and each.source.model]


def _room(classifier: config.Classifier) -> int:
    """What its model takes, in base64."""
    assert isinstance(classifier.source, config.Trained)
    return len(_FIELD) + 4 * -(-len(classifier.source.model) // 3)


def _without(policy: PlannedPolicy, names: set[str]) -> PlannedPolicy:
    """With the defaults of these classifiers."""
    replace = msgspec.structs.replace
    classifiers = tuple(
        replace(each, source=config.Trained()) if each.name in names else each for each in policy.config.classifiers
    )
    return replace(policy, config=replace(policy.config, classifiers=classifiers))


def _models_too_large(name: str, classifiers: Sequence[str]) -> Problem:
    return Problem(
        kind=KIND,
        name=name,
        reason="ModelsTooLarge",
        path="spec.classifiers",
        message=f"the router has no room for what was learned for {', '.join(classifiers)}: their defaults hold",
        fix="serve it from a router of its own, or have fewer or simpler classifiers: a model has up to 256 KiB, and "
        f"all policies of a router together {MAX_BYTES // 1024} KiB",
        condition="ResolvedRefs",
    )


def _too_large(name: str, size: int) -> Problem:
    return Problem(
        kind=KIND,
        name=name,
        reason="ConfigTooLarge",
        path="spec",
        message=f"with it the configuration of the router has {size:,} bytes; at most {MAX_BYTES:,} can be kept",
        fix="shorten its conditions, have less learned for it, or serve it from another router",
    )
