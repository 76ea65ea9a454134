"""What is remembered of users' objects."""

from typing import Any

import pytest

from signalbox.controller.watching.slim import slim
from signalbox.kube.resources import CONFIG_MAPS, ENDPOINT_SLICES, POLICIES, SECRETS, SERVICES, Resource

IDENTITY = {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7"}
MORE = {"managedFields": [{"manager": "m"}], "annotations": {"large": "x"}}


def slimmed(resource: Resource, **rest: Any) -> Any:
    return slim(resource, {"metadata": {**IDENTITY, **MORE, **rest.pop("metadata", {})}, **rest})


@pytest.mark.parametrize("resource", [SECRETS, CONFIG_MAPS])
def test_of_a_secret_nothing_but_which_one_it_is(resource: Resource) -> None:
    assert slimmed(resource, data={"key": "value"}) == {"metadata": IDENTITY}


def test_of_a_service_its_ports_and_addresses() -> None:
    kept = slimmed(SERVICES, spec={"ports": [{"port": 80}], "selector": {"a": "b"}}, status={"loadBalancer": {}})
    assert kept == {"metadata": IDENTITY, "spec": {"ports": [{"port": 80}]}}
    spec = {"ports": [], "clusterIP": "None", "clusterIPs": ["None"]}
    assert slimmed(SERVICES, spec={**spec, "type": "ClusterIP"}) == {"metadata": IDENTITY, "spec": spec}


def test_of_an_endpoint_slice_its_service_and_addresses() -> None:
    label = {"kubernetes.io/service-name": "s"}
    endpoint = {"addresses": ["10.0.0.1"], "conditions": {"ready": True}}
    kept = slimmed(
        ENDPOINT_SLICES,
        metadata={"labels": {**label, "other": "x"}},
        ports=[{"port": 80}],
        endpoints=[{**endpoint, "nodeName": "n1", "targetRef": {"kind": "Pod"}}],
    )
    assert kept == {"metadata": {**IDENTITY, "labels": label}, "ports": [{"port": 80}], "endpoints": [endpoint]}


def test_of_ours_all_but_what_others_manage() -> None:
    deleted = "2026-01-01T00:00:00Z"
    kept = slimmed(
        POLICIES,
        metadata={"generation": 3, "deletionTimestamp": deleted},
        spec={"x": 1},
        status={"y": 2},
        kind="RoutingPolicy",
    )
    metadata = {**IDENTITY, "generation": 3, "deletionTimestamp": deleted}
    assert kept == {"kind": "RoutingPolicy", "metadata": metadata, "spec": {"x": 1}, "status": {"y": 2}}
