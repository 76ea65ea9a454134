"""Answers that come encoded although the router asked for identity: decoded, within bounds."""

import zlib
from typing import Protocol

MAX_DECODED_BYTES = 64 << 20


class EncodingError(Exception):
    """An encoding that the router cannot, or will not, undo."""


class Decoder(Protocol):
    """Undoes a content coding piece by piece."""

    def decode(self, data: bytes, last: bool) -> bytes:
        """Decoded bytes. Raises ``EncodingError`` for malformed or oversized content."""
        ...


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._inflate = zlib.decompressobj(window_bits)
        self._total = 0

    def decode(self, data: bytes, last: bool) -> bytes:
        try:
            out = self._inflate.decompress(data, MAX_DECODED_BYTES + 1 - self._total)
        except zlib.error as error:
            raise EncodingError(f"malformed content encoding: {error}") from error
        self._total += len(out)
        if self._total > MAX_DECODED_BYTES:
            raise EncodingError("decoded answer too large")
        if last and not self._inflate.eof:
            raise EncodingError("truncated content encoding")
        return out


def decoder_for(encoding: bytes) -> Decoder | None:
    """The decoder of a ``Content-Encoding`` value; None for identity. Raises ``EncodingError`` for others."""
    name = encoding.strip().lower()
    if name in {b"", b"identity"}:
        return None
    if name in {b"gzip", b"x-gzip"}:
        return _Zlib(zlib.MAX_WBITS | 16)
    if name == b"deflate":
        return _Zlib(zlib.MAX_WBITS)
    raise EncodingError("answered with a content encoding that was not asked for")
