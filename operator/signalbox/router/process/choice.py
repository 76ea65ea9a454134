"""Which of two configurations is the newest: the one that the operator's stream said, or the one that is mounted.

While the stream lives, it knows. When it is lost, mounted files are all there is, but they are late: a file that has
not changed since the stream spoke may simply not have arrived, and one that has changed shortly after it may show a
state in between. Neither may bring back what the stream had already replaced.
"""

from collections.abc import Callable

# The kubelet brings a change within 60 to 90 s.
LATE_SECONDS = 120.0
# A file that has not changed for so long without a stream is no longer thought to be late: the stream may never come
# back, and then the files say how it is.
LOST_SECONDS = 1800.0
# Without a stream for so long, addresses of pods may be old.
ALONE_SECONDS = 10.0


class Choice:
    """Told what is mounted and what the stream says; ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._mounted: bytes | None = None
        self._streamed: bytes | None = None
        self._mounted_then: bytes | None = None
        self._streamed_at = 0.0
        self._lost_at: float | None = None

    def mounted(self, config: bytes | None) -> None:
        """The file has this content now; None: it cannot be read."""
        if config is not None:
            self._mounted = config

    def streamed(self, config: bytes) -> None:
        """The stream said that this is the newest."""
        self._streamed, self._mounted_then = config, self._mounted
        self._streamed_at = self._clock()
        self._lost_at = None

    def lost(self) -> None:
        """The stream has ended. Called again for each attempt that failed."""
        if self._lost_at is None:
            self._lost_at = self._clock()

    def newest(self) -> bytes | None:
        """The newest configuration that is known."""
        if self._streamed is not None and self._overtaken():
            self._streamed = None
        return self._mounted if self._streamed is None else self._streamed

    @property
    def alone(self) -> bool:
        """Whether nobody tells us which pods come and go: there should be a stream, and has been none for long."""
        return self._lost_at is not None and self._clock() - self._lost_at >= ALONE_SECONDS

    def _overtaken(self) -> bool:
        """Whether the mounted file is certainly newer than what the stream said, or must be taken to be."""
        if self._lost_at is None or self._mounted in {None, self._streamed}:
            return False
        now = self._clock()
        changed = self._mounted != self._mounted_then
        return (changed and now - self._streamed_at >= LATE_SECONDS) or now - self._lost_at >= LOST_SECONDS
