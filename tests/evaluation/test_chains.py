"""Strategies that ask several models, on answers that were recorded."""

from math import log
from pathlib import Path
from typing import Any

import pytest
from replaying import answer, line, replayed

from signalbox.evaluation.outcome import Outcome

SURE, UNSURE = [log(0.9)] * 3, [log(0.5)] * 3


def cascade(accept: str, limits: str = "{}") -> str:
    return f"""
  routes:
  - name: all
    cascade:
      steps: [{{target: small, accept: {accept}}}, {{target: strong}}]
    limits: {limits}
"""


def answers(**fields: Any) -> dict[str, Any]:
    """A wrong one of the small target, a right one of the strong."""
    return {"small": answer("12", correct=False, **fields), "strong": answer("13", correct=True)}


def one(path: Path, policy: str, **fields: Any) -> Outcome:
    return replayed(path, policy, line(**fields)).outcomes[0]


def test_log_probabilities_accept_or_go_on(tmp_path: Path) -> None:
    policy = cascade("{logProbs: {}, minPercent: 80}")
    accepted = one(tmp_path, policy, answers=answers(logprobs=SURE))
    assert (accepted.shares, accepted.quality, accepted.calls, accepted.latency_ms) == ({"small": 1.0}, 0.0, 1, 100)
    gone_on = one(tmp_path, policy, answers=answers(logprobs=UNSURE))
    assert (gone_on.shares, gone_on.quality, gone_on.calls, gone_on.latency_ms) == ({"strong": 1.0}, 1.0, 2, 200)
    assert gone_on.cost == pytest.approx(20 * 101 / 1e6)
    assert (accepted.urge, gone_on.urge) == (pytest.approx(0.1), pytest.approx(0.5))


def test_nothing_is_guessed(tmp_path: Path) -> None:
    policy = cascade("{logProbs: {}, minPercent: 80}")
    assert one(tmp_path, policy, scores={"small": 1, "strong": 1}).lacks == "no answer of target small (answers.small)"
    assert one(tmp_path, policy, answers=answers()).lacks.startswith("no log-probabilities of target small")
    unsure = {"small": answer(logprobs=UNSURE)}
    assert one(tmp_path, policy, answers=unsure).lacks == "no answer of target strong (answers.strong)"
    sure = {"small": answer(logprobs=SURE)}
    unknown = one(tmp_path, policy, answers=sure)
    assert (unknown.shares, unknown.quality) == ({"small": 1.0}, None)
    assert unknown.ways[0].why == "whether the answer of target small is right is not known"
    assert one(tmp_path, policy, answers=sure, scores={"small": 0.4}).quality == 0.4


def test_expressions_ask_the_answer(tmp_path: Path) -> None:
    policy = cascade("{expression: answer.chars > 5 && !answer.refusal}")
    assert one(tmp_path, policy, answers=answers()).shares == {"strong": 1.0}
    long = {**answers(), "small": answer("The answer is 12.")}
    assert one(tmp_path, policy, answers=long).shares == {"small": 1.0}
    ended = cascade('{expression: answer.finishReason == "stop"}')
    assert "(finishReason)" in one(tmp_path, ended, answers=answers()).lacks
    assert one(tmp_path, ended, answers=answers(finishReason="length")).shares == {"strong": 1.0}
    assert one(tmp_path, ended, answers=answers(finishReason="stop")).shares == {"small": 1.0}


def test_an_answer_that_calls_a_tool_is_accepted(tmp_path: Path) -> None:
    called = answers(toolCalls=[{"type": "function", "function": {"name": "add", "arguments": "{}"}}])
    assert one(tmp_path, cascade("{expression: answer.chars > 5}"), answers=called).shares == {"small": 1.0}


def test_samples_that_agree(tmp_path: Path) -> None:
    policy = cascade("{agreement: {samples: 3}, minPercent: 60}")
    assert "3 answers of target small are needed, 1 recorded" in one(tmp_path, policy, answers=answers()).lacks
    agreed = one(tmp_path, policy, answers=answers(samples=[answer(" 12."), answer("9")]))
    assert (agreed.shares, agreed.calls) == ({"small": 1.0}, 3)
    split = one(tmp_path, policy, answers=answers(samples=[answer("8"), answer("9")]))
    assert (split.shares, split.calls) == ({"strong": 1.0}, 4)
    outvoted = one(tmp_path, policy, answers=answers(samples=[answer("13", correct=True), answer("13", correct=True)]))
    assert (outvoted.shares, outvoted.quality) == ({"small": 1.0}, 1.0)


def test_what_a_judge_said_is_recorded_or_lacks(tmp_path: Path) -> None:
    policy = cascade("{judge: {target: middle}, minPercent: 70}")
    assert "(answers.small.judged.middle)" in one(tmp_path, policy, answers=answers()).lacks
    good = one(tmp_path, policy, answers=answers(judged={"middle": 90}))
    assert (good.shares, good.calls, good.estimated) == ({"small": 1.0}, 2, True)
    assert one(tmp_path, policy, answers=answers(judged={"middle": 50})).shares == {"strong": 1.0}


def test_who_cannot_serve_it_is_no_step(tmp_path: Path) -> None:
    long = replayed(tmp_path, cascade("{expression: 'false'}"), line("word " * 200, answers=answers())).outcomes[0]
    assert (long.shares, long.calls) == ({"strong": 1.0}, 1)
    # What comes last of those that can is not judged any more.
    policy = """
  routes:
  - {name: all, cascade: {steps: [{target: strong, accept: {expression: 'false'}}, {target: small}]}}
"""
    long = replayed(tmp_path, policy, line("word " * 200, answers=answers())).outcomes[0]
    assert long.shares == {"strong": 1.0}


def test_nothing_is_asked_that_could_cost_too_much(tmp_path: Path) -> None:
    # One token in and ten out, as the longest recorded answer of the target has: 11 millionths.
    policy = cascade("{logProbs: {}, minPercent: 80}", '{maxCost: "0.000001"}')
    assert one(tmp_path, policy, answers=answers(logprobs=UNSURE)).refused.startswith("400: an answer could cost more")


def test_limits_end_a_chain_with_the_best_so_far(tmp_path: Path) -> None:
    policy = cascade("{logProbs: {}, minPercent: 80}", '{maxCost: "0.0001"}')
    ended = one(tmp_path, policy, answers=answers(logprobs=UNSURE))
    assert (ended.shares, ended.calls) == ({"small": 1.0}, 1)


@pytest.mark.parametrize(("middle", "best"), [(0.4, "small"), (0.6, "middle")])
def test_the_best_so_far_is_the_one_that_was_judged_best(tmp_path: Path, middle: float, best: str) -> None:
    accept = "accept: {logProbs: {}, minPercent: 80}"
    policy = f"""
  routes:
  - name: all
    cascade: {{steps: [{{target: small, {accept}}}, {{target: middle, {accept}}}, {{target: strong}}]}}
    limits: {{maxCost: "0.0005"}}
"""
    made = answers(logprobs=UNSURE) | {"middle": answer("13", logprobs=[log(middle)] * 3)}
    assert one(tmp_path, policy, answers=made).shares == {best: 1.0}


def test_several_choices_go_to_the_last_step(tmp_path: Path) -> None:
    asked = {"request": {"messages": [{"role": "user", "content": "Why?"}], "n": 2}, "answers": answers()}
    assert replayed(tmp_path, cascade("{expression: 'true'}"), asked).outcomes[0].shares == {"strong": 1.0}


def test_a_step_may_be_a_weighted_set(tmp_path: Path) -> None:
    policy = """
  routes:
  - name: all
    cascade:
      steps:
      - weighted: {targets: [{name: small, weight: 1}, {name: middle, weight: 3}]}
        accept: {expression: answer.text == "12"}
      - target: strong
"""
    found = one(tmp_path, policy, answers={**answers(), "middle": answer("11", correct=False)})
    assert found.shares == {"small": 0.25, "strong": 0.75}
    assert found.quality == 0.75
    assert found.calls == pytest.approx(0.25 * 1 + 0.75 * 2)


def test_the_majority_wins(tmp_path: Path) -> None:
    policy = """
  routes:
  - {name: all, bestOf: {targets: [{name: small, samples: 2}, {name: strong}], majority: {equality: Numeric}}}
"""
    found = one(tmp_path, policy, answers=answers(samples=[answer("It is 13", correct=True)]))
    # The first place of those that agree is the small target's second sample.
    assert (found.shares, found.quality, found.calls) == ({"small": 1.0}, 1.0, 3)
    assert found.latency_ms == 100
    assert "2 answers of target small are needed" in one(tmp_path, policy, answers=answers()).lacks


def test_the_choice_of_a_judge_is_not_guessed(tmp_path: Path) -> None:
    policy = """
  routes:
  - {name: all, bestOf: {targets: [{name: small}, {name: strong}], judge: {target: middle}}}
"""
    assert "judge middle finds best" in one(tmp_path, policy, answers=answers()).lacks
    same = {"small": answer("12", correct=True), "strong": answer("12")}
    assert one(tmp_path, policy, answers=same).shares == {"small": 1.0}  # nothing to choose from


def test_agreement_or_a_stronger_target(tmp_path: Path) -> None:
    policy = """
  routes:
  - {name: all, consensus: {targets: [{name: small}, {name: middle}], escalateTo: strong, minPercent: 70}}
"""
    agreed = one(tmp_path, policy, answers={**answers(), "middle": answer("12!", correct=False)})
    assert (agreed.shares, agreed.calls, agreed.latency_ms) == ({"small": 1.0}, 2, 100)
    split = one(tmp_path, policy, answers={**answers(), "middle": answer("14", correct=False)})
    assert (split.shares, split.quality, split.calls, split.latency_ms) == ({"strong": 1.0}, 1.0, 3, 200)
    judged = policy.replace("minPercent: 70", "minPercent: 70, equality: Judged, judge: {target: strong}")
    assert "judge of the consensus" in one(tmp_path, judged, answers={**answers(), "middle": answer("14")}).lacks
