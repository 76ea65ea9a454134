"""Keeps a supervisor on the newest configuration, from mounted files and from the operator's stream."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from signalbox.control.messages import MAX_DIGESTS, MAX_NAMES, MAX_TEXT, Rejected, Waiting
from signalbox.router.process.choice import Choice
from signalbox.router.process.decide import Decision, Serving, decide
from signalbox.router.process.mounted import CONFIG_FILE, read
from signalbox.router.process.revoked import RevokedDigests
from signalbox.router.process.supervisor import Supervisor
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.config import by_names, content_hash, decode

LOOK_SECONDS = 0.5
REFUSALS = 4

Say = Callable[[str], None]


class Follower:
    """``say`` is told, once each, what waits and what was put in force. ``backends`` are those of what is in force.

    ``changed`` is called when that changes, or ``waiting`` or ``rejected``, which are about the newest configuration.
    Call ``wake`` after telling ``choice`` or ``revoked`` something.
    """

    def __init__(
        self, config_directory: Path, secrets_directory: Path, say: Say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._directories = config_directory, secrets_directory
        self._say = say
        self._said = ""
        self._news = asyncio.Event()
        self._in_force: Serving | None = None
        self._refusals: dict[bytes, tuple[Serving, str]] = {}
        self._applied: Serving | None = None
        self._offered: tuple[Serving, Serving] | None = None
        self.choice = Choice(clock)
        self.revoked = RevokedDigests(clock)
        self.backends: tuple[str, ...] = ()
        self.waiting: Waiting | None = None
        self.rejected: Rejected | None = None
        self.changed: Callable[[], None] = lambda: None

    @property
    def digests(self) -> tuple[str, ...]:
        """Of tenants' keys, as mounted: what would be let in if nobody said what was revoked."""
        if self._in_force is None:
            return ()
        config, secrets = self._in_force
        return tuple(self.revoked.held(decode(config), secrets)[:MAX_DIGESTS])

    def wake(self) -> None:
        """Look now."""
        self._news.set()

    async def next(self) -> Serving:
        """Wait for what can serve and is new. Say ``accepted`` or ``refused`` before the next call."""
        while True:
            self._news.clear()
            found = await self._look()
            if found is not None:
                return found
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()

    def accepted(self) -> None:
        """What was given last is in force."""
        assert self._offered is not None
        before = self._in_force
        self._in_force, self._applied = self._offered
        self.backends = tuple(sorted(backend.name for backend in decode(self._applied.config).backends))
        if before is not None and before.config != self._in_force.config:
            self._tell(f"configuration {content_hash(self._in_force.config)} is in force")
        self.changed()

    def refused(self, reason: str) -> None:
        """What was given last cannot serve, with these secrets at least."""
        assert self._offered is not None
        offered, _ = self._offered
        self._refusals.pop(offered.config, None)
        self._refusals[offered.config] = offered, reason
        if len(self._refusals) > REFUSALS:
            del self._refusals[next(iter(self._refusals))]

    async def follow(self, supervisor: Supervisor) -> None:
        """Put every change in force, for ever."""
        while True:
            found = await self.next()
            try:
                await supervisor.apply(found.config, found.secrets)
            except ConfigRejectedError as error:
                self.refused(str(error))
            else:
                self.accepted()

    async def _look(self) -> Serving | None:
        files = await asyncio.to_thread(read, *self._directories)
        self.choice.mounted(files.config)
        newest = self.choice.newest()
        if newest is None:
            self._tell(f"waiting: {self._directories[0] / CONFIG_FILE} is not there")
            return None
        decision = decide(newest, files.config, files.secrets, self._in_force, self._refusals)
        self._note(decision)
        if decision.serve is None:
            return None
        config = decision.serve.config
        secrets = self.revoked.without(decode(config), decision.serve.secrets)
        given = Serving(by_names(config) if self.choice.alone else config, secrets)
        if given == self._applied:
            self._in_force = decision.serve
            return None
        self._offered = decision.serve, given
        return given

    def _note(self, decision: Decision) -> None:
        waiting = Waiting(decision.newest, decision.missing[:MAX_NAMES]) if decision.missing else None
        rejected = Rejected(decision.newest, decision.rejected[:MAX_TEXT]) if decision.rejected else None
        if decision.missing:
            self._tell(f"waiting: configuration {decision.newest} waits for: {', '.join(decision.missing)}")
        elif decision.rejected and self._in_force is None:
            self._tell(f"cannot serve: {decision.rejected}")
        elif decision.rejected:
            self._tell(f"rejected, the one before goes on serving: {decision.rejected}")
        if (waiting, rejected) != (self.waiting, self.rejected):
            self.waiting, self.rejected = waiting, rejected
            self.changed()

    def _tell(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._say(text)
