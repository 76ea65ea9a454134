"""When two answers are equal."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saying import answer, calling

from signalbox.routing.chains.equality import key_of, last_number, normalized
from signalbox.routing.config import Equality


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Paris.", "paris", True),
        ("**Paris**\n", " Paris! ", True),
        ("It is `42`.", "it is 42", True),
        ("ｆｕｌｌ", "full", True),
        ("-5", "5", False),
        ("−5", "-5", True),
        ("3.14", "314", False),
        ("a < b", "a > b", False),
        ("x + 1", "x 1", False),
        ("?", "!", False),
        ("snake_case", "snake case", True),
    ],
)
def test_normalized(one: str, other: str, equal: bool) -> None:
    assert (normalized(one) == normalized(other)) is equal


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 42.", "42"),
        ("#### 1,234", "1234"),
        ("1,234,567.50 dollars", "1234567.5"),
        ("about 3,14", "3.14"),
        ("first 7, then -2", "-2"),
        ("10-4", "4"),
        ("4.20e1", "42"),
        ("-0.0", "0"),
        (r"\boxed{17}", "17"),
        ("x1 and v2.5", None),
        ("none", None),
        ("9" * 500, None),
        ("1" + ",000" * 9, "1e27"),
    ],
)
def test_the_last_number(text: str, number: str | None) -> None:
    assert last_number(text) == (None if number is None else Decimal(number))


def test_a_list_of_numbers_is_read_once_however_long() -> None:
    assert last_number("1" + ",111" * 12) != Decimal("1" + "111" * 12)
    assert last_number("1" + ",111" * 250_000 + ", so 7") == 7


@pytest.mark.parametrize("equality", ["Exact", "Normalized", "Numeric", "Judged"])
def test_calls_of_tools_are_compared_as_json(equality: Equality) -> None:
    one = answer(None, **calling("add", '{"a": 1, "b": 2}'))
    same = answer(None, **calling("add", '{"b":2,"a":1}'))
    other = answer(None, **calling("add", '{"a": 1, "b": 3}'))
    assert key_of(one, equality) == key_of(same, equality) != key_of(other, equality)


def test_an_answer_that_says_nothing_is_equal_to_none() -> None:
    assert key_of(answer(""), "Exact") is None
    assert key_of(answer(""), "Normalized") is None
    assert key_of(answer("no number"), "Numeric") is None


def test_exact_is_exact() -> None:
    assert key_of(answer("Paris"), "Exact") != key_of(answer("Paris."), "Exact")


@given(st.text())
def test_nothing_raises_and_normalizing_twice_changes_nothing(text: str) -> None:
    last_number(text)
    assert normalized(normalized(text)) == normalized(text)


@given(st.text(alphabet="abcXYZ éß", max_size=20).filter(str.strip))
def test_case_white_space_and_punctuation_do_not_count(text: str) -> None:
    assert normalized(f"  {text.upper()} ... ") == normalized(text.upper())
