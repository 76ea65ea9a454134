"""Loops of namespaces: each hears of its own, and tells its own routers only."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping

import pytest
from aiohttp import web
from prometheus_client import generate_latest

from signalbox.control.hub import Hub
from signalbox.control.messages import Applied, Lease, Report, Traffic, Weights, to_router
from signalbox.control.peers import Peer, Router
from signalbox.controller.feedback import loops as module
from signalbox.controller.feedback.loops import Loops
from signalbox.feedback.plan import Backend, Plan, Scrape, SetKey, Share, TargetSet
from signalbox.plan.feedback import Followed
from signalbox.routing import config
from signalbox.routing.address_rules import AddressRules, parse_networks
from signalbox.routing.config import Access, Limits, Policy, RouterConfig
from signalbox.signals.telemetry import Seen
from waiting import until


class Engine:
    """Answers as vLLM does; ``asked`` counts."""

    def __init__(self) -> None:
        self.asked = 0

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(text="vllm:num_requests_running 3\nvllm:num_requests_waiting 4\n")


@pytest.fixture
async def engine() -> AsyncIterator[tuple[Engine, int]]:
    made, application = Engine(), web.Application()
    application.router.add_get("/metrics", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield made, runner.addresses[0][1]
    await runner.cleanup()


def plan(policy: str) -> Plan:
    backends = {name: Backend(name=name, engine="VLLM", endpoints=("e",)) for name in "ab"}
    shares = (Share("a", "a"), Share("b", "b"))
    return Plan(backends=backends, sets={SetKey(policy, "r"): TargetSet(shares=shares, interval=0.05)})


def router(policy: str, **backends: Limits) -> RouterConfig:
    access = Access(anonymous=True)
    made = Policy(name=policy, models=("m",), access=access, targets=(), routes=())
    compiled = tuple(config.Backend(name=name, model="m", authority="", limits=of) for name, of in backends.items())
    return RouterConfig(format_version=1, name="router", policies=(made,), backends=compiled)


def followed(policy: str, port: int = 1, ca: str | None = None) -> Followed:
    url = f"{'https' if ca else 'http'}://127.0.0.1:{port}/metrics"
    scrapes = (Scrape(backend=name, key="e", url=url, engine="VLLM", model="m", interval=0.05, ca=ca) for name in "ab")
    return Followed(plan=plan(policy), scrapes=tuple(scrapes))


def told(hub: Hub, namespace: str, router: str) -> Weights:
    weights = hub.channel(Router(namespace, router)).weights
    if weights is None:
        return Weights()
    (message,) = to_router().feed(weights())
    assert isinstance(message, Weights)
    return message


def problems(loops: Loops, namespace: str, backend: str) -> Mapping[str, str]:
    space = loops.space(namespace)
    return space.problems().get(backend, {}) if space is not None else {}


@pytest.fixture
async def leader(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Loops, Hub]]:
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.0)
    hub = Hub(time.monotonic)
    loops = Loops(AddressRules(parse_networks(["127.0.0.0/8"])), hub, time.monotonic)
    leading = asyncio.create_task(loops.lead())
    yield loops, hub
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    assert not loops.namespaces
    assert all(hub.channel(router).weights is None for router in hub.routers())


async def test_each_router_hears_of_its_own_policies(leader: tuple[Loops, Hub], engine: tuple[Engine, int]) -> None:
    (loops, hub), (answering, port) = leader, engine
    for namespace, policy, at in (("team", "p", 1), ("other", "q", port)):
        hub.channel(Router(namespace, "router"))
        loops.use(namespace, followed(policy, at), {}, [router(policy)])
    await until(lambda: told(hub, "team", "router").policies and told(hub, "other", "router").loads)
    mine, theirs = told(hub, "team", "router"), told(hub, "other", "router")
    assert set(mine.policies) == {"p"} and not mine.loads
    assert set(theirs.policies) == {"q"} and set(theirs.loads) == {"a", "b"}
    assert problems(loops, "team", "a") == {"e": "ConnectionFailed"}
    assert not problems(loops, "other", "a")

    peer = Peer(Router("team", "router"), "pod", "uid", 0.0)
    loops.heard(peer, Report(backends={name: Traffic(known=1, usable=int(name == "b")) for name in "ab"}))
    await until(lambda: told(hub, "team", "router").policies["p"]["r"].sets[0].effective == {"a": 0.0, "b": 1.0})
    assert told(hub, "other", "router").policies["q"]["r"].sets[0].effective["a"] > 0.0

    loops.use("other", Followed(plan=Plan(), scrapes=()), {}, ())
    assert hub.channel(Router("other", "router")).weights is None
    assert list(loops.namespaces) == ["team"]
    await until(lambda: not loops._scraper.under_way)
    asked = answering.asked
    await asyncio.sleep(0.2)
    assert answering.asked == asked


async def test_what_a_pod_that_has_ended_said_last_does_not_bring_it_back(leader: tuple[Loops, Hub]) -> None:
    loops, hub = leader
    hub.channel(Router("team", "router"))
    loops.use("team", followed("p"), {}, [router("p", a=Limits(requests_per_minute=60))])
    one, other = (Peer(Router("team", "router"), uid, uid, 0.0) for uid in ("one", "other"))
    lease = Lease(requests_per_minute=30)
    report = Report(backends={"a": Traffic(usable=1)}, leases={"a": Applied(lease=lease, most=lease)})
    loops.heard(one, report)
    loops.heard(other, report)
    assert loops._leasing._use["team", "a"].keys() == {"one", "other"}
    loops.ended("one")
    loops.heard(one, report)
    assert loops._leasing._use["team", "a"].keys() == {"other"}
    for number in range(module.MOST_ENDED):
        loops.ended(f"pod-{number}")
    assert len(loops._ended) == module.MOST_ENDED


async def test_authorities_are_those_of_the_namespace(leader: tuple[Loops, Hub]) -> None:
    loops, _ = leader
    for namespace, authorities in (("team", {"ca": b"none"}), ("other", {})):
        loops.use(namespace, followed("p", ca="ca"), authorities, [router("p")])
    await until(lambda: problems(loops, "team", "a") and problems(loops, "other", "a"))
    assert problems(loops, "other", "a") == {"e": "MissingCA"}
    assert problems(loops, "team", "a") != {"e": "MissingCA"}


async def test_weights_that_do_not_fit_are_not_sent(leader: tuple[Loops, Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    loops, hub = leader
    monkeypatch.setattr(module, "MAX_MESSAGE_BYTES", 50)
    hub.channel(Router("team", "router"))
    loops.use("team", followed("p"), {}, [router("p")])
    await until(lambda: hub.channel(Router("team", "router")).weights)
    weights = hub.channel(Router("team", "router")).weights
    assert weights is not None and weights() == b""


async def test_nothing_more_is_made_of_a_namespace_whose_loop_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.0)
    begun, ended, stopped = list[str](), list[str](), list[str]()

    async def stepped(seen: Seen) -> None:
        begun.append(seen.namespace)
        await asyncio.sleep(0.05)
        ended.append(seen.namespace)

    loops = Loops(AddressRules(()), Hub(time.monotonic), time.monotonic, stepped, stopped.append)
    loops.use("team", followed("p"), {}, [router("p")])
    await until(lambda: begun)
    loops.use("team", Followed(plan=Plan(), scrapes=()), {}, ())
    await asyncio.sleep(0.1)
    assert (begun, ended, stopped) == (["team"], [], ["team"])


async def test_metrics_are_by_namespace(leader: tuple[Loops, Hub], engine: tuple[Engine, int]) -> None:
    (loops, _), (_, port) = leader, engine
    for namespace in ("team", "other"):
        loops.use(namespace, followed("p", port), {}, [router("p")])
    await until(lambda: all(seen.outcome.loads["a"].observed_at for seen in loops._seen()) and len(loops._seen()) == 2)
    text = generate_latest(loops.families).decode()  # type: ignore[arg-type]
    for namespace in ("team", "other"):
        assert f'signalbox_backend_waiting_requests{{backend="a",namespace="{namespace}"}} 4.0' in text
    assert set(loops.boards) == {"team", "other"}
