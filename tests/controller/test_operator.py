"""The operator on a real API server: resources in, children and conditions out."""

import base64
import gzip
import json
import subprocess
import sys
from typing import Any

import pytest
from connected import StreamingOperator
from world import API, CHILDREN, OperatorProcess, World, backend, eventually, policy

from signalbox.cli.operator import FRAMES

NORMAL = {"Accepted": "True", "ResolvedRefs": "True", "Programmed": "True", "Ready": "True"}
ROLLING = {**NORMAL, "Programmed": "False", "Ready": "False", "Reconciling": "True"}
CONFIG = ("v1", "ConfigMap")
DEPLOYMENT = ("apps/v1", "Deployment")


def ready(world: World) -> None:
    world.apply(backend(), policy())
    eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
    world.become_available()
    eventually(lambda: world.statuses() == NORMAL)


def test_a_policy_becomes_a_router(world: World, operator: OperatorProcess) -> None:
    world.apply(backend(), policy())
    for version, kind in CHILDREN:
        eventually(lambda version=version, kind=kind: world.child(version, kind))
    uid = world.api.get(API, "RoutingPolicy", "chat", world.namespace)["metadata"]["uid"]
    for version, kind in CHILDREN:
        (owner,) = world.child(version, kind)["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (uid, True)
    eventually(lambda: world.statuses() == ROLLING)
    assert eventually(lambda: world.child(*DEPLOYMENT)["spec"]["replicas"] == 2)
    assert world.config()["policies"][0]["models"] == ["auto"]
    world.become_available()
    eventually(lambda: world.statuses() == NORMAL)
    status = world.api.get(API, "RoutingPolicy", "chat", world.namespace)["status"]
    assert status["addresses"] == [{"type": "Service", "url": f"http://chat-router.{world.namespace}.svc:8080/v1"}]
    assert world.conditions("ModelBackend", "a")["Ready"] == ("True", "Ready")
    assert operator.end() == 0


def test_an_invalid_edit_keeps_the_last_good_and_says_why(world: World, operator: OperatorProcess) -> None:
    ready(world)
    before = world.child(*CONFIG)["data"]
    world.apply(policy(when="query.char > 1"))
    eventually(lambda: world.statuses().get("Accepted") == "False")
    assert world.statuses() == {"Accepted": "False", "Programmed": "True", "Ready": "False", "Stalled": "True"}
    obj = world.api.get(API, "RoutingPolicy", "chat", world.namespace)
    message = obj["status"]["conditions"][0]["message"]
    assert message.startswith("spec.routes[0].when: query has no field 'char' (line 1, column 7)")
    assert message.endswith("fix: did you mean query.chars?")
    assert world.child(*CONFIG)["data"] == before

    # A new operator finds the last good form, and it goes on following everything else.
    operator.kill()
    operator.start()
    world.apply(backend(model="other"))
    eventually(lambda: world.config()["backends"][0]["model"] == "other")
    assert world.config()["policies"] == json.loads(before["config.json"])["policies"]
    assert world.statuses()["Programmed"] == "True"

    world.apply(policy(model="new"))
    eventually(lambda: world.statuses() == NORMAL)
    assert world.config()["policies"][0]["models"] == ["new"]


def test_a_record_of_the_last_good_form_that_is_spoilt_by_hand_is_put_back(
    world: World, operator: OperatorProcess
) -> None:
    ready(world)
    world.apply(policy(when="query.char > 1"))
    eventually(lambda: world.statuses().get("Accepted") == "False")
    before = world.child(*CONFIG)["binaryData"]
    path = f"/api/v1/namespaces/{world.namespace}/configmaps/chat-router"
    records = gzip.decompress(base64.b64decode(before["policies.json.gz"]))
    for spoilt in (b"{", gzip.compress(b"{}"), gzip.compress(records.replace(b"query.chars", b"query.char"))):
        change = {"binaryData": {"policies.json.gz": base64.b64encode(spoilt).decode()}}
        world.api.call("PATCH", path, change, "application/merge-patch+json")
        eventually(lambda: world.child(*CONFIG)["binaryData"] == before)


def test_without_a_usable_record_an_invalid_policy_leaves_its_router_alone(
    world: World, operator: OperatorProcess
) -> None:
    ready(world)
    world.settle()
    operator.kill()
    world.apply(policy(when="query.char > 1"))
    path = f"/api/v1/namespaces/{world.namespace}/configmaps/chat-router"
    change = {"binaryData": {"policies.json.gz": base64.b64encode(b"spoilt").decode()}}
    world.api.call("PATCH", path, change, "application/merge-patch+json")
    before = world.child(*CONFIG)["binaryData"]
    operator.start()
    eventually(lambda: world.statuses().get("Accepted") == "False")
    world.apply(backend("b"))
    eventually(lambda: world.conditions("ModelBackend", "b"))
    assert world.child(*CONFIG)["binaryData"] == before


def test_an_invalid_backend_keeps_its_last_good_form_too(world: World, operator: OperatorProcess) -> None:
    ready(world)
    before = world.config()["backends"]
    world.apply(backend(url="https://[1]/v1"))
    eventually(lambda: world.conditions("ModelBackend", "a").get("Accepted", ("",))[0] == "False")
    assert world.config()["backends"] == before
    assert world.statuses() == NORMAL

    operator.kill()
    operator.start()
    world.apply(policy(model="new"))
    eventually(lambda: world.config()["policies"][0]["models"] == ["new"])
    assert world.config()["backends"] == before

    world.apply(backend(url="https://other.example.com/v1"))
    eventually(lambda: world.config()["backends"][0]["authority"] == "other.example.com")


def test_a_target_that_comes_later(world: World, operator: OperatorProcess) -> None:
    world.apply(policy())
    eventually(lambda: world.statuses().get("ResolvedRefs") == "False")
    assert world.conditions("RoutingPolicy", "chat")["Programmed"] == ("False", "NoResolvedTarget")
    assert world.statuses()["Reconciling"] == "True"
    world.apply(backend())
    eventually(lambda: world.statuses() == ROLLING)


def test_a_deleted_backend_ends_its_traffic(world: World, operator: OperatorProcess) -> None:
    ready(world)
    world.api.delete(API, "ModelBackend", "a", world.namespace)
    eventually(lambda: "endpoints" not in world.config()["backends"][0] and "dns" not in world.config()["backends"][0])
    eventually(lambda: world.statuses().get("Programmed") == "False")


def test_endpoints_follow_their_service(world: World, operator: OperatorProcess) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "llama"},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "llama-1", "labels": {"kubernetes.io/service-name": "llama"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8000}],
        "endpoints": [{"addresses": ["10.1.0.1"]}, {"addresses": ["10.1.0.2"], "conditions": {"ready": False}}],
    }
    world.apply(service, backend(serviceRef={"name": "llama", "port": "http"}), policy())
    eventually(lambda: world.conditions("ModelBackend", "a").get("Ready") == ("False", "NoReadyEndpoint"))

    def counts() -> Any:
        return world.api.get(API, "ModelBackend", "a", world.namespace)["status"]["endpoints"]

    eventually(lambda: counts() == {"ready": 0, "total": 0})
    world.apply(endpoints)
    eventually(lambda: world.config()["backends"][0]["endpoints"] == [{"host": "10.1.0.1", "port": 8000}])
    eventually(lambda: world.conditions("ModelBackend", "a")["Ready"] == ("True", "Ready"))
    assert counts() == {"ready": 1, "total": 2}
    world.apply(endpoints | {"endpoints": [{"addresses": ["10.1.0.2"], "conditions": {"ready": False}}]})
    eventually(lambda: counts() == {"ready": 0, "total": 1})


def test_an_address_that_no_backend_may_have(world: World, operator: OperatorProcess) -> None:
    world.apply(backend(url="http://169.254.169.254/v1"), policy())
    eventually(lambda: world.conditions("ModelBackend", "a").get("ResolvedRefs") == ("False", "AddressRefused"))
    eventually(lambda: world.conditions("RoutingPolicy", "chat").get("Programmed") == ("False", "NoResolvedTarget"))
    obj = world.api.get(API, "ModelBackend", "a", world.namespace)
    message = next(each["message"] for each in obj["status"]["conditions"] if each["type"] == "ResolvedRefs")
    assert message.startswith("spec.url: 169.254.169.254 is a metadata address of a cloud; fix: ")
    assert "dns" not in world.config()["backends"][0]


def test_no_backend_is_the_operator(world: World, streaming: StreamingOperator) -> None:
    """Its pod, and what its Service leads to, whoever refers to that."""
    world.apply(backend("pod", url="http://10.11.12.13:8080/v1"), policy())
    refused = ("False", "AddressRefused")
    eventually(lambda: world.conditions("ModelBackend", "pod").get("ResolvedRefs") == refused)
    leader = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "signalbox-leader"}}
    world.apply(leader | {"spec": {"ports": [{"name": "control", "port": 9443}]}})
    address = world.api.get("v1", "Service", "signalbox-leader", world.namespace)["spec"]["clusterIP"]
    slice_ = ("discovery.k8s.io/v1", "EndpointSlice", "signalbox-leader", world.namespace)
    eventually(lambda: world.api.get(*slice_)["endpoints"])
    world.apply(backend("service", url=f"http://{address}:9443/v1"))
    world.apply(backend("by-name", serviceRef={"name": "signalbox-leader", "port": "control"}))
    for name in ("service", "by-name"):
        eventually(lambda name=name: world.conditions("ModelBackend", name).get("ResolvedRefs") == refused)


def test_a_rotated_key_reaches_the_composed_secret(world: World, operator: OperatorProcess) -> None:
    def keys(value: str) -> dict[str, object]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"one": value}}

    tenants = {"tenants": [{"name": "team", "keysFrom": [{"secretRef": {"name": "keys"}}]}]}
    world.apply(backend(), policy(access=tenants))
    eventually(lambda: world.statuses().get("ResolvedRefs") == "False")
    world.apply(keys("a-key-of-the-team-1"))
    first = eventually(lambda: world.child("v1", "Secret")["data"])
    world.apply(keys("a-key-of-the-team-2"))
    eventually(lambda: world.child("v1", "Secret")["data"].keys() == first.keys())
    eventually(lambda: world.child("v1", "Secret")["data"] != first)
    assert "a-key-of-the-team" not in str(world.child(*CONFIG))


def test_a_composed_secret_is_made_of_what_is_there_and_not_fetched_again(
    world: World, operator: OperatorProcess
) -> None:
    def key(value: str, **more: str) -> dict[str, Any]:
        data = {"token": value, **more}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": data}

    def composed() -> str:
        return base64.b64decode(world.child("v1", "Secret")["data"]["backend.a.apiKey"]).decode()

    world.apply(key("first-token"))
    world.apply(backend(auth={"apiKey": {"secretRef": {"name": "key", "key": "token"}}}), policy())
    eventually(lambda: composed() == "first-token")
    world.apply(key("second-token", more="x"))
    eventually(lambda: composed() == "second-token")
    path = f"/api/v1/namespaces/{world.namespace}/secrets/chat-router"
    for spoilt in ("eA==", ""):
        change = {"data": {"backend.a.apiKey": spoilt}}
        world.api.call("PATCH", path, change, "application/merge-patch+json")
        eventually(lambda: composed() == "second-token")


def test_replicas_are_left_to_whoever_scales(world: World, operator: OperatorProcess) -> None:
    ready(world)
    scale = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/chat-router/scale"
    world.api.call("PATCH", scale, {"spec": {"replicas": 5}}, "application/merge-patch+json")
    world.apply(policy(model="other"))
    eventually(lambda: world.config()["policies"][0]["models"] == ["other"])
    assert world.child(*DEPLOYMENT)["spec"]["replicas"] == 5


def decodes(text: str) -> bool:
    """Whether Python can, given the frames that the operator gives it."""
    said = subprocess.run(
        [sys.executable, "-c", f"import json, sys; sys.setrecursionlimit({FRAMES}); json.load(sys.stdin)"],
        input=text.encode(),
        check=False,
        stderr=subprocess.DEVNULL,
    )
    return said.returncode == 0


def test_a_policy_of_as_many_levels_as_the_api_server_takes_harms_no_other(
    world: World, operator: OperatorProcess
) -> None:
    nested = '{"a":' * 9000 + "{}" + "}" * 9000
    if not decodes(nested):
        pytest.skip("the decoder of this Python has a limit of its own, which is lower")
    path = f"/apis/{API}/namespaces/{world.namespace}/routingpolicies"
    headers = {"content-type": "application/json"}
    deep = policy("deep", router={"deployment": {"podTemplate": {"spec": {"affinity": "HERE"}}}})
    body = json.dumps(deep).replace('"HERE"', nested)
    assert world.api.http.request("POST", path, content=body, headers=headers).status_code == 201
    try:
        # No decoder reads it here, either.
        eventually(lambda: '"reason":"InvalidField"' in world.api.http.request("GET", f"{path}/deep").text)
        world.apply(backend(), policy())
        eventually(lambda: world.statuses() == ROLLING)
        operator.kill()
        operator.start()
        world.apply(policy(model="other"))
        eventually(lambda: world.config()["policies"][0]["models"] == ["other"])
    finally:
        world.api.http.request("DELETE", f"{path}/deep")


def test_a_single_replica_has_no_disruption_budget(world: World, operator: OperatorProcess) -> None:
    ready(world)
    scale = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/chat-router/scale"
    world.api.call("PATCH", scale, {"spec": {"replicas": 1}}, "application/merge-patch+json")
    eventually(lambda: world.absent("policy/v1", "PodDisruptionBudget"))
    assert not world.absent(*DEPLOYMENT)


def test_a_policy_that_goes_takes_its_children_along(world: World, operator: OperatorProcess) -> None:
    ready(world)
    operator.kill()  # by owner references: nobody has to be there for it
    world.api.delete(API, "RoutingPolicy", "chat", world.namespace)
    for version, kind in CHILDREN:
        eventually(lambda version=version, kind=kind: world.absent(version, kind))


def test_at_rest_nothing_is_written(world: World, operator: OperatorProcess) -> None:
    ready(world)
    world.settle()
    before = world.versions()
    operator.kill()
    operator.start()  # a new one finds all as it should be
    world.apply(backend("b"))
    eventually(lambda: world.conditions("ModelBackend", "b"))
    world.settle()
    assert {key: value for key, value in world.versions().items() if key[1] != "b"} == before
