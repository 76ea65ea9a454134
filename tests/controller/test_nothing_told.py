"""What Secrets and examples hold is in no log, status, event or object of the operator's, whatever is wrong with it."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from world import API, CHILDREN, OperatorProcess, World, backend, eventually, policy

MARK = "mark-4711"
KEY = f"{MARK}-of-the-backend"
TENANT = f"{MARK}-of-the-tenant"


def secret(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def examples(kind: str, name: str, text: str) -> dict[str, Any]:
    field = "data" if kind == "ConfigMap" else "stringData"
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: {"past.jsonl": text}}


def lines() -> str:
    """Examples of which some are wrong in every way."""
    good = [json.dumps({"prompt": f"{MARK} {n}", "label": "x" if n % 2 else "y"}) for n in range(60)]
    bad = (f"{MARK} no json", json.dumps({"prompt": MARK, "label": MARK}), json.dumps({"prompt": MARK, "score": MARK}))
    return "\n".join((*good, *bad))


def classified(name: str, source: dict[str, Any]) -> dict[str, Any]:
    reference = {"name": name, "key": "past.jsonl"}
    return {
        "name": name,
        "labels": ["x", "y"],
        "default": "x",
        "trained": {"examplesFrom": [dict.fromkeys(source, reference)]},
    }


@pytest.fixture
def written(access: Path, namespace: str, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """An operator; the call ends it and gives its log."""
    path = tmp_path / "operator.log"
    with path.open("wb") as log:
        running = type("Logging", (OperatorProcess,), {"log": log})(access, namespace)

        def end() -> str:
            running.kill()
            return path.read_text()

        yield end
        running.kill()


def test_nothing_of_a_secret_is_told(world: World, written: Callable[[], str]) -> None:
    tls = {"clientCertificateRef": {"name": "pair"}}
    auth = {"apiKey": {"secretRef": {"name": "ours", "key": "token"}}}
    world.apply(
        secret("ours", token=KEY, split=f"{MARK}\n{MARK}"),
        secret("pair", **{"tls.crt": f"{MARK} no certificate", "tls.key": f"{MARK} no key"}),
        secret("team", key=TENANT, short=MARK),
        examples("ConfigMap", "open", lines()),
        examples("Secret", "closed", lines()),
        backend("a", auth=auth),
        backend("b", auth={"apiKey": {"secretRef": {"name": "ours", "key": "split"}}}),
        backend("c", auth=auth, tls=tls),
        policy(
            access={"tenants": [{"name": "team", "keysFrom": [{"secretRef": {"name": "team"}}]}]},
            targets=[{"name": name, "backendRef": {"name": name}} for name in "abc"],
            classifiers=[
                classified("open", {"configMapKeyRef": {}}),
                classified("closed", {"secretKeyRef": {}}),
            ],
            routes=[
                {
                    "name": "all",
                    "when": 'label.open == "x" && label.closed == "x"',
                    "weighted": {"targets": [{"name": name} for name in "abc"]},
                },
                {"name": "rest", "weighted": {"targets": [{"name": "a"}]}},
            ],
        ),
    )
    for name in "bc":
        eventually(lambda name=name: world.conditions("ModelBackend", name).get("ResolvedRefs", ("", ""))[0] == "False")
    eventually(lambda: world.conditions("RoutingPolicy", "chat").get("Accepted"))
    world.settle()
    objects = [
        obj
        for version, kind in (*CHILDREN, (API, "RoutingPolicy"), (API, "ModelBackend"), ("events.k8s.io/v1", "Event"))
        for obj in world.api.list(version, kind, world.namespace)
        if obj["metadata"]["name"] not in {"ours", "pair", "team", "open", "closed"}
    ]
    secrets = [obj for obj in objects if obj.get("kind") == "Secret" or obj.get("type") == "Opaque"]
    others = [obj for obj in objects if obj not in secrets]
    assert any(obj.get("status", {}).get("conditions") for obj in others)
    for obj in others:
        assert MARK not in json.dumps(obj), obj["metadata"]
    composed = b"".join(base64.b64decode(value) for obj in secrets for value in obj.get("data", {}).values())
    assert KEY.encode() in composed  # routers need it
    assert TENANT.encode() not in composed  # … and of keys of tenants digests only
    log = written()
    assert "reconciled" in log
    assert MARK not in log
