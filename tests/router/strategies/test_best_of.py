"""Best of N on the stage: the majority or a judge chooses, early where it can, with what is there where it must."""

import json
from typing import Any

import pytest
from stage import Stage

from signalbox.router.serving.chains import best_of
from waiting import until

BOTH = pytest.mark.parametrize("stream", [False, True])
MAJORITY = "majority: {}"
JUDGE = "judge: {target: wise, rubric: it is short}"


def policy(who: str = MAJORITY, targets: str = "{name: small, samples: 3}", more: str = "", debug: bool = False) -> str:
    return f"""
routes:
- name: all
  bestOf: {{targets: [{targets}], {who}}}
  {more}
debug: {"Allowed" if debug else "Denied"}
"""


@pytest.fixture
def in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates come to the judge in the order of their places."""
    monkeypatch.setattr(best_of, "_shuffle", lambda among: None)


@BOTH
async def test_the_majority_wins(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"answers": ["Four.", "five", "four!"]})
    await stage.open(policy())
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code, seen.target) == (200, "", "small")
    assert seen.text in {"Four.", "four!"}
    assert {call.body["temperature"] for call in stage.calls["small"]} == {0.7}
    [entry] = stage.router.entries()
    assert (entry["calls"], entry["tries"]) == (3, 3)


async def test_what_cannot_win_any_more_is_cancelled(stage: Stage) -> None:
    await stage.engine("small", {"times": 2, "answer": "Four."}, {"stalled": True})
    await stage.open(policy())
    assert (await stage.ask()).text == "Four."
    await until(lambda: stage.calls["small"].outcomes["cancelled"] == 1)
    usage = stage.router.entries()[0]
    assert (usage["calls"], usage["inputTokens"]) == (3, 14)


@BOTH
async def test_a_tie_goes_to_the_target_that_is_listed_first(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"answer": "Three.", "delay": 0.1})
    await stage.engine("strong", {"answer": "Four."})
    await stage.open(policy(targets="{name: small}, {name: strong}"))
    seen = await stage.ask(stream=stream, temperature=0.1)
    assert (seen.text, seen.target) == ("Three.", "small")
    [call] = stage.calls["strong"]
    assert call.body["temperature"] == 0.1


@BOTH
async def test_a_judge_chooses(stage: Stage, stream: bool, in_order: None) -> None:
    await stage.engine("small", {"answer": "Three."})
    await stage.engine("strong", {"answer": "Four."})
    await stage.engine("wise", {"answer": '{"best": 2}'})
    await stage.open(policy(JUDGE, "{name: small}, {name: strong}"))
    seen = await stage.ask(stream=stream)
    assert (seen.text, seen.target) == ("Four.", "strong")
    [call] = stage.calls["wise"]
    user = call.body["messages"][1]["content"]
    assert user.index("Three.") < user.index("Four.")
    assert stage.router.entries()[0]["calls"] == 3


async def test_judges_see_candidates_in_random_order(stage: Stage) -> None:
    await stage.engine("small", {"answer": "Three."})
    await stage.engine("strong", {"answer": "Four."})
    await stage.engine("wise", {"when": {"matches": r"begin answer (\d)\]\nFour"}, "answer": "{1}"})
    await stage.open(policy(JUDGE, "{name: small}, {name: strong}"))
    firsts = set()
    for _ in range(40):
        assert (await stage.ask()).text == "Four."
        user = next(iter(reversed(list(stage.calls["wise"])))).body["messages"][1]["content"]
        firsts.add(user.index("Three.") < user.index("Four."))
    assert firsts == {True, False}


async def test_where_all_say_the_same_nobody_judges(stage: Stage) -> None:
    await stage.engine("small", {"answer": "Four."})
    await stage.engine("wise", {"answer": "1"})
    await stage.open(policy(JUDGE))
    assert (await stage.ask()).text == "Four."
    assert not stage.calls["wise"]


@BOTH
@pytest.mark.parametrize("fault", [{"answer": "Both are nice."}, {"status": 500}, {"answer": "9"}, {"stalled": True}])
async def test_without_a_judgement_the_majority_is_asked(stage: Stage, stream: bool, fault: dict[str, Any]) -> None:
    await stage.engine("small", {"answers": ["Three.", "Four.", "four"]})
    await stage.engine("wise", fault)
    await stage.open(policy(JUDGE, more="limits: {timeout: 2s}"))
    seen = await stage.ask(stream=stream)
    assert seen.status == 200
    assert seen.text in {"Four.", "four"}


@BOTH
async def test_who_wants_errors_gets_the_judges(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"answers": ["Three.", "Four.", "Five."]})
    await stage.engine("wise", {"answer": "None."})
    await stage.open(policy(JUDGE, more="onFailure: Error"))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code, seen.target) == (502, "upstream_error", "wise")


@BOTH
@pytest.mark.parametrize("who", [MAJORITY, JUDGE])
async def test_what_is_there_at_the_deadline_counts(stage: Stage, stream: bool, who: str) -> None:
    await stage.engine("small", {"times": 1, "answer": "Four."}, {"stalled": True})
    await stage.engine("wise", {"answer": "1"})
    await stage.open(policy(who, more="limits: {timeout: 2s}"))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.text) == (200, "Four.")
    await until(lambda: stage.calls["small"].outcomes["cancelled"] == 2)


@BOTH
async def test_samples_that_fail_are_missed(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"times": 2, "status": 400}, {"answer": "Four."})
    await stage.open(policy())
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.text) == (200, "Four.")


@BOTH
async def test_all_fail(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"status": 500})
    await stage.open(policy())
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code) == (502, "upstream_error")


@BOTH
async def test_a_client_that_leaves_takes_all_along(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"stalled": True})
    await stage.open(policy())
    await stage.leave(lambda: stage.calls["small"].outcomes["open"] == 3, stream=stream)
    await until(lambda: stage.calls["small"].outcomes["cancelled"] == 3)
    await until(lambda: len(stage.router.entries()) == 1)
    [entry] = stage.router.entries()
    assert (entry["status"], entry["calls"], entry["target"]) == (499, 3, "small")


async def test_several_answers_come_from_the_first_target(stage: Stage) -> None:
    await stage.engine("small", {"answers": ["One.", "Two."]})
    await stage.engine("strong", {"answer": "Four."})
    await stage.open(policy(targets="{name: small}, {name: strong}"))
    seen = await stage.ask(n=2)
    assert (seen.choices, seen.target) == (["One.", "Two."], "small")
    assert not stage.calls["strong"]


async def test_calls_of_tools_have_votes(stage: Stage) -> None:
    calls = {"toolCalls": [{"name": "look", "arguments": {"at": "sky"}}]}
    await stage.engine("small", {"times": 1, "answer": "I think so."}, calls)
    await stage.open(policy())
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    seen = await stage.ask(tools=[tool])
    assert (seen.finish, [name for name, _ in seen.tools]) == ("tool_calls", ["look"])


async def test_the_trail(stage: Stage, in_order: None) -> None:
    await stage.engine("small", {"answers": ["Three.", "Four."]})
    await stage.engine("wise", {"answer": "2"})
    await stage.open(policy(JUDGE, "{name: small, samples: 2}", debug=True))
    seen = await stage.ask(headers={"x-signalbox-debug": "true"})
    told = json.loads(seen.headers["x-signalbox-trail"])
    assert sorted(each["what"] for each in told) == ["judge", "judge", "sample 1", "sample 2"]
    assert told[-1] == {"what": "judge", "verdict": "chose small"}
