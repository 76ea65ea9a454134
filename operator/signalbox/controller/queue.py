"""Keys that wait to be reconciled: each once, however often it was added, and with back-off where that failed."""

import asyncio
from collections.abc import Callable

FIRST_DELAY = 0.2
LONGEST_DELAY = 60.0


class Queue:
    """One reader takes keys, one at a time for each key; adding costs nothing and never waits.

    A key that is added while it is worked on is given out again afterwards. ``clock`` gives seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        self._added: dict[str, float] = {}
        self._working: set[str] = set()
        self._failures: dict[str, int] = {}
        self._news = asyncio.Event()

    def add(self, key: str, delay: float = 0.0) -> None:
        """Have a key reconciled, after ``delay`` seconds at the latest."""
        now = self._clock()
        self._due[key] = min(self._due.get(key, now + delay), now + delay)
        self._added.setdefault(key, now)
        self._news.set()

    async def take(self) -> str:
        """The next key that is due; call ``done`` or ``failed`` with it afterwards."""
        while True:
            self._news.clear()
            now = self._clock()
            ready = [(due, key) for key, due in self._due.items() if key not in self._working]
            if ready:
                due, key = min(ready)
                if due <= now:
                    del self._due[key]
                    self._added.pop(key, None)
                    self._working.add(key)
                    return key
            wait = min(ready)[0] - now if ready else None
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                pass

    def done(self, key: str) -> None:
        """It went well."""
        self._working.discard(key)
        self._failures.pop(key, None)
        self._news.set()

    def failed(self, key: str, retry_after: float | None = None) -> float:
        """It did not: the key comes again after the seconds that are returned."""
        self._working.discard(key)
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay: float = max(retry_after or 0.0, min(FIRST_DELAY * 2.0 ** (failures - 1), LONGEST_DELAY))
        now = self._clock()
        self._due[key] = max(self._due.get(key, 0.0), now + delay)
        self._added.setdefault(key, now)
        self._news.set()
        return delay

    @property
    def depth(self) -> int:
        """How many keys wait."""
        return len(self._due)

    def oldest(self) -> float:
        """Seconds since the key was added that waits longest; 0 when none waits."""
        return self._clock() - min(self._added.values()) if self._added else 0.0
