"""Durations, money, and what stands in for absent fields."""

import datetime
from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.api.errors import FieldError, dotted, field_errors
from signalbox.api.types import Duration, Money

HEAD = {"apiVersion": "signalbox.dev/v1alpha1", "metadata": {"name": "a"}}


def backend(**spec: Any) -> ModelBackend:
    address = {} if "serviceRef" in spec else {"url": "https://a"}
    return ModelBackend.model_validate({**HEAD, "kind": "ModelBackend", "spec": {"model": "m", **address, **spec}})


def policy(**spec: Any) -> RoutingPolicy:
    base = {
        "models": ["m"],
        "targets": [{"name": "a", "backendRef": {"name": "a"}}],
        "routes": [{"name": "all", "weighted": {"targets": [{"name": "a"}]}}],
        "access": {"anonymous": {}},
    }
    return RoutingPolicy.model_validate({**HEAD, "kind": "RoutingPolicy", "spec": base | spec})


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("0s", 0), ("500ms", 500), ("5s", 5_000), ("2m", 120_000), ("1h30m", 5_400_000), ("1m30s250ms", 90_250)],
)
def test_duration(text: str, milliseconds: int) -> None:
    assert Duration(text).milliseconds == milliseconds


def test_money_is_exact() -> None:
    assert Money("0.05").decimal == Decimal("0.05")
    assert Money("1234567.000001").decimal == Decimal("1234567.000001")


def test_a_duration_stays_a_text_in_yaml_terms() -> None:
    read = backend(timeouts={"connect": "1s500ms"})
    assert read.spec.timeouts.connect.milliseconds == 1_500
    written = read.model_dump(mode="json", by_alias=True)["spec"]["timeouts"]["connect"]
    assert (type(written), written) == (str, "1s500ms")


def test_timeouts_have_defaults() -> None:
    timeouts = backend().spec.timeouts
    waits = (timeouts.connect, timeouts.first_token, timeouts.idle, timeouts.request)
    assert [wait.milliseconds for wait in waits] == [2_000, 60_000, 60_000, 600_000]


@pytest.mark.parametrize(("given", "in_force"), [({}, "/v1"), ({"basePath": "/"}, ""), ({"basePath": "/a/b"}, "/a/b")])
def test_base_path(given: dict[str, str], in_force: str) -> None:
    assert backend(serviceRef={"name": "s", "port": 80}, **given).spec.base_path_in_force == in_force


@pytest.mark.parametrize(
    ("api", "given", "in_force"),
    [
        ("OpenAI", {}, ("Authorization", "Bearer ")),
        ("OpenAI", {"header": "authorization"}, ("authorization", "Bearer ")),
        ("OpenAI", {"header": "api-key"}, ("api-key", "")),
        ("OpenAI", {"prefix": ""}, ("Authorization", "")),
        ("OpenAI", {"header": "x-key", "prefix": "Key "}, ("x-key", "Key ")),
        ("Anthropic", {}, ("x-api-key", "")),
        ("Anthropic", {"header": "Authorization"}, ("Authorization", "Bearer ")),
    ],
)
def test_key(api: Literal["OpenAI", "Anthropic"], given: dict[str, str], in_force: tuple[str, str]) -> None:
    spec = backend(format=api, auth={"apiKey": {"secretRef": {"name": "s", "key": "k"}, **given}}).spec
    assert spec.auth is not None
    assert spec.auth.api_key.in_force(spec.format) == in_force


def test_router() -> None:
    assert policy().spec.deployment_in_force.workers == 1
    assert policy().spec.deployment_in_force.group is None
    given = policy(router={"deployment": {"workers": 3, "group": "shared"}})
    assert (given.spec.deployment_in_force.workers, given.spec.deployment_in_force.group) == (3, "shared")


def test_metadata_and_status_of_a_live_object_are_read() -> None:
    live = {
        **HEAD,
        "kind": "ModelBackend",
        "metadata": {
            "name": "a",
            "namespace": "n",
            "generation": 3,
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "x": 1,
        },
        "spec": {"model": "m", "url": "https://a"},
        "status": {
            "observedGeneration": 3,
            "endpoints": {"ready": 1, "total": 2},
            "fromANewerVersion": 1,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Ready",
                    "message": "",
                    "lastTransitionTime": "2026-01-02T03:04:05Z",
                }
            ],
        },
    }
    read = ModelBackend.model_validate(live)
    assert read.metadata.creation_timestamp is not None
    assert read.metadata.creation_timestamp.year == 2026
    assert read.status is not None
    assert read.status.endpoints is not None
    assert read.status.endpoints.total == 2


def test_snake_case_is_no_field() -> None:
    with pytest.raises(ValidationError):
        backend(base_path="/v1")


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (("spec", "routes", 2, "when"), "spec.routes[2].when"),
        (("spec", "request", "rename", "max-tokens"), "spec.request.rename.max-tokens"),
        (("spec", "request", "rename", "a.b"), 'spec.request.rename["a.b"]'),
        ((), ""),
    ],
)
def test_path(location: tuple[str | int, ...], path: str) -> None:
    assert dotted(location) == path
    assert FieldError(location, "").path == path


def test_a_date_says_how_to_write_it_as_text() -> None:
    """YAML reads ``2024-10-21`` as a date."""
    with pytest.raises(ValidationError) as caught:
        backend(request={"query": [{"name": "api-version", "value": datetime.date(2024, 10, 21)}]})
    (error,) = field_errors(ModelBackend, caught.value)
    assert error == FieldError(
        ("spec", "request", "query", 0, "value"), "is the date 2024-10-21, but must be a text: put it in quotes"
    )


def test_a_policy_may_be_as_large_as_the_bounds_say() -> None:
    """CEL gives up after 10,000 steps here, the API server does not: what it accepts must pass."""
    share = {"targets": [{"name": f"t{i}", "weight": 1} for i in range(64)]}
    large = policy(
        models=[f"m{i}" for i in range(64)],
        targets=[{"name": f"t{i}", "backendRef": {"name": "b"}} for i in range(64)],
        routes=[{"name": f"r{i}", "when": "true", "weighted": share} for i in range(127)]
        + [{"name": "last", "failover": {"tiers": [share] * 8}}],
        access={"tenants": [{"name": f"t{i}", "keysFrom": [{"secretRef": {"name": "s"}}]} for i in range(256)]},
    )
    assert len(large.spec.routes) == 128


def test_a_backend_may_change_as_much_as_the_bounds_say() -> None:
    mapping = {
        "headers": [{"name": f"H{i}", "value": "v" * 1024} for i in range(16)],
        "query": [{"name": f"q{i}", "value": "v" * 1024} for i in range(16)],
        "rename": {f"a{i}": f"b{i}" for i in range(16)},
        "remove": [f"c{i}" for i in range(32)],
    }
    auth = {"apiKey": {"secretRef": {"name": "s", "key": "k"}, "header": "x-key"}}
    assert backend(request=mapping, auth=auth).spec.request is not None
