"""What ``signalbox explain`` is told to assume: what routers count, and what classifiers say."""

from collections.abc import Iterable, Mapping
from typing import Final

import click
import msgspec

from signalbox.local.judges import Assumption
from signalbox.routing.choosing.assumed import AssumedTarget
from signalbox.routing.config import Policy
from signalbox.routing.expressions.variables import CLASSIFIER_GROUPS, TARGET_BY_NAME, snake

_KINDS: Final[dict[str, type]] = {"bool": bool, "int": int, "double": float, "string": str}


def assume_all(policy: Policy, signals: Mapping[str, AssumedTarget], texts: Iterable[str]) -> dict[str, Assumption]:
    """Put what is assumed of targets into ``signals``; what is assumed of classifiers is returned, by name. Raises
    ``click.UsageError``."""
    found: dict[str, Assumption] = {}
    for text in texts:
        path, _, value = text.partition("=")
        group, _, name = path.partition(".")
        if group in CLASSIFIER_GROUPS:
            _classifier(policy, found.setdefault(name, Assumption()), group, name, value, text)
        else:
            _target(signals, path, value, text)
    return found


def _target(signals: Mapping[str, AssumedTarget], path: str, value: str, text: str) -> None:
    try:
        group, name, field = path.split(".")
        if group != "targets":
            raise ValueError(group)
        kind = _KINDS[TARGET_BY_NAME[field].kind]
        setattr(signals[name], snake(field), msgspec.convert(msgspec.json.decode(value), kind, strict=True))
    except (ValueError, KeyError):
        known = ", ".join(sorted(TARGET_BY_NAME))
        raise click.UsageError(
            f"--assume {text}: write targets.NAME.FIELD=VALUE; targets are {', '.join(signals)}, fields {known}"
        ) from None


def _classifier(policy: Policy, into: Assumption, group: str, name: str, value: str, text: str) -> None:
    """A label may stand without quotes: it is a name."""
    classifier = next((each for each in policy.classifiers if each.name == name), None)
    if classifier is None:
        known = ", ".join(each.name for each in policy.classifiers)
        raise click.UsageError(f"--assume {text}: the policy has {f'the classifiers {known}' if known else 'none'}")
    if group == "label":
        label = value.strip().strip('"')
        if label not in classifier.labels:
            raise click.UsageError(f"--assume {text}: the labels of {name} are {', '.join(classifier.labels)}")
        into.label = label
        return
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise click.UsageError(f"--assume {text}: write a number from 0 to 1")
    setattr(into, group, number)
