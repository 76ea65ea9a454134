"""Keys that wait to be reconciled: each once, however often it was added, and with back-off where that failed."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

FIRST_DELAY = 0.2
LONGEST_DELAY = 60.0
REST = 2.0


class Queue:
    """Several readers may take keys, but nobody gets one that is being worked on; adding costs nothing and never waits.

    A key that is added while it is worked on is given out again afterwards. ``clock`` gives seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        self._added: dict[str, float] = {}
        self._working: dict[str, float] = {}
        self._began: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._resting: dict[str, float] = {}
        self._news = asyncio.Event()

    def add(self, key: str, delay: float = 0.0) -> None:
        """Have a key reconciled after ``delay`` seconds; what has just failed rests a little first.

        News may be the very repair that it waits for, so they cut a long back-off short.
        """
        now = self._clock()
        due = max(now + delay, self._resting.get(key, now))
        self._due[key] = min(self._due.get(key, due), due)
        self._added.setdefault(key, now)
        self._news.set()

    def next(self) -> tuple[str | None, float | None]:
        """The key that is due, which is then being worked on; else None, and the seconds until one will be due."""
        now = self._clock()
        ready = [(due, key) for key, due in self._due.items() if key not in self._working]
        if not ready:
            return None, None
        due, key = min(ready)
        if due > now:
            return None, due - now
        del self._due[key]
        self._working[key] = self._added.pop(key)
        self._began[key] = now
        return key, None

    async def take(self) -> str:
        """The next key that is due; call ``done`` or ``failed`` with it afterwards."""
        while True:
            self._news.clear()
            key, seconds = self.next()
            if key is not None:
                return key
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()

    def done(self, key: str) -> None:
        """It went well."""
        self._working.pop(key, None)
        self._began.pop(key, None)
        self._failures.pop(key, None)
        self._resting.pop(key, None)
        self._news.set()

    def failed(self, key: str, retry_after: float | None = None) -> float:
        """It did not: the key comes again after the seconds that are returned."""
        now = self._clock()
        added = self._working.pop(key, now)
        self._began.pop(key, None)
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay: float = max(retry_after or 0.0, min(FIRST_DELAY * 2.0 ** (failures - 1), LONGEST_DELAY))
        self._due[key] = now + delay
        self._resting[key] = now + max(retry_after or 0.0, min(delay, REST))
        self._added[key] = min(added, self._added.get(key, added))
        self._news.set()
        return delay

    @property
    def depth(self) -> int:
        """How many keys wait."""
        return len(self._due)

    def oldest(self) -> float:
        """Seconds since the key was added that waits, or is worked on, for longest; 0 when there is none."""
        added = [*self._added.values(), *self._working.values()]
        return self._clock() - min(added) if added else 0.0

    def working(self) -> float:
        """Seconds since the key was given out that is worked on for longest; 0 when there is none."""
        return self._clock() - min(self._began.values()) if self._began else 0.0
