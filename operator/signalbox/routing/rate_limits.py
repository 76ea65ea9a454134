"""What a provider's answer says of its rate limits: nothing left, and until when.

``x-ratelimit-remaining-requests`` and ``-tokens`` come with ``x-ratelimit-reset-requests`` and ``-tokens``, which are
written in as many ways as there are providers: "6m0s", "1.5s", "20ms", seconds, or the time of the end.
"""

import re
from collections.abc import Mapping

from signalbox.routing.outcomes import MAX_RETRY_AFTER

_REMAINING = (b"x-ratelimit-remaining-requests", b"x-ratelimit-remaining-tokens")
_RESETS = (b"x-ratelimit-reset-requests", b"x-ratelimit-reset-tokens")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
# A number beyond this is no duration but a time: seconds since 1970.
_EPOCH = 1e8
_MAX_LENGTH = 40


def exhausted(headers: Mapping[bytes, bytes], now: float) -> float | None:
    """Seconds until there is something left again; None where there is now, or nothing is said.

    ``now`` is in seconds since the epoch.
    """
    pause = None
    for remaining, reset in zip(_REMAINING, _RESETS, strict=True):
        left = headers.get(remaining)
        if left is not None and left.strip() in {b"0", b"0.0"}:
            seconds = _seconds(headers.get(reset, b""), now)
            if seconds is not None:
                pause = max(pause or 0.0, seconds)
    return pause


def _seconds(value: bytes, now: float) -> float | None:
    text = value.strip().decode("latin-1")[:_MAX_LENGTH]
    try:
        number = float(text)
    except ValueError:
        found = _DURATION.fullmatch(text) if text else None
        if found is None:
            return None
        number = sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS, strict=True) if part)
    else:
        if number >= _EPOCH:
            number -= now
    return min(max(0.0, number), MAX_RETRY_AFTER) if number == number else None  # noqa: PLR0124 - not a number
