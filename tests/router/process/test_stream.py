"""What a router reports on the stream."""

import asyncio
from pathlib import Path

import msgspec
from configs import backend, config, policy

from signalbox.control.messages import Config, Lease, Leases, RouteWeights, SetWeights, Traffic, Weights
from signalbox.router.options import SupervisorOptions
from signalbox.router.process.follower import Follower
from signalbox.router.process.stream import Bridge
from signalbox.router.process.supervisor import Supervisor
from signalbox.router.telemetry.snapshot import EndpointGauge
from signalbox.router.telemetry.statistics import Statistics
from signalbox.routing.config import Address, Limits, RouterConfig, content_hash, encode


class Engine:
    address = Address(host="10.0.0.1", port=80)

    def __init__(self, name: str) -> None:
        self.name = name


def serving(*names: str) -> RouterConfig:
    backends = [backend(Engine(name)) for name in names]
    return config(policy(*backends), *backends)


class Counting(Supervisor):
    """One whose workers need not run: they said what they counted."""

    def said(self, process: int, statistics: Statistics) -> None:
        self._totals.update(process, statistics.snapshot())


async def test_it_speaks_of_the_backends_that_it_has(tmp_path: Path) -> None:
    """Also of those of which nothing is known yet, and not of those that it had."""
    follower = Follower(tmp_path, tmp_path, lambda _: None)
    bridge, supervisor = Bridge(follower, 1, lambda _: None), Counting(SupervisorOptions())
    bridge.supervisor = supervisor
    statistics = Statistics()
    statistics.in_flight = lambda: [EndpointGauge("old", "10.0.0.1:80", 0, True)]
    statistics.started("old")
    statistics.attempt("old", "failure")
    supervisor.said(1, statistics)
    one = Traffic(known=1, usable=1, requests=1, failures=1, started=1)
    for names, reported in ((("old", "idle"), {"old": one, "idle": Traffic()}), (("idle",), {"idle": Traffic()})):
        data = encode(serving(*names))
        bridge.heard(Config(hash=content_hash(data), config=msgspec.Raw(data)))
        async with asyncio.timeout(20):
            await follower.next()
        follower.accepted()
        assert bridge.report().backends == reported


async def test_weights_that_are_heard_before_anybody_serves_count_once_somebody_does(tmp_path: Path) -> None:
    bridge, supervisor = (
        Bridge(Follower(tmp_path, tmp_path, lambda _: None), 1, lambda _: None),
        Counting(SupervisorOptions()),
    )
    route = RouteWeights(sets=(SetWeights(effective={"one": 1.0}),))
    bridge.heard(Weights(policies={"auto": {"default": route}}))
    assert bridge.report().weights == {}
    bridge.supervisor = supervisor
    supervisor._steered.use(encode(serving("one")))
    assert supervisor.weights == {"auto": {"default": route}}


async def test_weights_in_force_are_told_to_an_operator_that_has_said_none(tmp_path: Path) -> None:
    bridge, supervisor = (
        Bridge(Follower(tmp_path, tmp_path, lambda _: None), 1, lambda _: None),
        Counting(SupervisorOptions()),
    )
    bridge.supervisor = supervisor
    supervisor._steered.use(encode(serving("one")))
    route = RouteWeights(sets=(SetWeights(effective={"one": 1.0}),))
    weights = Weights(policies={"auto": {"default": route}})
    bridge.hello()
    assert bridge.report().weights == {}
    bridge.heard(weights)
    assert bridge.report().weights == {}
    bridge.hello()
    assert bridge.report().weights == weights.policies
    bridge.heard(Weights())
    assert bridge.report().weights == supervisor.weights == {}


async def test_leases_that_are_heard_before_anybody_serves_are_not_lost(tmp_path: Path) -> None:
    bridge, supervisor = (
        Bridge(Follower(tmp_path, tmp_path, lambda _: None), 1, lambda _: None),
        Counting(SupervisorOptions()),
    )
    bridge.heard(Leases(backends={"one": Lease(in_flight=3), "two": Lease(in_flight=9)}))
    bridge.heard(Leases(backends={"two": Lease(in_flight=4)}))
    bridge.supervisor = supervisor
    assert supervisor._leased.part(0) == {"one": Limits(max_in_flight=3), "two": Limits(max_in_flight=4)}
    assert bridge.report().leases == {}, "nobody applies anything yet"
