"""An operator whose time runs fast for a while: ``python hasty.py FACTOR FILE ARGUMENTS…``.

As long as the file is there, time runs FACTOR times as fast for all that waits in an event loop and all that asks how
long something took. What the API server does takes its real time, so this is for while that is gone.
"""

import selectors
import sys
import time
from pathlib import Path
from threading import Lock
from typing import Any

LONGEST_WAIT = 0.05  # real seconds, after which to look for the file again


class Clock:
    """Seconds: real ones at first, and then faster ones or real ones, without a leap."""

    def __init__(self) -> None:
        self._real, self._lock = time.monotonic, Lock()
        self._since = self._real(), self._real(), 1.0  # real, shown, and how much faster since then

    def now(self) -> float:
        real, shown, factor = self._since
        return shown + (self._real() - real) * factor

    def run(self, factor: float) -> None:
        with self._lock:
            if factor != self._since[2]:
                self._since = self._real(), self.now(), factor


def install(factor: float, file: Path) -> None:
    """From now on, in this process, in all its threads."""
    clock, select = Clock(), selectors.DefaultSelector.select

    def hasty(self: Any, timeout: float | None = None) -> Any:
        now = factor if file.exists() else 1.0
        clock.run(now)
        return select(self, LONGEST_WAIT if timeout is None else min(timeout / now, LONGEST_WAIT))

    time.monotonic = clock.now
    selectors.DefaultSelector.select = hasty  # type: ignore[method-assign]


if __name__ == "__main__":
    install(float(sys.argv.pop(1)), Path(sys.argv.pop(1)))
    from signalbox.cli.main import main

    main(prog_name="signalbox")
