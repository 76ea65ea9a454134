"""The CRDs are structural, bounded, taught and in step with the code."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from signalbox.api import (
    chains,
    choosing,
    classifiers,
    crd,
    deployment,
    feedback,
    modelbackend,
    reference,
    requestmapping,
    routes,
    routingpolicy,
    signals,
    types,
    weighted,
)
from signalbox.api.base import ApiModel
from signalbox.api.rules import Rule, compiled

ROOT = Path(__file__).parents[2]
Schema = dict[str, Any]


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every node with its path; ``[]`` and ``{}`` stand for what lists and maps hold."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def all_nodes() -> list[tuple[str, Schema]]:
    return [
        (f"{model.__name__}{path}", node)
        for model in crd.KINDS
        for path, node in nodes(crd.structural(model))
        if not path.startswith(".metadata") and path not in (".apiVersion", ".kind")
    ]


NODES = all_nodes()
each_node = pytest.mark.parametrize(("path", "node"), NODES, ids=[path for path, _ in NODES])


@each_node
def test_bounded(path: str, node: Schema) -> None:
    if node.get("x-kubernetes-int-or-string"):
        assert "maxLength" in node
        return
    match node["type"]:
        case "string":
            assert "maxLength" in node or "enum" in node or node.get("format") == "date-time"
        case "array":
            assert "maxItems" in node
            assert node["x-kubernetes-list-type"] in ("atomic", "set", "map")
        case "integer":
            assert "format" in node
            assert "minimum" in node
            assert ".status" in path or "maximum" in node
        case "object":
            assert "additionalProperties" not in node or "maxProperties" in node
        case other:
            pytest.fail(f"{path} is a {other}: the API has no such type")


@each_node
def test_described(path: str, node: Schema) -> None:
    if not path.endswith(("[]", "{}")):
        assert len(node["description"]) > 10, path
        assert "\n" not in node["description"]


@each_node
def test_no_default_below_a_list_or_a_map(path: str, node: Schema) -> None:
    assert not ("default" in node and ("[]" in path or "{}" in path))


@each_node
def test_structural(path: str, node: Schema) -> None:
    assert not node.keys() & {"$ref", "$defs", "title", "allOf", "oneOf", "not", "nullable", "pattern"}
    assert "anyOf" not in node or node.get("x-kubernetes-int-or-string")
    for key in node.get("x-kubernetes-list-map-keys", ()):
        assert key in node["items"]["required"]


def test_lists_are_merged_as_users_expect() -> None:
    kinds = {path: node["x-kubernetes-list-type"] for path, node in NODES if node.get("type") == "array"}
    assert {path.rsplit(".spec.", 1)[1]: kind for path, kind in kinds.items() if ".spec." in path} == {
        "request.headers": "map",
        "request.query": "map",
        "request.remove": "set",
        "profile.features": "set",
        "models": "set",
        "targets": "map",
        "routes": "atomic",
        "routes[].weighted.targets": "map",
        "routes[].failover.tiers": "atomic",
        "routes[].failover.tiers[].targets": "map",
        "classifiers": "map",
        "classifiers[].labels": "set",
        "classifiers[].trained.examplesFrom": "atomic",
        "classifiers[].trained.targets": "map",
        "classifiers[].llm.descriptions": "map",
        "routes[].select.targets": "map",
        "routes[].objective.targets": "map",
        "routes[].cascade.steps": "atomic",
        "routes[].cascade.steps[].weighted.targets": "map",
        "routes[].cascade.steps[].accept.logProbs.examplesFrom": "atomic",
        "routes[].bestOf.targets": "map",
        "routes[].consensus.targets": "map",
        "access.tenants": "map",
        "access.tenants[].keysFrom": "atomic",
        "access.tiers": "atomic",
    }


def written_rules() -> list[Rule]:
    """Every rule that the modules of the API write down, on models and in ``Annotated``."""
    found: dict[Rule, None] = {}
    for module in (
        types,
        requestmapping,
        signals,
        modelbackend,
        feedback,
        routingpolicy,
        deployment,
        routes,
        weighted,
        choosing,
        chains,
        classifiers,
    ):
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, ApiModel):
                found.update(dict.fromkeys(thing.rules))
            for note in getattr(thing, "__metadata__", ()):
                found.update(dict.fromkeys(getattr(note, "rules", ())))
    return list(found)


PUBLISHED = [(path, rule) for path, node in NODES for rule in node.get("x-kubernetes-validations", ())]


@pytest.mark.parametrize("rule", written_rules(), ids=lambda rule: rule.message[:60])
def test_each_rule_is_in_a_crd(rule: Rule) -> None:
    assert any(rule.schema() == published for _, published in PUBLISHED)


@pytest.mark.parametrize(("path", "rule"), PUBLISHED, ids=[f"{p}: {r['message'][:40]}" for p, r in PUBLISHED])
def test_each_published_rule_compiles_and_has_a_message(path: str, rule: dict[str, str]) -> None:
    compiled(rule["rule"])
    assert rule["message"]
    assert "\n" not in rule["message"]


def test_a_shared_type_keeps_all_its_rules() -> None:
    """Rules of an annotated type and of the type that it refines add up."""
    name = dict(NODES)["ModelBackend.spec.request.headers[].name"]
    base = dict(NODES)["ModelBackend.spec.auth.apiKey.header"]
    assert name["x-kubernetes-validations"][:-1] == base["x-kubernetes-validations"]
    assert "auth.apiKey" in name["x-kubernetes-validations"][-1]["message"]


def test_definitions() -> None:
    for model, names in ((crd.KINDS[0], ("modelbackends", "mb")), (crd.KINDS[1], ("routingpolicies", "rp"))):
        definition = crd.definition(model)
        spec = definition["spec"]
        assert definition["metadata"]["name"] == f"{names[0]}.signalbox.dev"
        assert (spec["names"]["plural"], *spec["names"]["shortNames"]) == names
        assert spec["names"]["categories"] == ["signalbox"]
        assert spec["scope"] == "Namespaced"
        (version,) = spec["versions"]
        assert version["name"] == "v1alpha1"
        assert version["subresources"] == {"status": {}}
        columns = [column["name"] for column in version["additionalPrinterColumns"]]
        assert "Ready" in columns
        assert columns[-1] == "Age"


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate.py"), "--root", str(root), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_committed_files_are_what_the_code_generates() -> None:
    for model in crd.KINDS:
        definition = crd.definition(model)
        committed = yaml.safe_load((ROOT / "crds" / f"{definition['metadata']['name']}.yaml").read_text())
        assert committed == definition, "run `make generate`"
    assert (ROOT / "docs" / "api.md").read_text() == reference.render(), "run `make generate`"


def test_drift_is_found_and_shown(tmp_path: Path) -> None:
    assert generate(tmp_path).returncode == 0
    assert generate(tmp_path, "--check").returncode == 0
    changed = tmp_path / "crds" / "modelbackends.signalbox.dev.yaml"
    changed.write_text(changed.read_text().replace("- mb\n", "- mbs\n"))
    result = generate(tmp_path, "--check")
    assert result.returncode == 1
    assert "-      - mbs" in result.stdout or "-    - mbs" in result.stdout
    assert "make generate" in result.stderr
    assert "- mbs\n" in changed.read_text(), "a check writes nothing"


def test_the_reference_names_every_field() -> None:
    text = reference.render()
    for path, _ in NODES:
        field = path.split(".", 1)[-1].removesuffix("[]").removesuffix("{}")
        assert f"`{field}" in text or "." not in path
