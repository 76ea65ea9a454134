"""The CustomResourceDefinitions, made from the models.

pydantic's JSON schema becomes the structural schema that the API server demands: no references, no titles, no
``anyOf`` around optional fields, every integer with a format.
"""

from functools import cache
from typing import Any

from signalbox.api.base import ApiModel
from signalbox.api.meta import GROUP, UNSEEN, VERSION
from signalbox.api.modelbackend import ModelBackend
from signalbox.api.routingpolicy import RoutingPolicy

Json = dict[str, Any]

KINDS: tuple[type[ApiModel], ...] = (ModelBackend, RoutingPolicy)

DROPPED = ("title", "$defs", "$ref", "const", "anyOf", "additionalProperties")

STANDARD = {
    "apiVersion": "Version of this kind: signalbox.dev/v1alpha1.",
    "kind": "Kind of this object.",
}

READY = '.status.conditions[?(@.type=="Ready")]'
PLURALS = {"ModelBackend": ("modelbackends", "mb"), "RoutingPolicy": ("routingpolicies", "rp")}
AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
COLUMNS: dict[str, list[Json]] = {
    "ModelBackend": [
        {"name": "Model", "type": "string", "jsonPath": ".spec.model"},
        {"name": "Ready", "type": "string", "jsonPath": f"{READY}.status"},
        {"name": "Endpoints", "type": "integer", "jsonPath": ".status.endpoints.ready"},
        {"name": "Running", "type": "integer", "jsonPath": ".status.load.running"},
        {"name": "Waiting", "type": "integer", "jsonPath": ".status.load.waiting"},
        {"name": "Reason", "type": "string", "jsonPath": f"{READY}.reason"},
        {"name": "Service", "type": "string", "jsonPath": ".spec.serviceRef.name", "priority": 1},
        {"name": "URL", "type": "string", "jsonPath": ".spec.url", "priority": 1},
        AGE,
    ],
    "RoutingPolicy": [
        {"name": "Models", "type": "string", "jsonPath": ".spec.models"},
        {"name": "Ready", "type": "string", "jsonPath": f"{READY}.status"},
        {"name": "URL", "type": "string", "jsonPath": ".status.addresses[0].url"},
        {"name": "Traffic", "type": "string", "jsonPath": ".status.routes[-1:].summary"},
        {"name": "Reason", "type": "string", "jsonPath": f"{READY}.reason"},
        {"name": "Message", "type": "string", "jsonPath": f"{READY}.message", "priority": 1},
        AGE,
    ],
}


@cache
def structural(model: type[ApiModel]) -> Json:
    """The OpenAPI v3 schema of a kind, as it stands in its CRD. The caller must not change it."""
    source = model.model_json_schema(by_alias=True, mode="validation")
    schema = _flat(source, source.get("$defs", {}))
    for name, description in STANDARD.items():
        schema["properties"][name] = {"type": "string", "description": description}
    schema["properties"]["metadata"] = {"type": "object", "properties": {"name": {"type": "string"}}}
    schema["properties"]["status"]["default"] = {"observedGeneration": UNSEEN}
    schema["required"] = ["metadata", "spec"]
    return schema


def _flat(node: Json, definitions: Json) -> Json:
    """A node without references; what stands beside a reference wins over what it refers to."""
    if "$ref" in node:
        referred = definitions[node["$ref"].rsplit("/", 1)[-1]]
        return _flat(referred | {key: value for key, value in node.items() if key != "$ref"}, definitions)
    if "anyOf" in node and not node.get("x-kubernetes-int-or-string"):
        (only,) = (choice for choice in node["anyOf"] if choice.get("type") != "null")
        beside = {key: value for key, value in node.items() if key != "anyOf" and value is not None}
        return _flat(only | beside, definitions)
    flat = {key: value for key, value in node.items() if key not in DROPPED}
    if "const" in node:
        flat["enum"] = [node["const"]]
    if "anyOf" in node:
        flat["anyOf"] = node["anyOf"]
    if isinstance(node.get("additionalProperties"), dict):
        flat["additionalProperties"] = _flat(node["additionalProperties"], definitions)
    fields = {name: _flat(field, definitions) for name, field in flat.pop("properties", {}).items()}
    if fields:  # an empty map the API server drops, and tools that compare would see a drift for ever
        flat["properties"] = fields
    if "items" in node:
        flat["items"] = _flat(node["items"], definitions)
    if flat.get("type") == "integer":
        flat["format"] = "int32" if flat.get("maximum", 1 << 40) < 1 << 31 else "int64"
    if flat.get("type") == "object" and "default" in flat:
        flat["default"] = {}
    if "description" in flat:
        flat["description"] = " ".join(flat["description"].split())
    return flat


def definition(model: type[ApiModel]) -> Json:
    """The CustomResourceDefinition of a kind."""
    kind = model.__name__
    plural, short = PLURALS[kind]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["signalbox"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": COLUMNS[kind],
                    "schema": {"openAPIV3Schema": structural(model)},
                }
            ],
        },
    }
