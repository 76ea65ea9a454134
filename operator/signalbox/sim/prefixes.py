"""Prefix cache: which leading blocks of a prompt were computed before."""

from collections import OrderedDict

BLOCK_BYTES = 64
"""16 tokens of 4 bytes: the block of the token estimate that the whole project uses."""


def blocks_of(text: bytes) -> tuple[int, ...]:
    """A hash per whole block, each covering everything before it, so that equal hashes mean equal prefixes."""
    hashes: list[int] = []
    previous = 0
    for start in range(0, len(text) - BLOCK_BYTES + 1, BLOCK_BYTES):
        previous = hash((previous, text[start : start + BLOCK_BYTES]))
        hashes.append(previous)
    return tuple(hashes)


class PrefixCache:
    """Least recently used blocks go first; ``capacity`` counts blocks."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def match(self, prefix: tuple[int, ...]) -> int:
        """Number of leading blocks that are cached."""
        count = 0
        for block in prefix:
            if block not in self._blocks:
                break
            self._blocks.move_to_end(block)
            count += 1
        return count

    def insert(self, prefix: tuple[int, ...]) -> None:
        """Remember the blocks of a computed prompt."""
        for block in prefix:
            self._blocks[block] = None
            self._blocks.move_to_end(block)
        while len(self._blocks) > self._capacity:
            self._blocks.popitem(last=False)
