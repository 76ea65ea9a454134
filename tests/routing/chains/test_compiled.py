"""What requests ask of a chain."""

import pytest

from signalbox.routing.chains.compiled import answers_wanted


@pytest.mark.parametrize(
    ("operation", "body", "count"),
    [
        ("chat", {}, 1),
        ("chat", {"n": 3}, 3),
        ("chat", {"n": 0}, 1),
        ("chat", {"n": "3", "best_of": True}, 1),
        ("completions", {"prompt": "a", "n": 2, "best_of": 4}, 4),
        ("completions", {"prompt": ["a", "b"], "n": 2}, 4),
        ("completions", {"prompt": [[1, 2], [3]]}, 2),
        ("completions", {"prompt": [1, 2, 3]}, 1),
        ("responses", {"input": ["a", "b"]}, 1),
        ("embeddings", {"input": ["a", "b"], "n": 2}, 0),
    ],
)
def test_how_many_answers_a_request_is_for(operation: str, body: dict[str, object], count: int) -> None:
    assert answers_wanted(operation, body) == count
