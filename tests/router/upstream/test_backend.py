"""Where the endpoints of a Service cannot be reached, its name is asked."""

import time
from collections import Counter
from random import Random

import pytest

from signalbox.router.upstream.backend import BackendState, Prepared
from signalbox.router.upstream.dial import Dialer, Proxies
from signalbox.router.upstream.tls import TlsContexts
from signalbox.routing.address_rules import AddressRules
from signalbox.routing.affinity import seed_of
from signalbox.routing.config import Address, Backend
from signalbox.routing.ejection import Cause

PODS = (Address(host="10.0.0.1", port=8000), Address(host="10.0.0.2", port=8000))
NAME = Address(host="llama.team.svc", port=80)


def state(**fields: object) -> BackendState:
    given: dict[str, object] = {"endpoints": PODS, "dns": NAME, **fields}
    config = Backend(name="a", model="m", authority="llama.team.svc", **given)  # type: ignore[arg-type]
    rules = AddressRules()
    dialer = Dialer(rules, Proxies({}))
    return BackendState(Prepared(config, {}, TlsContexts()), 1, dialer, lambda *_: None, Random(1))


def fail(backend: BackendState, cause: Cause, now: float = 1.0) -> list[object]:
    """One request that fails at every endpoint; where it went."""
    tried: list[object] = []
    while (endpoint := backend.choose(now, tried)) is not None:  # type: ignore[arg-type]
        endpoint.health.started(now)
        endpoint.health.failed(now, now, cause)
        tried.append(endpoint)
    return [endpoint.address for endpoint in tried]  # type: ignore[attr-defined]


def test_the_name_is_tried_in_the_same_request() -> None:
    backend = state()
    assert fail(backend, Cause.CONNECT)[2:] == [NAME]
    assert NAME in [endpoint.address for endpoint in backend.endpoints]


def test_errors_are_no_reason_to_ask_the_name() -> None:
    """It would lead to the same pods, past their ejection."""
    assert sorted(map(str, fail(state(), Cause.ERROR))) == sorted(map(str, PODS))


def test_one_that_can_be_reached_is_enough() -> None:
    backend = state()
    first = backend.choose(1.0, [])
    assert first is not None
    first.health.started(1.0)
    first.health.failed(1.0, 1.0, Cause.CONNECT)
    second = backend.choose(1.0, [first])
    assert second is not None
    second.health.started(1.0)
    second.health.failed(1.0, 1.0, Cause.ERROR)
    assert backend.choose(1.0, [first, second]) is None


@pytest.mark.parametrize("fields", [{"dns": None}, {"endpoints": ()}, {"endpoints": (NAME,)}])
def test_where_there_is_no_other_name_there_is_nothing_more(fields: dict[str, object]) -> None:
    backend = state(**fields)
    before = len(backend.endpoints)
    fail(backend, Cause.CONNECT)
    assert len(backend.endpoints) == before


def test_a_new_configuration_takes_the_name_away() -> None:
    backend = state()
    fail(backend, Cause.CONNECT)
    backend.update(backend.prepared, 1)
    assert [endpoint.address for endpoint in backend.endpoints] == list(PODS)


MORE = tuple(Address(host=f"10.0.0.{number}", port=8000) for number in range(1, 5))


def shares(backend: BackendState, now: float, affine: bool = False) -> dict[str, float]:
    """Which part of many choices each endpoint gets."""
    counts: Counter[str] = Counter()
    for number in range(4000):
        chosen = backend.choose(now, [], seed_of(str(number)) if affine else None, 125)
        assert chosen is not None
        counts[chosen.address.host] += 1
    return {host: count / 4000 for host, count in counts.items()}


@pytest.mark.parametrize("affine", [False, True])
def test_a_new_endpoint_begins_slowly(affine: bool) -> None:
    backend = state(endpoints=MORE[:3], slow_start_ms=20_000)
    backend.use(MORE)
    began = time.monotonic()
    found = [shares(backend, began + seconds, affine).get(MORE[3].host, 0.0) for seconds in (0.0, 10.0, 21.0)]
    assert found[0] == pytest.approx(0.1 / 4, abs=0.02)
    assert found[0] < found[1] < found[2]
    assert found[2] == pytest.approx(0.25, abs=0.03)


def test_who_is_not_new_beside_others_begins_at_once() -> None:
    assert shares(state(endpoints=MORE), time.monotonic())[MORE[3].host] == pytest.approx(0.25, abs=0.03)
    replaced = state(endpoints=MORE[:2])
    replaced.use(MORE[2:])
    assert shares(replaced, time.monotonic())[MORE[3].host] == pytest.approx(0.5, abs=0.03)
    alone = state(endpoints=MORE[:1])
    alone.use(MORE[1:2])
    assert alone.choose(time.monotonic(), []) is alone.endpoints[0]
