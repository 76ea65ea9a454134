"""What a backend is expected to do next: what objectives compare."""

import time
from random import Random

import pytest

from signalbox.router.upstream.backend import BackendState, Prepared
from signalbox.router.upstream.dial import Dialer, Proxies
from signalbox.router.upstream.tls import TlsContexts
from signalbox.routing.address_rules import AddressRules
from signalbox.routing.config import Address, Backend, Limits, Profile

TWO = (Address(host="10.0.0.1", port=8000), Address(host="10.0.0.2", port=8000))


def state(**fields: object) -> BackendState:
    config = Backend(**{"name": "a", "model": "m", "authority": "a", "endpoints": TWO, **fields})  # type: ignore[arg-type]
    prepared = Prepared(config, {}, TlsContexts())
    return BackendState(prepared, 1, Dialer(AddressRules(), Proxies({})), lambda *_: None, Random(1))


def test_answers_are_as_long_as_they_were_beside_a_prior() -> None:
    backend = state()
    assert backend.expected_output_tokens == 300.0
    for _ in range(10):
        backend.wrote(500, time.monotonic())
    assert backend.expected_output_tokens == pytest.approx(400.0, rel=0.01)
    for _ in range(200):
        backend.wrote(500, time.monotonic())
    assert backend.expected_output_tokens == pytest.approx(490.0, rel=0.01)


def test_the_first_token_comes_as_it_came_beside_what_is_said() -> None:
    now = time.monotonic()
    silent, said = state(), state(profile=Profile(latency_ms=100))
    assert (silent.expected_ttft_ms, said.expected_ttft_ms) == (None, 100.0)
    for backend in (silent, said):
        backend.served(False, None, now)  # a unary answer says nothing of it
        backend.served(False, 0.3, now)
    assert silent.expected_ttft_ms == pytest.approx(300.0)
    assert said.expected_ttft_ms == pytest.approx((100.0 * 10 + 300.0) / 11, rel=0.01)


@pytest.mark.parametrize(
    ("fields", "capacity"),
    [({}, 512), ({"limits": Limits(max_in_flight=40)}, 40), ({"concurrency": 4, "limits": Limits(max_in_flight=9)}, 8)],
)
def test_without_a_sample_requests_are_counted_against_what_it_runs_at_once(
    fields: dict[str, object], capacity: int
) -> None:
    backend = state(**fields)
    assert backend.load == 0.0
    for _ in range(6):
        backend.backlog.began(time.monotonic())
    assert backend.load == 6 / capacity


def test_a_sample_counts_with_what_was_sent_since() -> None:
    now = time.monotonic()
    backend = state()
    backend.backlog.sample(9.0, None, 0.0, now)
    backend.engine_load.heard(0, 0.5, None, now + 60.0)
    backend.sampled()
    assert backend.load == 0.5
    for _ in range(10):
        backend.backlog.began(now)
    assert backend.load == pytest.approx(1.0)
    backend.engine_load.forget()
    assert backend.load == pytest.approx(19 / 512)
