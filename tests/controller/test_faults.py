"""A whole operator and its routers while the API server answers wrongly, late or not at all: nothing is taken away, no
client notices, and what users changed meanwhile arrives afterwards."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import hasty
import pytest
from aiohttp import web
from connected import LeaderService, Routers, StreamingOperator
from faulty import Fault, is_list, is_watch
from outages import Asked, Outages
from world import API, CHILDREN, World, backend, eventually, policy

from cluster.build import Say
from cluster.namespaces import create_namespace, delete_namespace
from cluster.running import Cluster

FAULT_SECONDS = 2.5  # longer than the leader waits before it renews, and less than it goes on without
PARTITION_SECONDS = 8.0  # more than that: it ends, and whoever runs it starts it again
RECOVERED_SECONDS = 240.0  # a silent watch is given up, and a list every now and then shows what it did not
HOUR_SECONDS = 3600
FACTOR = 200
LONGEST_PAUSE_SECONDS = 30
LOST = 3  # the exit code

# The uid and version of objects, by kind and name.
Children = dict[tuple[str, str], tuple[str, str]]
RETRY_AFTER = 1
EXPIRED = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
OURS = "app.kubernetes.io/managed-by=signalbox,app.kubernetes.io/component=router"
KINDS = {kind for _, kind in CHILDREN}
LEASE = ("coordination.k8s.io/v1", "Lease", "signalbox-operator")


def anything(request: web.Request) -> bool:
    return True


def is_write(request: web.Request) -> bool:
    return request.method not in {"GET", "HEAD"}


def is_read(request: web.Request) -> bool:
    return is_list(request) or is_watch(request)


def answers(kind: Callable[[web.Request], bool], **fault: Any) -> Callable[[Outages], None]:
    return lambda outages: outages.answer(Fault(kind, **fault))


# What nothing can be written through leaves every child as it is, to the resource version.
CLOSED = {
    "409 to writes": answers(is_write, status=409, reason="Conflict"),
    "429": answers(anything, status=429, reason="TooManyRequests", headers={"retry-after": f"{RETRY_AFTER}"}),
    "500": answers(anything, status=500, reason="InternalError"),
    "504": answers(anything, status=504, reason="Timeout"),
    "nobody listens": Outages.refuse,
    "nothing arrives": Outages.silence,
}
OPEN = {
    "410 to lists and watches": answers(is_read, status=410, reason="Expired"),
    "410 in the stream": answers(is_watch, tail=EXPIRED),
    "watches cut": answers(is_watch),
}
FAULTS = {**CLOSED, **OPEN, "watches stalled": answers(is_watch, hang=True)}
STALLED = pytest.param("watches stalled", marks=pytest.mark.long)


class Stage:
    """An operator behind outages, two routers, and a client that asks them without end."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        directory: Path,
        operator: type[StreamingOperator] = StreamingOperator,
        *options: str,
    ) -> None:
        self.world = World(cluster, namespace)
        self.outages = Outages(cluster, directory / "kubeconfig")
        self.operator = operator(self.outages.access, namespace, *options)
        self._service = LeaderService(self.world)
        self.newest = "first"
        self.world.apply(backend(), policy(), policy(self.newest))
        self.routers = Routers(self.world, self._service, directory)
        self.routers.connected()
        self.world.become_available()
        eventually(lambda: self.world.statuses().get("Ready") == "True")
        self.asked, self.failures = 0, list[str]()
        self._stop = threading.Event()
        self._asking = threading.Thread(target=self._ask)
        self._asking.start()

    def _ask(self) -> None:
        while not self._stop.wait(0.02):
            for router in self.routers.all:
                try:
                    self.asked += 1
                    assert router.models()
                except Exception as error:
                    self.failures.append(repr(error))

    def close(self) -> None:
        self._stop.set()
        self._asking.join()
        self.routers.kill()
        self.operator.kill()
        self._service.close()
        self.outages.close()

    def children(self) -> Children:
        """The uid and version of every child."""
        return {
            (kind, obj["metadata"]["name"]): (obj["metadata"]["uid"], obj["metadata"]["resourceVersion"])
            for version, kind in CHILDREN
            for obj in self.world.api.list(version, kind, self.world.namespace, labelSelector=OURS)
        }

    def prepared(self) -> Children:
        """All at rest; the children that are to stay."""
        self.world.settle()
        return {child: seen for child, seen in self.children().items() if child[1] != f"{self.newest}-router"}

    def holder(self) -> tuple[str, int]:
        """Who leads, and how often that has changed."""
        spec = self.world.api.get(*LEASE, self.world.namespace)["spec"]
        return spec["holderIdentity"], spec["leaseTransitions"]

    def edit(self, name: str) -> None:
        """As users do, who do not see the fault: an edit, a new policy, and one that goes."""
        self.world.apply(backend(limits={"maxInFlight": 100 + len(name)}), policy(model=name), policy(name))
        self.world.api.delete(API, "RoutingPolicy", self.newest, self.world.namespace)
        self.leaving, self.newest = self.newest, name

    def arrived(self) -> bool:
        """Whether all of that has come about. An operator that gave up the Lease is started again, as the kubelet does:
        on a machine that is busy it may have been too slow to renew it."""
        if (ended := self.operator.process.poll()) is not None:
            assert ended == LOST
            self.operator.start()
        config = self.world.config()
        return (
            config["policies"][0]["models"] == [self.newest]
            and config["backends"][0]["limits"]["maxInFlight"] == 100 + len(self.newest)
            and self.world.statuses().get("Accepted") == "True"
            and self.world.statuses(self.newest).get("Accepted") == "True"
            and {kind for kind, name in self.children() if name == f"{self.newest}-router"} == KINDS
            and not any(name == f"{self.leaving}-router" for _, name in self.children())
        )


@pytest.fixture(scope="module")
def stage(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    namespace = create_namespace(cluster)
    made = Stage(cluster, namespace, tmp_path_factory.mktemp("outages"))
    yield made
    made.close()
    delete_namespace(cluster, namespace)


@pytest.mark.parametrize("fault", [*CLOSED, *OPEN, STALLED])
def test_a_fault_takes_nothing_away(stage: Stage, say: Say, fault: str) -> None:
    before, holder, asked = stage.prepared(), stage.holder(), stage.asked
    name = "f-" + fault.lower().replace(" ", "-")
    begun = time.monotonic()
    FAULTS[fault](stage.outages)
    stage.edit(name)
    watched(stage, before, FAULT_SECONDS, same=fault in CLOSED)
    met = [each for each in stage.outages.asked if each.at > begun]
    stage.outages.heal()
    healed = time.monotonic()
    eventually(stage.arrived, RECOVERED_SECONDS)
    stage.routers.serve(name)
    leads = "kept" if stage.holder() == holder else "regained"
    say(
        f"{fault}: {len(met)} requests met it; edits arrived {time.monotonic() - healed:.1f} s after it; "
        f"Lease {leads}; {stage.asked - asked} requests of clients, {len(stage.failures)} failed\n"
    )
    assert stage.operator.process.poll() is None
    assert stage.asked > asked
    assert not stage.failures
    if fault == "429":
        assert soonest(met) >= RETRY_AFTER


@pytest.mark.long
def test_who_loses_the_lease_comes_back(stage: Stage, say: Say) -> None:
    before, holder, asked = stage.prepared(), stage.holder(), stage.asked
    begun = time.monotonic()
    stage.outages.refuse()
    stage.edit("lost")
    assert eventually(stage.operator.process.poll) == LOST
    ended = time.monotonic()
    stage.operator.start()  # as the kubelet would
    watched(stage, before, PARTITION_SECONDS, same=True)
    stage.outages.heal()
    healed = time.monotonic()
    eventually(stage.arrived, RECOVERED_SECONDS)
    say(
        f"partition: the Lease given up after {ended - begun:.1f} s; edits arrived {time.monotonic() - healed:.1f} s "
        f"after its end; {stage.asked - asked} requests of clients, {len(stage.failures)} failed\n"
    )
    stage.routers.serve("lost")
    assert stage.holder() != holder
    assert not stage.failures


@pytest.mark.long
@pytest.mark.parametrize("options", [(), ("--dev",)], ids=["with a Lease", "without"])
def test_an_hour_without_the_api_server(
    cluster: Cluster,
    namespace: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    say: Say,
    options: tuple[str, ...],
) -> None:
    """Compressed: the operator's time runs fast. With a Lease it ends soon and waits for it in its next life; without
    one, the very process has to come through."""
    hurry = tmp_path / "hurry"

    class HastyOperator(StreamingOperator):
        program = (hasty.__file__, f"{FACTOR}", str(hurry))

    stage = Stage(cluster, namespace, tmp_path, HastyOperator, *options)
    try:
        before, asked = stage.prepared(), stage.asked
        stage.outages.refuse()
        stage.edit("hour")
        if not options:
            assert eventually(stage.operator.process.poll) == LOST
            stage.operator.start()
        capfd.readouterr()
        hurry.touch()
        watched(stage, before, HOUR_SECONDS / FACTOR, same=True)
        hurry.unlink()
        tried = capfd.readouterr().err.count("WARNING signalbox.kube.watch: deployments: ")
        stage.outages.heal()
        healed = time.monotonic()
        eventually(stage.arrived, RECOVERED_SECONDS)
        stage.routers.serve("hour")
        say(
            f"an hour: each watch tried {tried} times; edits arrived {time.monotonic() - healed:.1f} s after it; "
            f"{resident(stage.operator) >> 20} MB; {stage.asked - asked} requests of clients, "
            f"{len(stage.failures)} failed\n"
        )
        assert tried >= HOUR_SECONDS / LONGEST_PAUSE_SECONDS / 2  # else it was no hour
        assert stage.operator.process.poll() is None
        assert not stage.failures
    finally:
        stage.close()


def resident(operator: StreamingOperator) -> int:
    """Bytes of memory."""
    pages = Path(f"/proc/{operator.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def watched(stage: Stage, before: Children, seconds: float, *, same: bool) -> None:
    """For a while no child may go or be made anew, nor change at all where they are to be the ``same``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = stage.children()
        for child, (uid, version) in before.items():
            assert now[child] == (uid, version) if same else now[child][0] == uid, child
        time.sleep(0.2)


def soonest(asked: Iterable[Asked]) -> float:
    """The shortest time after which the same was asked again."""
    gaps, last = [], dict[tuple[str, str], float]()
    for at, method, path in asked:
        if (method, path) in last:
            gaps.append(at - last[method, path])
        last[method, path] = at
    return min(gaps)
