"""From an edit of a policy to all its routers, and what the end of a leader costs, on a real control plane."""

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness.bench import Settings
from benchmarks.harness.cluster import namespace
from benchmarks.harness.report import Cell, Report, Table

# After the line above, which knows where they are.
from routers import LeaderService, RouterProcess, StreamingOperator, pods, published  # isort: skip
from world import World, backend, eventually, policy  # isort: skip

ROUTERS = 8
EDITS = 20
LOOK = 0.005
CONNECTED = "control stream: connected"


class Fleet:
    """The pods of one policy, each a real router."""

    def __init__(self, world: World, service: LeaderService, count: int, directory: Path) -> None:
        self._world = world
        world.apply(backend(), policy())
        path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/chat-router/scale"
        eventually(lambda: world.child("policy/v1", "PodDisruptionBudget"))
        world.api.call("PATCH", path, {"spec": {"replicas": count}}, "application/merge-patch+json")
        eventually(lambda: len(pods(world)) == count)
        self.routers = [RouterProcess(world, pod, service, directory / str(i)) for i, pod in enumerate(pods(world))]
        until(lambda: self.connections() >= count)

    def connections(self) -> int:
        """How often any of them has connected."""
        return sum(router.said.count(CONNECTED) for router in self.routers)

    def edit(self, model: str) -> list[float]:
        """Seconds from the answer to an edit until each router has put it in force."""
        before = published(self._world)
        self._world.apply(policy(model=model))
        began = time.monotonic()
        taken: dict[int, float] = {}
        while len(taken) < len(self.routers):
            for number, router in enumerate(self.routers):
                last = router.said.rstrip().rpartition("\n")[2]
                if number not in taken and "is in force" in last and before not in last:
                    taken[number] = time.monotonic() - began
            time.sleep(LOOK)
        return list(taken.values())

    def kill(self) -> None:
        """End them all."""
        for router in self.routers:
            router.kill()


def until(question: Callable[[], bool], seconds: float = 60.0) -> float:
    """Seconds until the answer is yes."""
    began = time.monotonic()
    while not question():
        if time.monotonic() - began > seconds:
            raise TimeoutError("it never came")
        time.sleep(LOOK)
    return time.monotonic() - began


def run(settings: Settings) -> Report:
    """Routers on one machine with API server and operators; no kubelet, so files never arrive and only the stream can
    bring an edit."""
    count, edits = round(settings.choose(ROUTERS, 2)), round(settings.choose(EDITS, 5))
    with namespace(settings.tell) as (cluster, name):
        world = World(cluster, name)
        operators = [StreamingOperator(cluster, name)]
        service = LeaderService(world)
        fleet = None
        try:
            eventually(service.endpoint)
            operators.append(StreamingOperator(cluster, name))
            fleet = Fleet(world, service, count, settings.directory)
            taken = [fleet.edit(f"edit-{number}") for number in range(edits)]
            changes = [
                after_end(world, service, fleet, operators, StreamingOperator(cluster, name), how)
                for how in ("SIGTERM", "SIGKILL")
            ]
        finally:
            if fleet is not None:
                fleet.kill()
            for operator in operators:
                operator.kill()
            service.close()
    return report(count, taken, changes)


def after_end(
    world: World,
    service: LeaderService,
    fleet: Fleet,
    operators: list[StreamingOperator],
    another: StreamingOperator,
    how: str,
) -> tuple[Cell, ...]:
    """End the leader; seconds until another has the Lease and the way leads to it, until all routers are connected to
    it, and until an edit made after the end is in force everywhere."""
    operators.append(another)
    port, connections = service.endpoint(), fleet.connections()
    leader = next(each for each in operators if each.port == port)
    if how == "SIGKILL":
        leader.process.kill()
    else:
        leader.process.terminate()
    began = time.monotonic()
    until(lambda: service.endpoint() != port)
    led = time.monotonic() - began
    until(lambda: fleet.connections() >= connections + len(fleet.routers))
    connected = time.monotonic() - began
    last = max(fleet.edit(f"after-{how.lower()}"))
    leader.process.wait()
    return how, led, connected, last


def report(count: int, taken: list[list[float]], changes: list[tuple[Cell, ...]]) -> Report:
    """The figures."""
    each = sorted(value * 1000 for edit in taken for value in edit)
    last = sorted(max(edit) * 1000 for edit in taken)
    found = Report(
        "control",
        f"{count} routers of one policy, two operators and a control plane, all on this machine. {len(taken)} edits, "
        "from the API server's answer to the line in which a router says that the configuration is in force.",
    )
    rows: list[tuple[Cell, ...]] = [
        (name, values[len(values) // 2], values[min(len(values) - 1, round(len(values) * 0.99))], values[-1])
        for name, values in (("each router", each), ("the last router", last))
    ]
    found.tables.append(Table("From an edit to in force", ("", "p50 ms", "p99 ms", "max ms"), rows))
    columns = ("the leader gets", "another leads after s", "all routers are connected after s", "an edit then takes s")
    found.tables.append(Table("From the end of a leader", columns, changes))
    found.expect("in force at every router within 1 s (p99)", f"{rows[0][2]:.0f} ms", float(rows[0][2]) <= 1000)
    handed, killed = (float(row[1]) for row in changes)
    found.expect("a clean end hands over within 2 s", f"{handed:.2f} s", handed <= 2.0)
    found.expect("another acts within 15 s of a crash", f"{killed:.2f} s", killed <= 15.0)
    return found
