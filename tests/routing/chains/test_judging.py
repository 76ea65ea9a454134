"""What judges are asked, and what of their words counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saying import answer, calling

from signalbox.routing.chains import judging

ASKED = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which way?"}]}


def test_a_request_holds_everything_as_data() -> None:
    answers = [answer("Left."), answer(None, **calling("turn", '{"to": "right"}'))]
    body = judging.request("best", "it is safe", "chat", ASKED, answers, "k3y", schema=True)
    system, user = (message["content"] for message in body["messages"])
    assert "it is safe" in system
    assert "k3y" in system
    assert "system: Be brief.\n\nuser: Which way?" in user
    assert "[k3y begin answer 1]\nLeft.\n[k3y end answer 1]" in user
    assert '[k3y begin answer 2]\ncalls turn with {"to": "right"}\n[k3y end answer 2]' in user
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["best"]
    assert "response_format" not in judging.request("score", "", "chat", ASKED, answers, "k", schema=False)


def test_without_a_rubric_there_is_one() -> None:
    body = judging.request("score", "", "completions", {"prompt": "Say hi"}, [answer("hi")], "k", schema=False)
    assert judging.RUBRIC in body["messages"][0]["content"]
    assert "Say hi" in body["messages"][1]["content"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"score": 85}', 85),
        ('```json\n{"score": 0}\n```', 0),
        (" 100\n", 100),
        ("101", None),
        ("-1", None),
        ("8.5", None),
        ("true", None),
        ('{"score": "85"}', None),
        ('{"score": 85, "note": "good"}', None),
        ("I would say 85", None),
        ("85/100", None),
        ("", None),
    ],
)
def test_a_score(text: str, expected: int | None) -> None:
    assert judging.score(text) == expected


def test_a_fence_without_an_end_is_read_once() -> None:
    assert judging.score("```" + " " * 1_000_000 + "x") is None
    assert judging.score("```json" + "\n" * 1_000_000 + "80```") == 80


@pytest.mark.parametrize(
    ("text", "expected"), [('{"best": 1}', 0), ("3", 2), ("0", None), ("4", None), ("Answer 2", None)]
)
def test_the_best(text: str, expected: int | None) -> None:
    assert judging.best(text, 3) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"groups": [[1, 3], [2]]}', [[0, 2], [1]]),
        ("[[1], [2], [3]]", [[0], [1], [2]]),
        ('{"groups": [[1, 2]]}', None),
        ('{"groups": [[1, 2], [2, 3]]}', None),
        ('{"groups": [[1, 2, 3, 4]]}', None),
        ('{"groups": [1, 2, 3]}', None),
        ('{"groups": [[1, true, 3]]}', None),
        ("same", None),
    ],
)
def test_groups(text: str, expected: list[list[int]] | None) -> None:
    assert judging.groups(text, 3) == expected


@given(st.text())
def test_nonsense_never_raises(text: str) -> None:
    score, best = judging.score(text), judging.best(text, 2)
    assert score is None or 0 <= score <= 100
    assert best in {None, 0, 1}
    judging.groups(text, 2)
