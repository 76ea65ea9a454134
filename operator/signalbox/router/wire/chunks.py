"""Chunks of a body that can be told from the bytes alone, without the state of a parser."""

from typing import Final

MOST_DIGITS: Final = 8  # of a size; whoever writes more of them is read by the parser


def are_events(raw: bytes) -> bool:
    """Whether ``raw`` is nothing but whole chunks, each of which ends with one empty line, as events do.

    Only the plainest form counts: not the chunk that ends a body, none with an extension, no line that ends with CR.
    """
    length = len(raw)
    at = 0
    while at < length:
        size = 0
        first = at
        while at < length and at - first <= MOST_DIGITS:
            byte = raw[at]
            if 48 <= byte <= 57:  # 0-9
                size = size * 16 + byte - 48
            elif 97 <= byte <= 102:  # a-f
                size = size * 16 + byte - 87
            elif 65 <= byte <= 70:  # A-F
                size = size * 16 + byte - 55
            else:
                break
            at += 1
        if size < 3 or at - first > MOST_DIGITS:
            return False
        end = at + 2 + size
        if end + 2 > length or raw[at] != 13 or raw[at + 1] != 10:
            return False
        if raw[end - 3] == 10 or raw[end - 3] == 13:  # what follows an event is part of the next one
            return False
        if raw[end - 2] != 10 or raw[end - 1] != 10 or raw[end] != 13 or raw[end + 1] != 10:
            return False
        at = end + 2
    return length > 0
