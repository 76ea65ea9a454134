"""How sure a model was of its answer."""

from math import exp, inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.chains.confidence import VERSION, ConfidenceModel, confidence, decode, encode, features

MODEL = ConfidenceModel(
    version=VERSION,
    targets=("small",),
    intercept=0.5,
    slopes=(2.0, 1.0, 0.5, -0.3),
    means=(-0.3, -2.0, -0.8, 4.0),
    deviations=(0.2, 1.0, 0.4, 1.0),
    examples=100,
)
LOGPROBS = st.lists(st.floats(-30.0, 0.0), min_size=1)


def test_without_a_model_it_is_the_mean_probability() -> None:
    assert confidence(None, [-0.1, -0.3], 10) == pytest.approx(exp(-0.2))
    assert confidence(None, [0.0], 10) == 1.0


def test_without_tokens_there_is_none() -> None:
    assert confidence(None, [], 10) == confidence(MODEL, [], 10) == 0.0


def test_the_tenth_percentile_is_of_the_least_likely() -> None:
    mean, least, tenth, _ = features([-float(number) for number in range(11)], 5)
    assert (mean, least, tenth) == (-5.0, -10.0, -9.0)


@given(st.lists(st.floats(), max_size=30), st.integers(0, 10**9))
def test_anything_gives_a_number_from_0_to_1(logprobs: list[float], length: int) -> None:
    assert 0.0 <= confidence(None, logprobs, length) <= 1.0
    assert 0.0 <= confidence(MODEL, logprobs, length) <= 1.0


@given(LOGPROBS, st.integers(1, 1000))
def test_likelier_tokens_make_it_surer(logprobs: list[float], length: int) -> None:
    likelier = [value / 2 for value in logprobs]
    assert confidence(None, likelier, length) >= confidence(None, logprobs, length)
    assert confidence(MODEL, likelier, length) >= confidence(MODEL, logprobs, length)


def test_what_engines_cut_off_counts_as_unlikely() -> None:
    assert features([-9999.0, nan, -inf], 1)[0] == -20.0


def test_a_model_is_bytes_and_back() -> None:
    assert decode(encode(MODEL)) == MODEL


@given(st.binary(max_size=300))
def test_bytes_of_anything_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no model of confidence"):
        decode(data)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"version":1', b'"version":2', "has version 2, and this program reads 1"),
        (b'"deviations":[0.2', b'"deviations":[0.0', "numbers that cannot be"),
        (b'"intercept":0.5', b'"intercept":1e300', "numbers that cannot be"),
        (b'"examples"', b'"surprise"', "unknown field `surprise`"),
        (b'"slopes":[2.0,', b'"slopes":[', "length 4"),
    ],
)
def test_what_is_wrong_is_said(old: bytes, new: bytes, message: str) -> None:
    data = encode(MODEL)
    assert old in data
    with pytest.raises(ValueError, match=message):
        decode(data.replace(old, new))


def test_too_many_bytes_are_not_even_read() -> None:
    with pytest.raises(ValueError, match="are too many"):
        decode(b" " * 5000 + encode(MODEL))
