"""Objects of our kinds, generated from their schemas: right ones, and wrong ones that are nearly right."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from schemas import Schema

from signalbox.api.base import ApiModel
from signalbox.api.crd import structural
from signalbox.api.routes import CHAINS, STRATEGIES

TEXTS = st.sampled_from(
    [
        "a",
        "b",
        "in",
        "x-a",
        "max_tokens",
        "top_k",
        "model",
        "5s",
        "100ms",
        "2h",
        "0.05",
        "1.2345678",
        "/",
        "/v1",
        "/v1/",
        "Host",
        "A",
        "api-key",
        "Tools",
        "Vision",
        "Denied",
        "https://api.example.com/v1",
        "http://127.0.0.1:8000",
        "https://u@h/v1",
        "https://h?q",
        "true",
        "GET",
    ]
) | st.text(max_size=6)
NAMES = st.sampled_from(["a", "b", "c", "d"])
AMOUNTS = st.sampled_from(["cpu", "memory", "ephemeral-storage", "example.com/a"])
KEYS = {"requests": AMOUNTS, "limits": AMOUNTS}
WRONG = st.sampled_from(["", 0, True, 1.5, [], {}, [[]], "…", {"a": "b"}])
FITTING = (
    {
        "maxCost": st.sampled_from(["0", "0.05"]),
        "url": st.sampled_from(["https://api.example.com/v1", "http://127.0.0.1:8000", "https://[::1]:8000/v1"]),
        "basePath": st.sampled_from(["/", "/v1", "/a/b"]),
        "inputPerMillion": st.sampled_from(["0", "0.05", "12.5"]),
        "outputPerMillion": st.sampled_from(["0", "0.05", "12.5"]),
        "value": NAMES,
        "cachedInputPerMillion": st.sampled_from(["0", "0.000001"]),
        "path": st.just("/health"),
        "port": st.sampled_from([80, "http", 65535]),
        "requests": st.sampled_from([1, "500m", "0.5", "1Gi"]),
        "limits": st.sampled_from([2, "1e3", "256Mi"]),
    }
    | {
        field: st.sampled_from(["5s", "1m", "1s500ms"])
        for field in (
            "connect",
            "firstToken",
            "idle",
            "request",
            "interval",
            "slowStart",
            "timeout",
            "latency",
            "maxFirstToken",
        )
    }
    | {"staleAfter": st.sampled_from(["2m", "1h"])}
)
SELECTORS = st.sampled_from(["running", 'engine:requests{state="running", model="a"}'])
FITTING |= dict.fromkeys(("running", "waiting", "kvCacheUsage", "generatedTokens"), SELECTORS)


def values(schema: Schema, name: str, wrong: int) -> st.SearchStrategy[Any]:
    """Values for a schema, ``wrong`` of a hundred without regard to it."""
    right = fitting(schema, name, wrong)
    return st.integers(0, 99).flatmap(lambda chance: WRONG if chance < wrong else right) if wrong else right


def fitting(schema: Schema, name: str, wrong: int) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return FITTING[name]
    match schema["type"]:
        case "object" if "additionalProperties" in schema:
            keys = KEYS.get(name, NAMES) | (NAMES if wrong else st.nothing())
            return st.dictionaries(keys, values(schema["additionalProperties"], name, wrong), max_size=3)
        case "object":
            fields = {f: values(s, f, wrong) for f, s in schema.get("properties", {}).items()}
            needed = {f: strategy for f, strategy in fields.items() if f in schema.get("required", ())}
            return st.fixed_dictionaries(
                needed, optional={f: strategy for f, strategy in fields.items() if f not in needed}
            )
        case "array":
            unique_by = None
            if not wrong and schema["x-kubernetes-list-type"] != "atomic":
                keys = schema.get("x-kubernetes-list-map-keys", ("name",))
                unique_by = lambda item: item[keys[0]] if isinstance(item, dict) else item  # noqa: E731
            items = values(schema["items"], "", wrong)
            return st.lists(items, min_size=schema.get("minItems", 0), max_size=3, unique_by=unique_by)
        case "integer":
            beyond = [schema["minimum"] - 1, schema["maximum"] + 1] if wrong else []
            return st.sampled_from([schema["minimum"], schema["minimum"] + 1, schema["maximum"], *beyond])
        case _:
            return FITTING.get(name, NAMES) | (TEXTS if wrong else st.nothing())


# What was made wrong on purpose is left as it is.
MISSHAPEN = suppress(TypeError, AttributeError, KeyError, IndexError)


def united(spec: Any) -> Any:
    """A spec whose unions have one member, as far as it has the right shape."""
    match spec:
        case {"serviceRef": _}:
            spec.pop("url", None)
        case {"model": _}:
            spec.setdefault("url", "https://a")
            spec.pop("basePath", None)
    if isinstance(spec, dict) and str(spec.get("url")).startswith("http:"):
        spec.pop("tls", None)
    match spec:
        case {"signals": {"engine": "Custom"} as signals}:
            signals.setdefault("custom", {"running": "running"})
        case {"signals": dict(signals)}:
            signals.pop("custom", None)
            signals.pop("port", None) if "url" in spec else None
            signals.pop("port", None) if signals.get("engine", "None") == "None" else None
    match spec:
        case {"routes": [*routes, dict(last)], "access": dict(access)}:
            access.pop("anonymous", None) if "tenants" in access else access.setdefault("anonymous", {})
            access.pop("tiers", None) if "anonymous" in access else None
            last.pop("when", None)
            for index, route in enumerate(r for r in (*routes, last) if isinstance(r, dict)):
                route["name"] = f"r{index}"
                with MISSHAPEN:
                    one_strategy(route)
            with MISSHAPEN:
                for classifier in spec.get("classifiers", ()):
                    one_way(classifier)
    return spec


def only(thing: Any, names: Sequence[str], otherwise: Any) -> Any:
    """Leave one of some fields, the last that is there, and return its value."""
    there = [name for name in names if name in thing] or [thing.setdefault(names[-1], otherwise) and names[-1]]
    for name in there[:-1]:
        thing.pop(name)
    return thing[there[-1]]


def one_strategy(route: Any) -> None:
    strategy = only(route, STRATEGIES, {"targets": [{"name": "a"}]})
    if not any(name in route for name in CHAINS):
        route.pop("limits", None)
        route.pop("onFailure", None)
    match strategy:
        case {"tiers": [_, _, *_], "spill": {"fromPercent": _} as spill}:
            spill.update(fromPercent=1, toPercent=200)
        case {"tiers": _, "spill": _}:
            strategy.pop("spill")
        case {"steps": [*steps, dict(last)]}:
            last.pop("accept", None)
            for step in (*steps, last):
                only(step, ("weighted", "target"), "a")
                if "accept" in step:
                    accepted(step["accept"])
        case {"targets": _, "escalateTo": _}:
            strategy.pop("judge", None)
            strategy["equality"] = "Numeric"
    if "select" in route:
        only(strategy, ("by", "best"), {"by": "a"})
        strategy["targets"] = [{"label": "a", "target": "a"}]
        strategy.pop("targets") if "best" in strategy else None
    if "objective" in route:
        only(strategy, ("minimize", "maximize"), "Quality")
    if "bestOf" in route:
        only(strategy, ("judge", "majority"), {})


def accepted(accept: Any) -> None:
    only(accept, ("logProbs", "agreement", "judge", "expression"), "a")
    accept.pop("minPercent", None) if "expression" in accept else None
    for source in accept.get("logProbs", {}).get("examplesFrom", ()):
        only(source, ("secretKeyRef", "configMapKeyRef"), {"name": "a", "key": "a"})


def one_way(classifier: Any) -> None:
    classifier["default"] = classifier["labels"][0]
    only(classifier, ("trained", "http", "llm"), {"target": "a"})
    match classifier:
        case {"trained": dict(trained)}:
            only(trained, ("examplesFrom", "modelFrom"), {"secretKeyRef": {"name": "a", "key": "a"}})
            trained.pop("targets", None) if "modelFrom" in trained else None
            trained.pop("thresholdPercent", None) if "strongSharePercent" in trained else None
            sources = [trained["modelFrom"]] if "modelFrom" in trained else trained["examplesFrom"]
            for source in sources:
                only(source, ("secretKeyRef", "configMapKeyRef"), {"name": "a", "key": "a"})


def objects(model: type[ApiModel]) -> st.SearchStrategy[dict[str, Any]]:
    schema = structural(model)["properties"]["spec"]
    sound, flawed = values(schema, "", 0).map(united), values(schema, "", 4)
    head = {"apiVersion": "signalbox.dev/v1alpha1", "kind": model.__name__, "metadata": {"name": "a"}}
    return (sound | flawed.map(united) | flawed).map(lambda spec: {**head, "spec": spec})
