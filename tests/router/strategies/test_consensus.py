"""Consensus on the stage: agreement by each equality, votes by quality, escalation."""

import json
from typing import Any

import pytest
from stage import FEATURES, Stage

from waiting import until

BOTH = pytest.mark.parametrize("stream", [False, True])
STRONG = {"answer": "Strong says so."}


def policy(more: str = "", route: str = "", voters: str = "{name: a}, {name: b}", debug: bool = False) -> str:
    return f"""
routes:
- name: all
  consensus: {{targets: [{voters}], escalateTo: strong {more}}}
  {route}
debug: {"Allowed" if debug else "Denied"}
"""


async def voters(stage: Stage, *answers: Any, qualities: tuple[int, ...] = ()) -> None:
    for number, (name, answer) in enumerate(zip("abc", answers, strict=False)):
        rule = answer if isinstance(answer, dict) else {"answer": answer}
        profile: dict[str, Any] = {"contextWindow": 8192, "features": FEATURES}
        if qualities:
            profile["quality"] = qualities[number]
        await stage.engine(name, rule)
        stage._specs[name]["profile"] = profile
    await stage.engine("strong", STRONG)


@BOTH
@pytest.mark.parametrize(
    ("equality", "one", "other", "agree"),
    [
        ("Exact", "Four.", "Four.", True),
        ("Exact", "Four.", "four", False),
        ("Normalized", "Four.", "four", True),
        ("Normalized", "Four.", "five", False),
        ("Numeric", "It is 4.", "2 + 2 = 4.0", True),
        ("Numeric", "It is 4.", "It is 5.", False),
    ],
)
async def test_agreement(stage: Stage, stream: bool, equality: str, one: str, other: str, agree: bool) -> None:
    await voters(stage, one, other)
    await stage.open(policy(f", equality: {equality}"))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code, seen.text) == (200, "", one if agree else "Strong says so.")
    assert seen.target == ("a" if agree else "strong")
    assert stage.router.entries()[0]["calls"] == (2 if agree else 3)


async def test_votes_weigh_as_much_as_quality(stage: Stage) -> None:
    await voters(stage, "Four.", "Five.", "Five.", qualities=(80, 20, 20))
    await stage.open(policy(voters="{name: a}, {name: b}, {name: c}"))
    assert (await stage.ask()).text == "Four."


async def test_who_cannot_change_it_any_more_is_cancelled(stage: Stage) -> None:
    await voters(stage, "Four.", "Four.", {"stalled": True})
    await stage.open(policy(voters="{name: a}, {name: b}, {name: c}"))
    assert (await stage.ask()).text == "Four."
    await until(lambda: stage.calls["c"].outcomes["cancelled"])


@BOTH
@pytest.mark.parametrize(
    ("word", "target"), [('{"groups": [[1, 2]]}', "a"), ('{"groups": [[1], [2]]}', "strong"), ("Yes.", "strong")]
)
async def test_a_judge_finds_answers_equal(stage: Stage, stream: bool, word: str, target: str) -> None:
    await voters(stage, "It rains.", "There is rain.")
    await stage.engine("wise", {"answer": word})
    await stage.open(policy(", equality: Judged, judge: {target: wise}"))
    seen = await stage.ask(stream=stream)
    assert seen.target == target


@BOTH
async def test_where_the_judge_costs_too_much_the_largest_group_is_the_answer(stage: Stage, stream: bool) -> None:
    await voters(stage, "It rains.", "There is rain.")
    await stage.engine("wise", {"answer": "?"}, pricing={"inputPerMillion": "1", "outputPerMillion": "1000"})
    await stage.open(policy(", equality: Judged, judge: {target: wise}", route='limits: {maxCost: "0.001"}'))
    seen = await stage.ask(stream=stream, max_tokens=9)
    assert (seen.status, seen.text, seen.target) == (200, "It rains.", "a")
    assert not stage.calls["wise"]


async def test_what_is_equal_anyway_is_not_judged(stage: Stage) -> None:
    await voters(stage, "It rains.", "it rains")
    await stage.engine("wise", {"answer": "?"})
    await stage.open(policy(", equality: Judged, judge: {target: wise}"))
    assert (await stage.ask()).text == "It rains."
    assert not stage.calls["wise"]


@BOTH
@pytest.mark.parametrize("fault", [{"status": 500}, {"stalled": True}])
@pytest.mark.parametrize(
    ("how", "status", "target"), [("NextStep", 200, "strong"), ("BestSoFar", 200, "a"), ("Error", 0, "b")]
)
async def test_a_voter_that_fails_agrees_with_nobody(
    stage: Stage, stream: bool, fault: dict[str, Any], how: str, status: int, target: str
) -> None:
    await voters(stage, "Four.", fault)
    await stage.open(policy(route=f"onFailure: {how}\n  limits: {{timeout: 2s}}"))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.target) == (status or (504 if fault.get("stalled") else 502), target)


@BOTH
async def test_where_the_stronger_fails_the_best_so_far_is_the_answer(stage: Stage, stream: bool) -> None:
    for name, rule in (("a", {"answer": "Four."}), ("b", {"answer": "Five."}), ("strong", {"status": 500})):
        await stage.engine(name, rule)
    await stage.open(policy())
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.text, seen.target) == (200, "Four.", "a")


@BOTH
async def test_all_voters_fail(stage: Stage, stream: bool) -> None:
    await voters(stage, {"status": 500}, {"status": 500})
    await stage.open(policy())
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.text) == (200, "Strong says so.")


async def test_several_answers_come_from_the_stronger_one(stage: Stage) -> None:
    await voters(stage, "Four.", "Four.")
    await stage.open(policy())
    assert (await stage.ask(n=2)).target == "strong"
    assert not stage.calls["a"]


@BOTH
async def test_a_client_that_leaves_takes_all_along(stage: Stage, stream: bool) -> None:
    await voters(stage, {"stalled": True}, {"stalled": True})
    await stage.open(policy())
    await stage.leave(lambda: all(stage.calls[name].outcomes["open"] for name in "ab"), stream=stream)
    await until(lambda: all(stage.calls[name].outcomes["cancelled"] for name in "ab"))


async def test_the_trail(stage: Stage) -> None:
    await voters(stage, "Four.", "Five.")
    await stage.open(policy(debug=True))
    seen = await stage.ask(headers={"x-signalbox-debug": "true"})
    *asked, votes, live = json.loads(seen.headers["x-signalbox-trail"])
    assert sorted(each["what"] for each in asked) == ["voter 1", "voter 2"]
    assert votes == {
        "what": "votes", "score": 50.0, "verdict": "not agreed", "why": "50 of 100, 50 of 100; at least 60 percent"
    }  # fmt: skip
    assert live == {"what": "escalation", "said": "live"}
