"""The whole path of the control stream: a real operator, real routers, a real API server."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from connected import SERVICE, LeaderService, RouterProcess, Routers, StreamingOperator, published
from faulty import Fault
from outages import Outages
from world import API, World, backend, eventually, policy

from cluster.running import Cluster

SLICE = ("discovery.k8s.io/v1", "EndpointSlice", SERVICE)
TENANTS = {"tenants": [{"name": "team", "keysFrom": [{"secretRef": {"name": "keys"}}]}]}
ONE, TWO = "a-key-of-the-team-1", "a-key-of-the-team-2"


def keys(*values: str) -> dict[str, object]:
    data = {f"k{number}": value for number, value in enumerate(values)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": data}


@pytest.fixture
def routers(world: World, streaming: StreamingOperator, service: LeaderService, tmp_path: Path) -> Iterator[Routers]:
    world.apply(backend(), policy())
    made = Routers(world, service, tmp_path)
    made.connected()
    yield made
    made.kill()


def test_an_edit_reaches_routers_whose_files_are_late(world: World, routers: Routers) -> None:
    for model in ("one", "two", "three"):
        world.apply(policy(model=model))
        routers.serve(model)


def test_routers_outlive_their_operator(
    world: World, routers: Routers, streaming: StreamingOperator, access: Path, namespace: str
) -> None:
    failures: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                assert routers.all[0].models()
            except BaseException as error:
                failures.append(error)
            time.sleep(0.01)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        streaming.kill()
        eventually(lambda: all("control stream: lost" in router.said for router in routers.all))
        second = StreamingOperator(access, namespace)
        try:
            eventually(lambda: all(router.said.count("control stream: connected") == 2 for router in routers.all))
            world.apply(policy(model="later"))
            routers.serve("later")
        finally:
            second.kill()
    finally:
        stop.set()
        asking.join()
    assert not failures
    for router in routers.all:
        router.mount()
        assert router.models() == ["later"]


def test_a_clean_end_hands_over(
    world: World,
    routers: Routers,
    streaming: StreamingOperator,
    access: Path,
    namespace: str,
    service: LeaderService,
) -> None:
    second = StreamingOperator(access, namespace)
    try:
        before = service.endpoint()
        assert streaming.end() == 0
        eventually(lambda: service.endpoint() != before)
        eventually(lambda: all(router.said.count("control stream: connected") == 2 for router in routers.all))
        world.apply(policy(model="later"))
        routers.serve("later")
    finally:
        second.kill()


def test_a_revoked_key_ends_before_the_files_follow(
    world: World, streaming: StreamingOperator, service: LeaderService, tmp_path: Path
) -> None:
    world.apply(backend(), keys(ONE, TWO), policy(access=TENANTS))
    routers = Routers(world, service, tmp_path)
    try:
        routers.connected()
        for router in routers.all:
            eventually(lambda router=router: router.models(ONE) == router.models(TWO) == ["auto"])
        world.api.call(
            "PATCH",
            f"/api/v1/namespaces/{world.namespace}/secrets/keys",
            {"data": {"k1": None}},
            "application/merge-patch+json",
        )
        for router in routers.all:
            eventually(lambda router=router: "401" in str(refusal(router, TWO)))
            assert router.models(ONE) == ["auto"]
        world.apply(keys(ONE, TWO))  # and it is good again
        for router in routers.all:
            eventually(lambda router=router: router.models(TWO) == ["auto"])
    finally:
        routers.kill()


def test_a_new_leader_knows_which_keys_routers_must_not_let_in_any_more(
    world: World, streaming: StreamingOperator, access: Path, namespace: str, service: LeaderService, tmp_path: Path
) -> None:
    """A key is taken away while no router hears of it; the operator that did it ends, and the files are late."""
    world.apply(backend(), keys(ONE, TWO), policy(access=TENANTS))
    routers = Routers(world, service, tmp_path)
    others = []
    try:
        routers.connected()
        for router in routers.all:
            eventually(lambda router=router: router.models(ONE) == router.models(TWO) == ["auto"])
        before = world.child("v1", "Secret")["data"]
        service.closed = True
        assert streaming.end() == 0
        others.append(StreamingOperator(access, namespace))
        world.api.patch("v1", "Secret", "keys", {"data": {"k1": None}}, world.namespace)
        eventually(lambda: world.child("v1", "Secret")["data"] != before)
        world.settle()
        assert others[0].end() == 0
        for router in routers.all:
            assert router.models(TWO) == ["auto"]  # nobody told it, and its files are as before
        others.append(StreamingOperator(access, namespace))
        service.closed = False
        for router in routers.all:
            eventually(lambda router=router: "401" in str(refusal(router, TWO)))
            assert router.models(ONE) == ["auto"]
    finally:
        routers.kill()
        for other in others:
            other.kill()


def refusal(router: RouterProcess, key: str) -> Exception | None:
    try:
        router.models(key)
    except Exception as error:
        return error
    return None


def test_a_configuration_waits_for_its_secret_and_says_so(world: World, routers: Routers) -> None:
    world.apply(keys(ONE), policy(model="keyed", access=TENANTS))
    waiting = ("False", "WaitingForSecret")
    eventually(lambda: world.conditions("RoutingPolicy", "chat").get("Programmed") == waiting)
    routers.serve("auto")
    for router in routers.all:
        router.mount()
    for router in routers.all:
        eventually(lambda router=router: router.models(ONE) == ["keyed"])
    eventually(lambda: world.conditions("RoutingPolicy", "chat").get("Programmed") != waiting)


def test_the_stream_of_a_deleted_pod_ends_at_once(world: World, routers: Routers) -> None:
    first, second = routers.all
    path = f"/api/v1/namespaces/{world.namespace}/pods/{first.pod['metadata']['name']}"
    world.api.call("DELETE", path, gracePeriodSeconds=0)
    eventually(lambda: "control stream: lost" in first.said)  # it is looked at once a minute in any case
    eventually(lambda: "control stream: not connected: " in first.said)
    assert "control stream: lost" not in second.said


def test_the_way_to_the_leader_is_put_right(world: World, streaming: StreamingOperator, service: LeaderService) -> None:
    port = eventually(service.endpoint)
    path = f"/apis/discovery.k8s.io/v1/namespaces/{world.namespace}/endpointslices/{SERVICE}"
    world.api.call("PATCH", path, {"ports": [{"name": "control", "port": 1}]}, "application/merge-patch+json")
    eventually(lambda: service.endpoint() == port)
    world.api.delete(*SLICE, world.namespace)
    eventually(lambda: service.endpoint() == port)
    assert world.api.get(*SLICE, world.namespace)["endpoints"][0]["addresses"] == ["10.11.12.13"]


def test_the_way_to_the_leader_is_put_right_while_it_is_written(
    world: World, cluster: Cluster, namespace: str, tmp_path: Path, service: LeaderService
) -> None:
    """What happens before the answer to a write has arrived is no less true than what happens after."""

    def writes_slices(request: web.Request) -> bool:
        return request.method == "PATCH" and "/endpointslices/" in request.path

    outages = Outages(cluster, tmp_path / "kubeconfig")
    operator = StreamingOperator(outages.access, namespace)
    try:
        port = eventually(service.endpoint)
        assert port == operator.port
        outages.answer(Fault(writes_slices, late=5.0))
        path = f"/apis/discovery.k8s.io/v1/namespaces/{world.namespace}/endpointslices/{SERVICE}"
        world.api.call("PATCH", path, {"ports": [{"name": "control", "port": 1}]}, "application/merge-patch+json")
        eventually(lambda: service.endpoint() == port)
        world.api.delete(*SLICE, world.namespace)
        eventually(lambda: service.endpoint() == port)
    finally:
        operator.kill()
        outages.close()


def test_nothing_is_written_at_rest(world: World, routers: Routers) -> None:
    world.become_available()
    eventually(lambda: world.statuses().get("Reachable") == "True")
    world.settle()
    status = world.api.get(API, "RoutingPolicy", "chat", world.namespace)["status"]
    assert status["router"]["configsInForce"] == [{"hash": published(world), "pods": 2}]
    before = world.versions()
    time.sleep(5.0)  # several reports of each router
    assert world.versions() == before
