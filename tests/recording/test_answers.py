"""What is written down of an answer."""

import msgspec
import pytest

from signalbox.recording.answers import is_right, recorded


def test_all_that_is_said_is_written_down() -> None:
    content = {
        "choices": [
            {
                "message": {"content": "It is 391.", "tool_calls": []},
                "finish_reason": "stop",
                "logprobs": {"content": [{"logprob": -0.1}, {"logprob": -9999.0}]},
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 4},
    }
    assert recorded(msgspec.json.encode(content), {}, 0.25, "391") == {
        "text": "It is 391.",
        "logprobs": [-0.1, -9999.0],
        "correct": True,
        "inputTokens": 12,
        "outputTokens": 4,
        "latencyMs": 250.0,
        "finishReason": "stop",
    }


def test_what_is_not_said_is_left_out() -> None:
    content = b'{"choices": [{"message": {"content": "yes"}}]}'
    assert recorded(content, {}, 0.001, "") == {"text": "yes", "latencyMs": 1.0}


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"error": {"message": "no"}}'])
def test_what_is_no_answer_is_none(content: bytes) -> None:
    assert recorded(content, {}, 0.0, "") is None


@pytest.mark.parametrize(
    ("text", "expected", "right"),
    [
        ("So the total is $1,234.50.", "1234.5", True),
        ("First 12, then 13", "12", False),
        ("No idea", "12", False),
        ("No idea", "9" * 500, False),
        ("Paris.", "paris", True),
        ("It is Paris", "paris", False),
        ("B", "B", True),
        ("-5", "5", False),
    ],
)
def test_right_is_the_same_number_or_text(text: str, expected: str, right: bool) -> None:
    assert is_right(text, expected) is right
