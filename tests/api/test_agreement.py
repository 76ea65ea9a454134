"""Models and CRD schemas agree: what one accepts the other accepts, for generated objects, right and wrong ones.

The schema side is a small reading of the CRD as the API server does it: unknown fields, types, bounds, list types, and
the rules, evaluated on the object with the schema's defaults filled in.
"""

import copy
import math
from typing import Any

from generated import objects
from hypothesis import HealthCheck, event, given, settings
from pydantic import ValidationError
from schemas import Schema, defaulted

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.api.base import ApiModel
from signalbox.api.crd import structural
from signalbox.api.rules import Rule

TYPES = {"object": dict, "array": list, "string": str, "integer": int}


def accepts(schema: Schema, value: Any) -> bool:
    """Whether a value with its defaults is valid."""
    if schema.get("x-kubernetes-int-or-string"):
        shaped = isinstance(value, int | str) and not isinstance(value, bool)
    else:
        shaped = isinstance(value, TYPES[schema["type"]]) and not isinstance(value, bool)
    if not shaped or ("enum" in schema and value not in schema["enum"]):
        return False
    if isinstance(value, int) and not schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf):
        return False
    if not isinstance(value, int):
        what = {str: "Length", list: "Items", dict: "Properties"}[type(value)]
        if not schema.get(f"min{what}", 0) <= len(value) <= schema.get(f"max{what}", math.inf):
            return False
    children = isinstance(value, list) and [accepts(schema["items"], item) for item in value]
    if children and not (all(children) and unique(schema, value)):
        return False
    if isinstance(value, dict) and not accepts_fields(schema, value):
        return False
    return all(Rule(r["rule"], r["message"]).holds(value) for r in schema.get("x-kubernetes-validations", ()))


def accepts_fields(schema: Schema, value: dict[str, Any]) -> bool:
    if not set(schema.get("required", ())) <= value.keys():
        return False
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return True
    fields, below = schema.get("properties", {}), schema.get("additionalProperties")
    return all(
        accepts(fields.get(name, below), item) if name in fields or below else False for name, item in value.items()
    )


def unique(schema: Schema, items: list[Any]) -> bool:
    match schema["x-kubernetes-list-type"]:
        case "map":
            keys = [item[schema["x-kubernetes-list-map-keys"][0]] for item in items]
        case "set":
            keys = items
        case _:
            return True
    return len(set(keys)) == len(keys)


def compare(model: type[ApiModel], data: dict[str, Any]) -> None:
    schema = structural(model)
    try:
        read = model.model_validate(data)
    except ValidationError:
        read = None
    event(f"{model.__name__} accepted: {read is not None}")
    assert accepts(schema, defaulted(schema, copy.deepcopy(data))) == (read is not None)
    if read is None:
        return
    written = read.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert written["spec"] == defaulted(schema, data)["spec"], "a default of the model is one of the schema"
    assert model.model_validate(written) == read


COMMON = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


@COMMON
@given(objects(ModelBackend))
def test_model_backend(data: dict[str, Any]) -> None:
    compare(ModelBackend, data)


@COMMON
@given(objects(RoutingPolicy))
def test_routing_policy(data: dict[str, Any]) -> None:
    compare(RoutingPolicy, data)
