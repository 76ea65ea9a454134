"""Strategic merge patches mean what they mean to the API server."""

import copy
from typing import Any

import pytest

from cluster.running import Cluster
from signalbox.plan.children.strategic import PatchError, merge

STRATEGIC = "application/strategic-merge-patch+json"
LABELS = {"app": "x"}

BASE: dict[str, Any] = {
    "serviceAccountName": "x",
    "nodeSelector": {"a": "1", "b": "2"},
    "tolerations": [{"key": "old", "operator": "Exists"}],
    "initContainers": [{"name": "one", "image": "i"}, {"name": "two", "image": "i"}],
    "containers": [
        {
            "name": "router",
            "image": "i",
            "args": ["a", "b"],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "100m", "memory": "1Mi"}},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "w", "mountPath": "/w"}],
            "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
        }
    ],
    "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {}}],
    "securityContext": {"runAsUser": 1, "runAsNonRoot": True},
}

PATCHES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a map": {"nodeSelector": {"b": "3", "c": "4"}},
    "a field gone": {"nodeSelector": {"a": None}, "securityContext": None},
    "a map replaced": {"nodeSelector": {"$patch": "replace", "z": "1"}},
    "a map deleted": {"nodeSelector": {"$patch": "delete"}},
    "an atomic list": {"tolerations": [{"key": "new", "operator": "Exists"}]},
    "arguments": {"containers": [{"name": "router", "args": ["c"]}]},
    "a container more": {"containers": [{"name": "mesh", "image": "m"}]},
    "two more around": {"containers": [{"name": "m", "image": "m"}, {"name": "router"}, {"name": "n", "image": "n"}]},
    "one of two, and a new one": {"initContainers": [{"name": "two", "image": "j"}, {"name": "three", "image": "k"}]},
    "in another order": {"initContainers": [{"name": "two"}, {"name": "one", "image": "j"}]},
    "a container deleted": {"initContainers": [{"name": "one", "$patch": "delete"}]},
    "a list replaced": {"initContainers": [{"$patch": "replace"}, {"name": "new", "image": "n"}]},
    "environment": {
        "containers": [{"name": "router", "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}]
    },
    "a variable deleted": {"containers": [{"name": "router", "env": [{"name": "A", "$patch": "delete"}]}]},
    "a probe gone": {"containers": [{"name": "router", "livenessProbe": None}]},
    "ports": {"containers": [{"name": "router", "ports": [{"containerPort": 81}, {"containerPort": 80, "name": "h"}]}]},
    "mounts": {
        "containers": [{"name": "router", "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": True}]}],
        "volumes": [{"name": "w", "emptyDir": {"medium": "Memory"}}],
    },
    "aliases and spread": {
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["h"]}],
        "topologySpreadConstraints": [
            {
                "topologyKey": "zone",
                "maxSkew": 1,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": LABELS},
            }
        ],
    },
    "deep in a map that is not there": {"affinity": {"nodeAffinity": {}}},
}


def deployment(spec: dict[str, Any]) -> dict[str, Any]:
    template = {"metadata": {"labels": LABELS}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x"},
        "spec": {"selector": {"matchLabels": LABELS}, "template": template},
    }


def test_the_api_server_merges_alike(cluster: Cluster, namespace: str) -> None:
    api = cluster.api
    api.create(deployment(BASE), namespace)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    for name, patch in PATCHES.items():
        body = {"spec": {"template": {"spec": patch}}}
        theirs = api.call("PATCH", f"{path}/x", body, STRATEGIC, dryRun="All")
        ours = deployment(merge(BASE, patch))
        ours["metadata"]["name"] = "y"
        ours = api.call("POST", path, ours, dryRun="All", fieldValidation="Strict")
        assert ours["spec"]["template"]["spec"] == theirs["spec"]["template"]["spec"], name


def test_neither_side_is_changed() -> None:
    for patch in PATCHES.values():
        original, given = copy.deepcopy(BASE), copy.deepcopy(patch)
        merge(original, given)
        assert (original, given) == (BASE, patch)


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"containers": [{"image": "i"}]}, "spec.containers[0]"),
        ({"containers": ["router"]}, "spec.containers[0]"),
        ({"nodeSelector": {"$patch": "keep"}}, "spec.nodeSelector.$patch"),
        ({"nodeSelector": {"$patch": ["delete"]}}, "spec.nodeSelector.$patch"),
        ({"nodeSelector": ["a"]}, "spec.nodeSelector"),
        ({"containers": [{"name": "router", "$retainKeys": ["name"]}]}, "spec.containers[0].$retainKeys"),
        ({"containers": "abc"}, "spec.containers"),
        ({"containers": 5}, "spec.containers"),
        ({"containers": {"a": {}}}, "spec.containers"),
        ({"containers": [{"name": {}}]}, "spec.containers[0].name"),
        ({"volumes": [{"name": [1]}]}, "spec.volumes[0].name"),
        ({"tolerations": {"key": "a"}}, "spec.tolerations"),
        (
            {"containers": [{"name": "router", "volumeMounts": [{"mountPath": {}}]}]},
            "spec.containers[0].volumeMounts[0].mountPath",
        ),
        (
            {"containers": [{"name": "new", "ports": [{"containerPort": True}]}]},
            "spec.containers[0].ports[0].containerPort",
        ),
    ],
)
def test_a_patch_that_cannot_be_merged(patch: dict[str, Any], path: str) -> None:
    with pytest.raises(PatchError) as error:
        merge(BASE, patch, "spec")
    assert error.value.path == path


def test_a_second_time_changes_nothing_more() -> None:
    for name, patch in PATCHES.items():
        once = merge(BASE, patch)
        assert merge(once, patch) == once, name
