"""Classifiers as bytes."""

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.classifiers import artefact as artefacts
from signalbox.routing.classifiers.artefact import MAX_BYTES, TABLE, VERSION, Artefact, Output, Standard, decode, encode
from signalbox.routing.classifiers.features import HAND

SMALL = Artefact(
    version=VERSION,
    learnt="Scores",
    labels=("weak", "strong"),
    targets=("a", "b"),
    length=Standard(5.0, 1.0),
    hand=(Standard(0.0, 1.0),) * len(HAND),
    outputs=(Output(0.6), Output(0.1, 0.05, (0.0,) * len(HAND), 0.01, bytes([128, 129]) * (TABLE // 2))),
    cut=0.05,
    rarity_step=0.25,
    rarity=bytes([4]) * TABLE,
)
BARE = [{"intercept": 0.5}] * 2
_PREFIX = b"signalbox-classifier\n"


def packed(**changes: object) -> bytes:
    """As ``encode`` would do it, without its checks."""
    return _PREFIX + zlib.compress(msgspec.msgpack.encode(msgspec.to_builtins(SMALL, builtin_types=(bytes,)) | changes))


def test_what_was_encoded_is_decoded() -> None:
    assert decode(encode(SMALL)) == SMALL
    assert encode(SMALL) == encode(decode(encode(SMALL)))


@given(st.binary(max_size=200))
def test_bytes_of_anything_are_refused_with_words(data: bytes) -> None:
    for given_bytes in (data, _PREFIX + data, _PREFIX + zlib.compress(data)):
        with pytest.raises(ValueError, match="classifier"):
            decode(given_bytes)


@given(st.integers(0, len(encode(SMALL)) - 1), st.integers(1, 255))
def test_one_changed_byte_is_refused_or_says_nothing(position: int, change: int) -> None:
    data = bytearray(encode(SMALL))
    data[position] ^= change
    try:
        found = decode(bytes(data))
    except ValueError as error:
        assert "classifier" in str(error)
    else:
        assert found == SMALL  # bits that fill the last byte, or describe what does not occur


@given(st.recursive(st.none() | st.floats() | st.text() | st.binary(), st.lists, max_leaves=5))
def test_a_field_with_anything_in_it_is_refused_or_harmless(value: object) -> None:
    for name in ("labels", "outputs", "length", "cut", "rarity", "hand", "learnt"):
        try:
            found = decode(packed(**{"outputs": BARE, "rarity": b"", name: value}))
        except ValueError:
            continue
        assert decode(encode(found)) == found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, r"has version 2, and this program reads version 1: train it anew"),
        ({"labels": ["weak"], "targets": ["a"]}, "2 to 32 different labels"),
        ({"labels": ["weak", "weak"]}, "2 to 32 different labels"),
        ({"targets": ["a"]}, "every label of a classifier needs a target"),
        ({"outputs": []}, "2 labels need as many outputs, not 0"),
        ({"rarity": b"12"}, "rarity has 2 entries"),
        ({"rarity": b""}, "needs the rarity of words"),
        ({"cut": float("nan")}, "not finite"),
        ({"length": {"mean": 1.0, "deviation": 0.0}}, "deviations of a classifier are positive"),
        ({"hand": []}, "knows 0 counts of a query"),
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"learnt": "Pickles"}, "Invalid enum value"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(packed(**changes))


def test_a_bomb_does_not_go_off() -> None:
    bomb = _PREFIX + zlib.compress(bytes(artefacts._MAX_PLAIN * 3))
    assert len(bomb) < MAX_BYTES
    with pytest.raises(ValueError, match="too large"):
        decode(bomb)
    with pytest.raises(ValueError, match="too many for a classifier"):
        decode(bytes(MAX_BYTES + 1))
