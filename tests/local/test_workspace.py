"""A directory as routers: places of problems, namespaces, secrets, one listener."""

import hashlib
from typing import Any

import pytest

from signalbox.local.merge import ModelConflictError, merge
from signalbox.local.resources import Options
from signalbox.local.services import read_endpoints
from signalbox.local.source import SourceError
from signalbox.local.workspace import Workspace, read

TENANTS = """
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: closed}
spec:
  models: [closed]
  access: {tenants: [{name: team, keysFrom: [{secretRef: {name: keys}}]}]}
  targets: [{name: a, backendRef: {name: a}}]
  routes: [{name: all, weighted: {targets: [{name: a}]}}]
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData:
  good: "  long-enough-for-a-key\\n"
  short: tiny
"""
SERVICE_BACKEND = """
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {name: b}
spec: {model: m, serviceRef: {name: svc, port: http}}
"""


def places(workspace: Workspace) -> list[tuple[str, int, str]]:
    found = []
    for one in workspace.problems:
        assert one.location is not None
        found.append((one.location.file.rpartition("/")[2], one.location.line, one.problem.reason))
    return found


def test_problems_have_file_and_line(directory: Any) -> None:
    directory.policy("one", when="|\n      request.stream &&\n        request.strem")
    directory.write("more", "apiVersion: signalbox.dev/v1alpha1\nkind: ModelBackend\nmetadata: {name: x}\nspec: {}\n")
    assert places(read(Options(directory.path))) == [
        ("more.yaml", 4, "InvalidField"),
        ("policy-one.yaml", 13, "InvalidExpression"),
    ]


def test_a_service_without_endpoints_names_the_flag(directory: Any) -> None:
    directory.write("backend-b", SERVICE_BACKEND)
    [problem] = read(Options(directory.path)).errors
    assert problem.problem.fix.startswith("signalbox up --endpoint b=HOST:PORT")
    given = read_endpoints(["b=127.0.0.1:9101"])
    assert not read(Options(directory.path, endpoints=given)).errors


@pytest.mark.parametrize(
    ("endpoint", "message"), [("c=127.0.0.1:1", "no such ModelBackend; there is a"), ("a=127.0.0.1:1", "has a url")]
)
def test_endpoints_must_fit_the_backends(directory: Any, endpoint: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(Options(directory.path, endpoints=read_endpoints([endpoint])))


def test_policies_can_be_chosen(directory: Any) -> None:
    assert list(read(Options(directory.path, policies={"one"})).resources.policies) == ["one"]
    with pytest.raises(SourceError, match="no such RoutingPolicy; there is one, two"):
        read(Options(directory.path, policies={"three"}))


def test_tenant_keys_become_digests_and_short_ones_are_refused(directory: Any) -> None:
    directory.write("closed", TENANTS)
    workspace = read(Options(directory.path, policies={"closed"}))
    assert places(workspace) == [("closed.yaml", 16, "UnusableValue")]
    [router] = workspace.plan.routers
    digest = hashlib.sha256(b"long-enough-for-a-key").hexdigest().encode()
    assert workspace.secrets(router) == {"tenant.closed.team.keys": digest}
    assert "tiny" not in repr(workspace.problems)


def test_keys_from_the_environment(directory: Any) -> None:
    directory.write("closed", TENANTS.partition("---")[0])
    assert [p.problem.reason for p in read(Options(directory.path)).errors] == ["SecretNotFound"]
    environment = {"SIGNALBOX_SECRET_KEYS_ANY": "a-key-from-the-environment"}
    workspace = read(Options(directory.path, environment=environment))
    assert not workspace.errors
    [content] = [c for r in workspace.plan.routers for c in workspace.secrets(r).values()]
    assert content == hashlib.sha256(b"a-key-from-the-environment").hexdigest().encode()


@pytest.mark.parametrize("value", ["", "two words", "line\nbreak"])
def test_api_keys_that_no_header_can_carry(directory: Any, value: str) -> None:
    path = directory.path / "backend-a.yaml"
    path.write_text(path.read_text() + "  auth: {apiKey: {secretRef: {name: key, key: token}}}\n")
    environment = {"SIGNALBOX_SECRET_KEY_TOKEN": value}
    reasons = {p.problem.reason for p in read(Options(directory.path, environment=environment)).errors}
    assert {"UnusableValue", "SecretKeyNotFound"} <= reasons


def test_authorities_must_be_pem(directory: Any) -> None:
    path = directory.path / "backend-a.yaml"
    text = path.read_text().replace("http:", "https:") + "  tls: {caConfigMapRef: {name: ca, key: ca.crt}}\n"
    path.write_text(text)
    directory.write("ca", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ca}\ndata: {ca.crt: nonsense}\n")
    reasons = [p.problem.reason for p in read(Options(directory.path)).errors]
    assert reasons[:2] == ["ConfigMapKeyNotFound", "UnusableValue"]


def test_all_policies_on_one_listener(directory: Any) -> None:
    merged = merge(read(Options(directory.path)).plan.routers, 4)
    assert [policy.name for policy in merged.config.policies] == ["one", "two"]
    assert [backend.name for backend in merged.config.backends] == ["a"]
    assert merged.config.limit_shares == 4


def test_one_model_of_two_routers_needs_a_choice(directory: Any) -> None:
    directory.policy("two", model="one")
    workspace = read(Options(directory.path))
    assert not workspace.errors
    with pytest.raises(ModelConflictError, match="choose with --policy one or --policy two"):
        merge(workspace.plan.routers, 1)
