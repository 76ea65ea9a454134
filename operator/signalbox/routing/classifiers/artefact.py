"""A trained classifier as bytes: data only, so that reading one from anywhere can run nothing.

MessagePack of numbers and tables, compressed. What a reader cannot take is refused with a text that says why.
"""

import zlib
from collections.abc import Sequence
from math import isfinite
from typing import Final, Literal

import msgspec

from signalbox.routing.classifiers.features import HAND, SPACE_BITS

VERSION: Final = 1
MAX_BYTES: Final = 256 * 1024
MAX_LABELS: Final = 32
TABLE: Final = 1 << SPACE_BITS
ZERO: Final = 128
"""Weights are bytes around this one."""
_MAGIC: Final = b"signalbox-classifier\n"
_MAX_PLAIN: Final = (MAX_LABELS + 2) * TABLE + 64 * 1024  # what decompression may make of it

Learnt = Literal["Scores", "Labels", "Nothing"]


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One linear function of the features: the first target's score, a gain over it, or the log-odds of a label.

    ``intercept`` + ``length`` × standardised length + ``hand`` · standardised counts + ``scale`` × the sum of
    (``weights`` − 128) over the grams ÷ their norm. ``weights`` is empty where there is nothing learnt.
    """

    intercept: float
    length: float = 0.0
    hand: tuple[float, ...] = ()
    scale: float = 0.0
    weights: bytes = b""


class Standard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is subtracted and divided by before a number counts."""

    mean: float
    deviation: float


class Artefact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trained classifier. ``labels`` from the cheapest to the strongest, each with its target in ``targets``.

    From scores, ``outputs`` are the first target's expected score and the gain of each other over it; from labels, one
    log-odds per label. ``cut`` is what the largest gain, or the probability that the first label is wrong, must exceed;
    None: the likeliest label. ``rarity`` holds, per bucket, the square of its inverse document frequency in steps of
    ``rarity_step``: rare words say more than common ones.
    """

    version: int
    learnt: Learnt
    labels: tuple[str, ...]
    targets: tuple[str, ...]
    length: Standard
    hand: tuple[Standard, ...]
    outputs: tuple[Output, ...]
    cut: float | None = None
    rarity_step: float = 0.0
    rarity: bytes = b""
    examples: int = 0


def encode(artefact: Artefact) -> bytes:
    """The bytes of a valid artefact; equal artefacts have equal bytes. ValueError where they would be too many."""
    _check(artefact)
    # By frequency of bytes only: tables hold no repeated strings, and looking for some takes a hundred times as long.
    compressor = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_HUFFMAN_ONLY)
    data = _MAGIC + compressor.compress(msgspec.msgpack.encode(artefact)) + compressor.flush()
    if len(data) > MAX_BYTES:
        raise ValueError(f"the classifier has {len(data)} bytes, and at most {MAX_BYTES} are allowed: use fewer labels")
    return data


def decode(data: bytes) -> Artefact:
    """Read what ``encode`` wrote; ValueError says what is wrong with anything else."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes are too many for a classifier, which has at most {MAX_BYTES}")
    if not data.startswith(_MAGIC):
        raise ValueError("this is no classifier of Signalbox: make one with `signalbox train`")
    decompressor = zlib.decompressobj()
    try:
        plain = decompressor.decompress(data[len(_MAGIC) :], _MAX_PLAIN)
    except zlib.error as error:
        raise ValueError(f"the classifier is damaged: {error}") from None
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("the classifier is damaged: it ends too early, has something behind its end, or is too large")
    try:
        version = msgspec.msgpack.decode(plain, type=_Versioned).version
        if version != VERSION:
            raise ValueError(
                f"the classifier has version {version}, and this program reads version {VERSION}: train it anew"
            )
        artefact = msgspec.msgpack.decode(plain, type=Artefact)
    except msgspec.MsgspecError as error:
        raise ValueError(f"the classifier is damaged: {error}") from None
    _check(artefact)
    return artefact


class _Versioned(msgspec.Struct):
    version: int


def _check(artefact: Artefact) -> None:
    labels = artefact.labels
    if not 2 <= len(labels) <= MAX_LABELS or len(set(labels)) != len(labels):
        raise ValueError(f"a classifier has 2 to {MAX_LABELS} different labels, not {len(labels)}")
    if len(artefact.targets) != len(labels):
        raise ValueError("every label of a classifier needs a target")
    if len(artefact.outputs) != len(labels):
        raise ValueError(f"{len(labels)} labels need as many outputs, not {len(artefact.outputs)}")
    if len(artefact.hand) != len(HAND):
        raise ValueError(f"the classifier knows {len(artefact.hand)} counts of a query, and this program {len(HAND)}")
    _table("rarity", artefact.rarity)
    numbers = [artefact.cut or 0.0, artefact.rarity_step, artefact.length.mean, *(each.mean for each in artefact.hand)]
    deviations = [artefact.length.deviation, *(each.deviation for each in artefact.hand)]
    for output in artefact.outputs:
        _table("weights", output.weights)
        if output.weights and not artefact.rarity:
            raise ValueError("a classifier with weights needs the rarity of words")
        if len(output.hand) not in (0, len(HAND)):
            raise ValueError(f"an output has {len(output.hand)} weights of counts, not {len(HAND)}")
        numbers += [output.intercept, output.length, output.scale, *output.hand]
    _finite(numbers)
    _finite(deviations)
    if min(deviations) <= 0.0 or artefact.rarity_step < 0.0:
        raise ValueError("deviations of a classifier are positive numbers")


def _table(name: str, table: bytes) -> None:
    if len(table) not in (0, TABLE):
        raise ValueError(f"{name} has {len(table)} entries, not {TABLE}")


def _finite(numbers: Sequence[float]) -> None:
    if not all(map(isfinite, numbers)) or any(abs(number) > 1e9 for number in numbers):
        raise ValueError("a number of the classifier is not finite")
