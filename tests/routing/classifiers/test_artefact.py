"""Classifiers as bytes."""

import tracemalloc
import zlib
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalbox.routing.classifiers import artefact as artefacts
from signalbox.routing.classifiers.artefact import (
    MAX_BYTES,
    TABLE,
    VERSION,
    ZERO,
    Artefact,
    Output,
    Standard,
    decode,
    encode,
    recut,
)
from signalbox.routing.classifiers.features import HAND

SMALL = Artefact(
    version=VERSION,
    learnt="Scores",
    labels=("weak", "strong"),
    targets=("a", "b"),
    length=Standard(5.0, 1.0),
    hand=(Standard(0.0, 1.0),) * len(HAND),
    outputs=(
        Output(0.6),
        Output(0.1, 0.05, (0.0,) * len(HAND), 0.01, bytes([ZERO + 1, ZERO - 1]) * 100 + bytes([ZERO]) * (TABLE - 200)),
    ),
    cut=0.05,
    rarity_step=0.25,
    rarity=bytes([4]) * 200 + bytes(TABLE - 200),
)
BARE = [{"intercept": 0.5}] * 2
_PREFIX = b"signalbox-classifier\n"


def packed(**changes: object) -> bytes:
    """As ``encode`` would do it, without its checks and without any word."""
    bare = msgspec.to_builtins(SMALL, builtin_types=(bytes,)) | {"outputs": BARE, "rarity": b""}
    version, gaps = changes.get("version", VERSION), changes.pop("gaps", b"")
    return _PREFIX + zlib.compress(
        msgspec.msgpack.encode({"version": version, "gaps": gaps, "artefact": bare | changes})
    )


def test_what_was_encoded_is_decoded() -> None:
    assert decode(encode(SMALL)) == SMALL
    assert encode(SMALL) == encode(decode(encode(SMALL)))


@given(st.binary(max_size=200))
def test_bytes_of_anything_are_refused_with_words(data: bytes) -> None:
    for given_bytes in (data, _PREFIX + data, _PREFIX + zlib.compress(data)):
        with pytest.raises(ValueError, match="classifier"):
            decode(given_bytes)


@settings(max_examples=50)
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
            found = decode(packed(**{name: value}))
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
        ({"rarity": b"12"}, "a table has 2 entries for 0 words"),
        ({"rarity": b"1", "gaps": bytes([255] * 1029)}, "a table has 1 entries for 0 words"),
        ({"rarity": b"1", "gaps": bytes([255] * 1029) + b"1"}, "words beyond its tables"),
        ({"quantiles": [2.0, 1.0]}, "quantiles are 101 ascending numbers, not 2"),
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


@pytest.mark.parametrize(
    ("field", "entry"),
    [
        ("quantiles", 1),
        ("labels", "a"),
        ("targets", "a"),
        ("hand", {"mean": 0, "deviation": 1}),
        ("outputs", {"intercept": 0}),
    ],
)
def test_lists_that_unpack_to_millions_are_never_made(field: str, entry: object) -> None:
    bomb = packed(**{field: [entry] * 200_000})
    assert len(bomb) < MAX_BYTES
    tracemalloc.start()
    with pytest.raises(ValueError, match=rf"length <= \d+ - at `\$.artefact.{field}`"):
        decode(bomb)
    assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    tracemalloc.stop()


@pytest.mark.parametrize("where", [b"\x81\xa1x", b"\x82\xa7version\x01\xa8artefact"])
def test_endless_depth_is_damage_like_any_other(where: bytes) -> None:
    with pytest.raises(ValueError, match="damaged: maximum recursion"):
        decode(_PREFIX + zlib.compress(where + b"\x91" * 500_000 + b"\x00"))


def test_many_labels_whose_weights_are_kept_coarsely_have_room() -> None:
    random, words = Random(1), 60_000
    rarity = bytes(random.choices(range(1, 256), k=words)) + bytes(TABLE - words)
    weights = bytes(random.choices([ZERO, ZERO + 1, ZERO - 1], [98, 1, 1], k=words)) + bytes([ZERO]) * (TABLE - words)
    names = tuple(f"l{number}" for number in range(artefacts.MAX_LABELS))
    outputs = tuple(Output(0.0, 0.0, (), 0.1, weights) for _ in names)
    whole = msgspec.structs.replace(SMALL, labels=names, targets=names, outputs=outputs, rarity=rarity)
    assert decode(encode(whole)) == whole


def test_words_lie_where_they_lay() -> None:
    rarity, weights = bytearray(TABLE), bytearray([ZERO]) * TABLE
    for bucket in (0, 1, 254, 255, 510, 1021, TABLE - 1):
        rarity[bucket], weights[bucket] = 1 + bucket % 200, bucket % 256
    outputs = (SMALL.outputs[0], msgspec.structs.replace(SMALL.outputs[1], weights=bytes(weights)))
    whole = msgspec.structs.replace(SMALL, rarity=bytes(rarity), outputs=outputs)
    assert decode(encode(whole)) == whole
    with pytest.raises(ValueError, match="words without rarity can have no weight"):
        encode(msgspec.structs.replace(SMALL, rarity=bytes(rarity)))


def test_another_cut_needs_no_training() -> None:
    known = msgspec.structs.replace(SMALL, quantiles=tuple(number / 100 for number in range(101)))
    assert recut(known, strong_share=30).cut == pytest.approx(0.7)
    assert recut(known, strong_share=12.5).cut == pytest.approx(0.875)
    assert recut(known, strong_share=0).cut == 1.0
    assert recut(known, strong_share=100).cut == -1.0
    assert recut(known, threshold=5).cut == 0.05
    assert recut(known) == known
    with pytest.raises(ValueError, match="does not know what share leaves"):
        recut(SMALL, strong_share=30)
