"""Patterns that are looked for together, beside each for itself."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzzing import fuzzed
from signalbox.routing.regex import MOST_JOINED, Joined, Pattern, PatternError, join, words_of


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (r"(?i)\b(prove|theorem)\b", r"(?i)\b(prove|theorem)\b"),
        (r"(?i)\b(def|class)\b\s+\w+\(", r"(?i)\b(def|class)\b"),
        (r"\b(?:a b|c-d)", r"\b(?:a b|c-d)"),
        ("(?i)stack trace", "(?i)stack trace"),
        (r"\bfoo|bar\b", r"\bfoo|bar\b"),
        ("(a|b)c|d", None),
        ("(a|b)*", None),
        ("(a|b)?c", None),
        ("(a|b){0}c", None),
        ("(a|b)+", None),
        ("(a|b)|", None),
        ("(a|)b", None),
        ("ab*", None),
        ("ab?", None),
        ("a.b", None),
        ("^a", None),
        ("", None),
        ("|a", None),
        (r"\Qa", None),
        ("[ab]", None),
        ("(?U)(a|b)c", None),
        ("((a|b))c", None),
    ],
)
def test_the_words_that_a_pattern_needs(source: str, words: str | None) -> None:
    assert words_of(source) == words
    Pattern(source)


PARTS = [
    "(?i)",
    r"\b",
    "(",
    "(?:",
    ")",
    "|",
    "ab",
    "b",
    "A b",
    "*",
    "+",
    "?",
    "{0}",
    r"\s+",
    r"\(",
    ".",
    "[|a]",
    "^",
    "$",
]
SOURCES = st.lists(st.sampled_from(PARTS), min_size=1, max_size=8).map("".join)
WHOLE = st.sampled_from(["ab", r"(?i)\b(ab|b)\b", r"(A b|ab)\b\s+\(", r"\b(?:b|A b).[|a]", "(?i)(b|ab)$", "ab|b"])
TEXTS = st.lists(st.sampled_from(["ab", "AB", "A b", "b", " ", "\n", "(", "|", "é", "\u017f"]), max_size=6).map("".join)


def _valid(source: str) -> bool:
    try:
        Pattern(source)
    except PatternError:
        return False
    return True


@fuzzed(300)
@given(sources=st.lists(WHOLE | SOURCES.filter(_valid), max_size=5), text=TEXTS)
@example(sources=["(?i)ab", "b"], text="AB")
def test_where_none_is_possible_none_is_found(sources: list[str], text: str) -> None:
    joined = join(sources)
    utf8 = text.encode()
    if joined is not None and not joined.possible_in(utf8):
        assert not any(Pattern(source).found_in(utf8) for source in joined.sources)


def test_a_text_without_their_words_is_told() -> None:
    joined = join([r"(?i)\b(prove|theorem)\b", r"\b(def|class)\b\s+\w+\(", "a.*b"])
    assert joined is not None
    assert joined.sources == {r"(?i)\b(prove|theorem)\b", r"\b(def|class)\b\s+\w+\("}
    assert not joined.possible_in(b"improve the classroom, a to b")
    assert joined.possible_in(b"Prove it")
    assert joined.possible_in(b"a class, anyway")


@pytest.mark.parametrize("sources", [[], ["a"], ["a", "a"], ["a", "b.*c"]])
def test_one_alone_is_joined_to_nothing(sources: list[str]) -> None:
    assert join(sources) is None


def test_too_many_are_not_joined() -> None:
    assert isinstance(join([f"{number:03}" + "a" * 100 for number in range(30)]), Joined)
    assert join([f"{number:03}" + "a" * 100 for number in range(MOST_JOINED // 90)]) is None


@pytest.mark.parametrize("source", ["a(", "[", r"\8", "*"])
def test_what_is_no_pattern_is_said(source: str) -> None:
    with pytest.raises(PatternError):
        Pattern(source)
