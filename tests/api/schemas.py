"""What the API server does with an object before it validates it."""

import copy
from typing import Any

Schema = dict[str, Any]


def defaulted(schema: Schema, value: Any) -> Any:
    """The value with the schema's defaults."""
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        filled = {name: copy.deepcopy(f["default"]) for name, f in fields.items() if "default" in f} | value
        below = schema.get("additionalProperties", {})
        return {name: defaulted(fields.get(name, below), item) for name, item in filled.items()}
    if isinstance(value, list):
        return [defaulted(schema.get("items", {}), item) for item in value]
    return value
