"""How many calls a chain needs."""

import pytest

from signalbox.plan.checking.chains import calls_of
from signalbox.routing import config


def step(target: str, accept: config.Accept | None = None) -> config.Step:
    return config.Step(targets=(config.Share(target=target),), accept=accept)


def cascade(*accepts: config.Accept) -> config.Cascade:
    return config.Cascade(steps=(*(step("a", accept) for accept in accepts), step("b")))


JUDGE = config.Judge(target="j")


@pytest.mark.parametrize(
    ("chain", "calls"),
    [
        (cascade(config.ByLogProbs(min_percent=70)), 2),
        (cascade(config.ByJudge(min_percent=70, judge=JUDGE), config.ByLogProbs(min_percent=70)), 4),
        (cascade(config.ByAgreement(min_percent=60, samples=3)), 4),
        (config.BestOf(targets=(config.Sampled(target="a", samples=3),), judge=JUDGE), 4),
        (config.BestOf(targets=(config.Sampled(target="a", samples=5), config.Sampled(target="b"))), 6),
        (config.Consensus(targets=(config.Voter(target="a"), config.Voter(target="b")), escalate_to="c"), 3),
        (
            config.Consensus(
                targets=tuple(config.Voter(target=each) for each in "abc"),
                escalate_to="d",
                equality="Judged",
                judge=JUDGE,
            ),
            5,
        ),
    ],
)
def test_calls(chain: config.Chain, calls: int) -> None:
    assert calls_of(chain) == calls
