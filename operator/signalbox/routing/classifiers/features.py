"""What a trained classifier sees of a query: hashed words and pairs of words, a few counts, and the length.

Training and routers share this file, so both see the same. Hashes are CRC-32: the same in every process and version.
"""

import re
from math import log1p
from typing import Final, NamedTuple
from zlib import crc32

SPACE_BITS: Final = 18
"""Words and pairs share 2^18 buckets: on 4,600 prompts of MMLU 2^16 cost .013 APGR by collisions."""
READ_CHARS: Final = 4096
"""Of a longer text the beginning and the end are read: there is the question, and the time is bounded."""

_SPACE: Final = (1 << SPACE_BITS) - 1
_PAIR: Final = 0x2545F491  # so that a pair is not the hash of the two words written as one
# Runs of letters and digits. In UTF-8, scripts without spaces (three bytes from E3 to ED on) give a word a character.
_WORDS: Final = re.compile(rb"[\xe3-\xed]..|[a-z0-9\x80-\xe2\xee-\xff]+")
_ASCII_WORDS: Final = bytes(ord(chr(c).lower()) if c < 128 and chr(c).isalnum() else 32 for c in range(256))
_DIGITS: Final = b"0123456789"
_SYMBOLS: Final = rb"$\^_{}=+<>|*/[]#"
_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NEGATIONS: Final = frozenset((b"not", b"no", b"never", b"except", b"without", b"least", b"incorrect", b"false"))

HAND: Final = ("digits", "symbols", "upper", "lines", "wordLength", "repetition", "question", "negation")
"""Names of the counts, in their order."""


class Features(NamedTuple):
    """``grams``: buckets, each once; ``hand``: one number per name of ``HAND``;
    ``length``: the logarithm of the characters, of the whole text."""

    grams: set[int]
    hand: tuple[float, ...]
    length: float


def length(text: str) -> float:
    """By how much a text is long: the logarithm, since twice as long counts the same anywhere."""
    return log1p(len(text))


def read(text: str) -> Features:
    """Everything about a text. Never raises, whatever a client sends."""
    seen = text
    if len(text) > READ_CHARS:
        seen = f"{text[: READ_CHARS // 2]}\n{text[-READ_CHARS // 2 :]}"
    raw = seen.encode("utf-8", "surrogatepass")
    words = raw.translate(_ASCII_WORDS).split() if raw.isascii() else _WORDS.findall(_lower(seen))
    hashes = list(map(crc32, words))
    grams = {value & _SPACE for value in hashes}
    different = len(grams)
    grams.update([(value ^ _PAIR) & _SPACE for value in map(crc32, words[1:], hashes)])
    size = len(raw) or 1
    count = len(words) or 1
    hand = (
        _share(raw, _DIGITS, size),
        _share(raw, _SYMBOLS, size),
        _share(raw, _UPPER, size),
        log1p(raw.count(b"\n")),
        log1p(size / count),
        different / count,
        float(b"?" in raw),
        float(not _NEGATIONS.isdisjoint(words)),
    )
    return Features(grams, hand, length(text))


def _lower(text: str) -> bytes:
    return text.lower().encode("utf-8", "surrogatepass")


def _share(raw: bytes, of: bytes, size: int) -> float:
    return 1.0 - len(raw.translate(None, of)) / size if raw else 0.0
