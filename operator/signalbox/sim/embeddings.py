"""Embeddings on the wire: unit vectors that depend on the text only, so that equal texts are equal vectors."""

import base64
import random
import struct
from typing import Any

import msgspec

from signalbox.sim.engine import Sequence
from signalbox.sim.format import Format

DIMENSIONS = 256


class EmbeddingsFormat(Format):
    """``/v1/embeddings``; ``encoding_format: base64`` and ``dimensions`` are honoured."""

    def unary(self, sequences: list[Sequence]) -> dict[str, Any]:
        body, given = self.call.body, self.call.body["input"]
        several = isinstance(given, list) and not isinstance(given[0], int)
        size = body.get("dimensions") or DIMENSIONS
        data = []
        for index, text in enumerate(given if several else [given]):
            vector = _vector(text, size)
            packed = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
            coded = packed if body.get("encoding_format") == "base64" else vector
            data.append({"index": index, "object": "embedding", "embedding": coded})
        tokens = self.call.prompt_tokens
        return {
            "id": self.call.id,
            "object": "list",
            "created": self.call.created,
            "model": self.call.model,
            "data": data,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0},
        }


def _vector(text: object, size: int) -> list[float]:
    rng = random.Random(msgspec.json.encode(text))  # noqa: S311 (a hash with many digits, no secret)
    raw = [rng.gauss(0, 1) for _ in range(size)]
    length = sum(value * value for value in raw) ** 0.5
    return [value / length for value in raw]
