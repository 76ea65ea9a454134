"""What a classifier sees of a text."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.classifiers.features import HAND, READ_CHARS, SPACE_BITS, read


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_is_read(text: str) -> None:
    found = read(text)
    assert all(0 <= gram < 1 << SPACE_BITS for gram in found.grams)
    assert len(found.hand) == len(HAND)
    assert all(0.0 <= value < 20.0 for value in found.hand)
    assert 0.0 <= found.length < 20.0


def test_words_count_once_whatever_their_case_and_punctuation() -> None:
    assert read("What is TRUE?").grams == read("what, is true!").grams
    assert len(read("one one one").grams) == 2  # the word and the pair
    assert read("straße ÉTÉ").grams == read("STRASSE été".replace("SS", "ß")).grams


def test_the_order_of_words_counts_by_pairs() -> None:
    there, back = read("man bites dog").grams, read("dog bites man").grams
    assert len(there) == len(back) == 5
    assert len(there & back) == 3


def test_a_script_without_spaces_has_a_word_a_character() -> None:
    assert len(read("東京は").grams) == 5  # three characters, two pairs


def test_of_a_long_text_beginning_and_end_are_read() -> None:
    middle = "middle " * READ_CHARS
    long, short = read(f"start {middle} end"), read("middle middle")
    assert read("start").grams <= long.grams
    assert read("end").grams <= long.grams
    assert len(long.grams) < 12
    assert long.length > short.length + 5


def test_counts_tell_queries_apart() -> None:
    def hand(text: str) -> dict[str, float]:
        return dict(zip(HAND, read(text).hand, strict=True))

    assert hand("12 + 30")["digits"] > 0.5 > hand("twelve")["digits"] == 0.0
    assert hand("$x^2$")["symbols"] > hand("x squared")["symbols"] == 0.0
    assert hand("SHOUT")["upper"] == 1.0
    assert hand("a\nb\nc")["lines"] > hand("a b c")["lines"] == 0.0
    assert hand("no no no")["repetition"] < hand("all unlike words")["repetition"] == 1.0
    assert hand("why?")["question"] == 1.0 > hand("because")["question"]
    assert hand("which is NOT so")["negation"] == 1.0 > hand("notable")["negation"]


def test_every_process_hashes_alike() -> None:
    text = "Wie groß is a «naïve» 東京 42?"
    code = f"from signalbox.routing.classifiers.features import read; print(sorted(read({text!r}).grams))"
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == str(sorted(read(text).grams))
