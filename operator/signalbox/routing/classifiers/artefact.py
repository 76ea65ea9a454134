"""A trained classifier as bytes: data only, so that reading one from anywhere can run nothing.

MessagePack of numbers and tables, compressed. What a reader cannot take is refused with a text that says why.
"""

import zlib
from collections.abc import Callable, Sequence
from itertools import accumulate, compress
from math import isfinite
from typing import Annotated, Final, Literal

import msgspec

from signalbox.routing.classifiers.features import HAND, SPACE_BITS

VERSION: Final = 1
MAX_BYTES: Final = 256 * 1024
MAX_LABELS: Final = 32
TABLE: Final = 1 << SPACE_BITS
QUANTILES: Final = 101
ZERO: Final = 128
"""Weights are bytes around this one."""
_GOES_ON: Final = 255
_MAGIC: Final = b"signalbox-classifier\n"
_STRATEGIES: Final = (zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE)
"""By frequency of bytes, or by runs of equal ones too, which many labels have whose weights are kept coarsely. Tables
hold no repeated strings, and looking for some takes a hundred times as long."""
_MAX_PLAIN: Final = (MAX_LABELS + 2) * TABLE + 64 * 1024  # what decompression may make of it

Learnt = Literal["Scores", "Labels", "Nothing"]
# Lengths are checked before their entries are made: a few kilobytes can unpack to millions of them.
_PER_LABEL = msgspec.Meta(max_length=MAX_LABELS)
_PER_COUNT = msgspec.Meta(max_length=len(HAND))


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One linear function of the features: the first target's score, a gain over it, or the log-odds of a label.

    ``intercept`` + ``length`` × standardised length + ``hand`` · standardised counts + ``scale`` × the sum of
    (``weights`` − 128) over the grams ÷ their norm. ``weights`` is empty where there is nothing learnt.
    """

    intercept: float
    length: float = 0.0
    hand: Annotated[tuple[float, ...], _PER_COUNT] = ()
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
    ``rarity_step``: rare words say more than common ones. ``quantiles``, from 0 to 100 %, are of what is compared with
    the cut, as said of queries that were not learned from: so that another cut needs no training.
    """

    version: int
    learnt: Learnt
    labels: Annotated[tuple[str, ...], _PER_LABEL]
    targets: Annotated[tuple[str, ...], _PER_LABEL]
    length: Standard
    hand: Annotated[tuple[Standard, ...], _PER_COUNT]
    outputs: Annotated[tuple[Output, ...], _PER_LABEL]
    cut: float | None = None
    rarity_step: float = 0.0
    rarity: bytes = b""
    examples: int = 0
    quantiles: Annotated[tuple[float, ...], msgspec.Meta(max_length=QUANTILES)] = ()


class _Packed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As it is stored: tables hold only the buckets with some rarity. ``gaps``: from each to the next; 255 goes on."""

    version: int
    gaps: Annotated[bytes, msgspec.Meta(max_length=2 * TABLE)]
    artefact: Artefact


def encode(artefact: Artefact) -> bytes:
    """The bytes of a valid artefact; equal artefacts have equal bytes. ValueError where they would be too many."""
    _check(artefact)
    gaps = _gaps(artefact.rarity)
    keep = bytes(map(bool, artefact.rarity))
    packed = _with_tables(artefact, lambda table, _: bytes(compress(table, keep)))
    if any(
        len(each.weights) - each.weights.count(ZERO) != len(less.weights) - less.weights.count(ZERO)
        for each, less in zip(artefact.outputs, packed.outputs, strict=True)
    ):
        raise ValueError("words without rarity can have no weight")
    plain = msgspec.msgpack.encode(_Packed(artefact.version, gaps, packed))
    data = min((_compressed(plain, strategy) for strategy in _STRATEGIES), key=len)
    if len(_MAGIC) + len(data) > MAX_BYTES:
        raise ValueError(f"the classifier has {len(data)} bytes, and at most {MAX_BYTES} are allowed: use fewer labels")
    return _MAGIC + data


def _compressed(plain: bytes, strategy: int) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)
    return compressor.compress(plain) + compressor.flush()


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
        packed = msgspec.msgpack.decode(plain, type=_Packed)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the classifier is damaged: {error}") from None
    buckets = _buckets(packed.gaps)
    if buckets and buckets[-1] >= TABLE:
        raise ValueError("the classifier is damaged: it has words beyond its tables")
    artefact = _with_tables(packed.artefact, lambda table, empty: _spread(table, buckets, empty))
    _check(artefact)
    return artefact


def recut(artefact: Artefact, *, strong_share: float | None = None, threshold: float | None = None) -> Artefact:
    """The same with another cut, in percent: of queries that leave the first label, or of the expected gain. ValueError
    where the artefact does not know its shares."""
    if threshold is not None:
        return msgspec.structs.replace(artefact, cut=threshold / 100.0)
    if strong_share is None:
        return artefact
    if not artefact.quantiles:
        raise ValueError("the classifier does not know what share leaves its first label: train it anew")
    if strong_share >= 100.0:
        return msgspec.structs.replace(artefact, cut=artefact.quantiles[0] - 1.0)  # everything
    below, part = divmod((100.0 - strong_share) * (QUANTILES - 1) / 100.0, 1.0)
    low, high = artefact.quantiles[int(below)], artefact.quantiles[min(QUANTILES - 1, int(below) + 1)]
    return msgspec.structs.replace(artefact, cut=low + part * (high - low))


def _with_tables(artefact: Artefact, change: Callable[[bytes, int], bytes]) -> Artefact:
    """With each table that there is changed; ``change`` is told what a bucket holds that says nothing."""
    outputs = tuple(
        msgspec.structs.replace(each, weights=change(each.weights, ZERO)) if each.weights else each
        for each in artefact.outputs
    )
    rarity = change(artefact.rarity, 0) if artefact.rarity else b""
    return msgspec.structs.replace(artefact, outputs=outputs, rarity=rarity)


def _gaps(rarity: bytes) -> bytes:
    found, before = bytearray(), -1
    for bucket in compress(range(len(rarity)), rarity):
        more, rest = divmod(bucket - before, _GOES_ON)
        found += bytes([_GOES_ON]) * more
        found.append(rest)
        before = bucket
    return bytes(found)


def _buckets(gaps: bytes) -> list[int]:
    return [bucket - 1 for bucket, gap in zip(accumulate(gaps), gaps, strict=True) if gap != _GOES_ON]


def _spread(table: bytes, buckets: list[int], empty: int) -> bytes:
    if len(table) != len(buckets):
        raise ValueError(f"the classifier is damaged: a table has {len(table)} entries for {len(buckets)} words")
    whole = bytearray([empty]) * TABLE
    for bucket, code in zip(buckets, table, strict=True):
        whole[bucket] = code
    return bytes(whole)


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
    if len(artefact.quantiles) not in (0, QUANTILES) or list(artefact.quantiles) != sorted(artefact.quantiles):
        raise ValueError(f"quantiles are {QUANTILES} ascending numbers, not {len(artefact.quantiles)}")
    numbers = [
        artefact.cut or 0.0,
        *artefact.quantiles,
        artefact.rarity_step,
        artefact.length.mean,
        *(each.mean for each in artefact.hand),
    ]
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
