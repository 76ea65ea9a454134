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
    "strategies": {
        **HEAD,
        "kind": "RoutingPolicy",
        "spec": {
            "models": ["auto"],
            "targets": [{"name": each, "backendRef": {"name": each}} for each in ("a", "b", "c")],
            "classifiers": [
                {"name": "kind", "labels": ["code", "prose"], "default": "prose", "llm": {"target": "a"}},
                {
                    "name": "hard",
                    "labels": ["a", "b"],
                    "default": "b",
                    "timeout": "50ms",
                    "trained": {
                        "examplesFrom": [{"configMapKeyRef": {"name": "e", "key": "k"}}],
                        "strongSharePercent": 30,
                    },
                },
                {
                    "name": "own",
                    "labels": ["x", "y"],
                    "default": "x",
                    "minConfidencePercent": 60,
                    "http": {
                        "url": "https://classifier.example.com/v1",
                        "auth": {"apiKey": {"secretRef": {"name": "s", "key": "k"}}},
                        "caConfigMapRef": {"name": "ca", "key": "ca.crt"},
                    },
                },
            ],
            "routes": [
                {
                    "name": "selected",
                    "when": 'label.own == "x"',
                    "select": {"by": "kind", "targets": [{"label": "code", "target": "b"}], "otherwise": "a"},
                },
                {"name": "best", "when": "query.hasCode", "select": {"best": {"by": "hard"}}},
                {
                    "name": "portfolio",
                    "when": "query.hasUrl",
                    "objective": {
                        "minimize": "Cost",
                        "targets": [{"name": "a"}, {"name": "b"}],
                        "filter": "target.healthy",
                        "quality": {"classifier": "hard"},
                        "bounds": {"minQuality": 60, "maxCost": "0.01", "maxFirstToken": "2s"},
                    },
                },
                {
                    "name": "steps",
                    "when": "query.chars > 5",
                    "cascade": {
                        "steps": [
                            {"target": "a", "accept": {"logProbs": {}, "minPercent": 80}},
                            {"target": "a", "accept": {"agreement": {"samples": 3, "equality": "Numeric"}}},
                            {"target": "a", "accept": {"judge": {"target": "c", "rubric": "complete"}}},
                            {"target": "a", "accept": {"expression": 'answer.finishReason == "stop"'}},
                            {"weighted": {"targets": [{"name": "b", "weight": 9}, {"name": "c", "weight": 1}]}},
                        ]
                    },
                    "limits": {"maxCalls": 10, "maxCost": "0.05", "timeout": "30s"},
                    "onFailure": "BestSoFar",
                },
                {
                    "name": "samples",
                    "when": "query.chars > 4",
                    "bestOf": {"targets": [{"name": "a", "samples": 3}], "judge": {"target": "c"}},
                },
                {
                    "name": "agreed",
                    "consensus": {
                        "targets": [{"name": "a"}, {"name": "b"}],
                        "equality": "Judged",
                        "judge": {"target": "c"},
                        "minPercent": 60,
                        "escalateTo": "c",
                    },
                },
            ],
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
