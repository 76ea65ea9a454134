"""Objects that must be refused, built from ``invalid.yaml``; the API server's tests judge the same ones."""

import copy
import re
from pathlib import Path
from typing import Any

import yaml

from signalbox.api import ModelBackend, RoutingPolicy

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "invalid.yaml").read_text())

HEAD = {"apiVersion": "signalbox.dev/v1alpha1", "metadata": {"name": "a"}}
BASES: dict[str, dict[str, Any]] = {
    "url": {**HEAD, "kind": "ModelBackend", "spec": {"model": "m", "url": "https://api.example.com/v1"}},
    "service": {
        **HEAD,
        "kind": "ModelBackend",
        "spec": {"model": "m", "serviceRef": {"name": "s", "port": "http"}},
    },
    "policy": {
        **HEAD,
        "kind": "RoutingPolicy",
        "spec": {
            "models": ["auto"],
            "targets": [{"name": "a", "backendRef": {"name": "a"}}],
            "routes": [{"name": "default", "weighted": {"targets": [{"name": "a"}]}}],
            "access": {"anonymous": {}},
        },
    },
}
KINDS = {"ModelBackend": ModelBackend, "RoutingPolicy": RoutingPolicy}


def built(case: dict[str, Any]) -> dict[str, Any]:
    """The object of a case."""
    target = copy.deepcopy(BASES[case["base"]])
    for path, value in case.get("set", {}).items():
        *above, last = steps(path)
        holder: Any = target
        for step in above:
            holder = holder[step]
        holder[last] = expanded(value)
    for path in case.get("drop", ()):
        *above, last = steps(path)
        holder = target
        for step in above:
            holder = holder[step]
        del holder[last]
    return target


def steps(path: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]


def expanded(value: Any) -> Any:
    """``repeat: [x, n]`` and ``series: [x, n]`` (names numbered) keep long values out of the file."""
    match value:
        case {"repeat": [what, int(count)]}:
            return what * count
        case {"series": [str(what), int(count)]}:
            return [f"{what}{i}" for i in range(count)]
        case {"series": [dict(what), int(count)]}:
            return [what | {"name": f"{what['name']}{i}"} for i in range(count)]
        case dict():
            return {key: expanded(item) for key, item in value.items()}
        case list():
            return [expanded(item) for item in value]
        case _:
            return value
