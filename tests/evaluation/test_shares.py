"""Whatever a cascade draws and accepts, each request has one answer and pays for what it asked."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.evaluation.lines import read
from signalbox.evaluation.run import run
from signalbox.routing import config

NAMES = ("a", "b", "c")
BACKENDS = {name: config.Backend(name, name, "x", pricing=config.Pricing(10**6, 10**6)) for name in NAMES}
SHARES = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 9), min_size=1)
ANSWERS = st.fixed_dictionaries(
    {
        name: st.fixed_dictionaries(
            {
                "text": st.sampled_from(["1", "2"]),
                "logprobs": st.lists(st.floats(-5.0, 0.0), min_size=1, max_size=3),
                "correct": st.booleans(),
                "inputTokens": st.integers(0, 9),
                "outputTokens": st.integers(0, 9),
                "latencyMs": st.integers(0, 99),
            }
        )
        for name in NAMES
    }
)


@given(st.lists(st.tuples(SHARES, st.integers(0, 100)), min_size=1, max_size=3), ANSWERS)
def test_ways_share_all_requests(steps: list[tuple[dict[str, int], int]], answers: dict[str, object]) -> None:
    compiled = tuple(
        config.Step(
            tuple(config.Share(name, weight) for name, weight in shares.items()),
            accept=config.ByLogProbs(least) if number < len(steps) - 1 else None,
        )
        for number, (shares, least) in enumerate(steps)
    )
    policy = config.Policy(
        "p",
        ("m",),
        config.Access(anonymous=True),
        tuple(config.Target(name, name) for name in NAMES),
        (config.Route("all", config.Cascade(compiled)),),
    )
    lines = read(json.dumps({"prompt": "?", "answers": answers}).encode(), "lines")
    outcome = run([(policy, BACKENDS)], lines, lambda _: None)[0].outcomes[0]
    assert sum(outcome.shares.values()) == pytest.approx(1.0)
    assert set(outcome.shares) <= {name for shares, _ in steps for name in shares}
    told = {name: msgspec.convert(each, dict[str, object]) for name, each in answers.items()}
    dearest = max(int(str(each["inputTokens"])) + int(str(each["outputTokens"])) for each in told.values())
    for way in outcome.ways:
        assert 1 <= way.calls <= len(steps)
        assert way.cost is not None
        assert 0.0 <= way.cost <= way.calls * dearest * 1e-6 + 1e-12
    assert outcome.quality is not None
    assert -1e-9 <= outcome.quality <= 1.0 + 1e-9
