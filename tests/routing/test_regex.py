"""Patterns that are looked for together, beside each for itself."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzzing import fuzzed
from signalbox.routing.regex import MOST_JOINED, Pattern, PatternError, join

SOURCES = [
    "",
    "a",
    "(?i)ab",
    "^a",
    "b$",
    r"\Aab\z",
    r"\bab\b",
    r"(?m)^b$",
    r"(?s)a.b",
    "a.b",
    "a|b",
    "b|",
    "[^a]",
    "(a)(b)",
    "(?P<word>ab)",
    "(?P<word>ba)",
    r"\Qa|b",
    r"\Qa\E|b",
    r"a\\",
    "(?i:A)b",
    "(?U)a+b",
    "é",
    r"\pL",
    "a{2,3}",
]
TEXTS = st.text("abAB \n|)(\\éÉ", max_size=12)


@fuzzed(300)
@given(sources=st.lists(st.sampled_from(SOURCES), max_size=6), text=TEXTS)
@example(sources=["(?i)ab", "ba"], text="BA")
@example(sources=[r"\Qa|b", "b"], text="b")
def test_together_they_say_whether_one_of_them_is_there(sources: list[str], text: str) -> None:
    patterns = [Pattern(source) for source in sources]
    joined = join(patterns)
    if joined is None:
        return
    utf8 = text.encode()
    assert joined.found_in(utf8) == any(p.found_in(utf8) for p in patterns if p.source in joined.sources)


def test_one_alone_is_joined_to_nothing() -> None:
    assert join([]) is None
    assert join([Pattern("a")]) is None
    assert join([Pattern("a"), Pattern("a")]) is None


def test_what_is_quoted_to_the_end_of_a_pattern_stays_alone() -> None:
    joined = join([Pattern("a"), Pattern("b"), Pattern(r"\Qc")])
    assert joined is not None
    assert joined.sources == {"a", "b"}


def test_large_ones_are_not_joined() -> None:
    large = [Pattern(f"{letter}{{{MOST_JOINED // 8}}}") for letter in "abcdefghijkl"]
    assert join(large[:2]) is not None
    assert join(large) is None


@pytest.mark.parametrize("source", ["a(", "[", r"\8", "*"])
def test_what_is_no_pattern_is_said(source: str) -> None:
    with pytest.raises(PatternError):
        Pattern(source)
