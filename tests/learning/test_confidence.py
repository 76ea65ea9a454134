"""Learning how likely answers are right."""

import random

import msgspec
import pytest

from signalbox.learning.confidence import Answers, fit
from signalbox.learning.examples import Answer, Example, ExamplesError
from signalbox.learning.job import Done, Job, Refused, Source, run
from signalbox.routing.chains.confidence import confidence, decode

SMALL = Answers(("small",))


def answered(count: int, seed: int = 1) -> list[Example]:
    """Sure answers are right nine times in ten, unsure ones three times; their probabilities say .99 and .6."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        sure = draw.random() < 0.5
        logprobs = tuple(-draw.expovariate(100.0 if sure else 2.0) for _ in range(draw.randint(5, 40)))
        answer = Answer("word " * len(logprobs), logprobs, draw.random() < (0.9 if sure else 0.3))
        made.append(Example("why?", answers={"small": answer, "other": Answer("no", (-5.0,), False)}))
    return made


def test_confidence_is_the_probability_to_be_right() -> None:
    data, report = fit(answered(400), SMALL)
    model = decode(data)
    assert model.targets == ("small",)
    assert confidence(model, [-0.01] * 20, 100) == pytest.approx(0.9, abs=0.07)
    assert confidence(model, [-0.5, -0.1, -1.9, -0.3] * 5, 100) < 0.4
    assert report.examples == 400
    assert report.ece < 0.15 < report.uncalibrated_ece
    assert report.auc > 0.75


def test_the_same_answers_give_the_same_bytes() -> None:
    assert fit(answered(150), SMALL) == fit(answered(150), SMALL)


def test_too_few_answers_are_refused_with_the_line_that_is_needed() -> None:
    with pytest.raises(ExamplesError, match=r'99 of small have correct and logprobs, and 100 are needed: {"prompt"'):
        fit(answered(99), SMALL)
    with pytest.raises(ExamplesError, match="0 of nobody have"):
        fit(answered(200), Answers(("nobody",)))


def test_answers_that_are_all_right_teach_nothing() -> None:
    right = [Example("a", answers={"small": Answer("b", (-0.1,), True)})] * 120
    with pytest.raises(ExamplesError, match="all of small are right; give some of both"):
        fit(right, SMALL)


def test_a_job_may_ask_for_it() -> None:
    text = "\n".join(
        msgspec.json.encode(
            {"prompt": "a", "answers": {"small": {"logprobs": [-0.1 * i], "correct": i % 3 > 0}}}
        ).decode()
        for i in range(120)
    )
    done = run(Job((Source("f", text),), answers=SMALL))
    assert isinstance(done, Done)
    assert decode(done.artefact).examples == 120
    refused = run(Job((Source("f", text),)))
    assert refused == Refused(("this is no job: it has neither settings of a classifier nor answers",))
