"""How many calls a chain needs."""

import pytest

from signalbox.plan.checking.chains import Calls, calls_of
from signalbox.routing import config


def step(target: str, accept: config.Accept | None = None) -> config.Step:
    return config.Step(targets=(config.Share(target=target),), accept=accept)


def cascade(*accepts: config.Accept) -> config.Cascade:
    return config.Cascade(steps=(*(step("a", accept) for accept in accepts), step("b")))


JUDGE = config.Judge(target="j")


@pytest.mark.parametrize(
    ("chain", "least", "most"),
    [
        (cascade(config.ByLogProbs(min_percent=70)), 2, 2),
        (cascade(config.ByJudge(min_percent=70, judge=JUDGE), config.ByLogProbs(min_percent=70)), 4, 4),
        # Of three, two must be equal: two others that differ settle it. Of five that must all be equal, one.
        (cascade(config.ByAgreement(min_percent=60, samples=3)), 4, 4),
        (cascade(config.ByAgreement(min_percent=100, samples=5)), 3, 6),
        (cascade(config.ByAgreement(min_percent=0, samples=4)), 5, 5),
        (config.BestOf(targets=(config.Sampled(target="a", samples=3),), judge=JUDGE), 4, 4),
        (config.BestOf(targets=(config.Sampled(target="a", samples=5),)), 3, 5),
        (config.Consensus(targets=(config.Voter(target="a"), config.Voter(target="b")), escalate_to="c"), 3, 3),
        (
            config.Consensus(
                targets=tuple(config.Voter(target=each) for each in "abc"),
                escalate_to="d",
                equality="Judged",
                judge=JUDGE,
            ),
            5,
            5,
        ),
    ],
)
def test_calls(chain: config.Chain, least: int, most: int) -> None:
    assert calls_of(chain) == Calls(least, most)
