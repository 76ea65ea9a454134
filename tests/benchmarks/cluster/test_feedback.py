"""Shares that are counted: a router that sends nothing has changed nothing."""

import pytest

from benchmarks.cluster import feedback
from benchmarks.harness.errors import BenchError


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What a router has begun to send; each look is a second after the one before."""
    counts, now = dict.fromkeys(feedback.NAMES, 0.0), iter(range(1000))
    monkeypatch.setattr(feedback, "started", lambda host: dict(counts))
    monkeypatch.setattr(feedback.time, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(feedback.time, "sleep", lambda seconds: None)
    return counts


def test_a_router_that_sends_nothing_has_not_fallen(sent: dict[str, float]) -> None:
    fallen = feedback.Shares("router", "one").fallen_to(0.3)
    assert not any(fallen() for _ in range(10))
    for _ in range(10):
        sent["two"] += 20.0
        found = fallen()
    assert found


def test_a_router_that_sends_nothing_has_no_share(sent: dict[str, float]) -> None:
    with pytest.raises(BenchError, match="router router sent next to nothing"):
        feedback.Shares("router", "one").over(6.0)
