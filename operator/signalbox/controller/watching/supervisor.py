"""kopf in a thread of its own, started again whenever it ends.

Not in our event loop: when kopf ends it cancels every task that was made after its start, ours included, and in the
main thread it takes SIGTERM for itself.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from signalbox.controller.watching import events
from signalbox.kube.client import Object
from signalbox.kube.resources import Resource

RESTART_SECONDS = 0.5
LONGEST_SECONDS = 8.0
END_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Supervisor:
    """Start and stop it in the event loop in which ``notice`` is to be called.

    ``missed`` is called whenever kopf starts again: nobody has watched meanwhile.
    """

    def __init__(
        self, notice: events.Notice, namespaces: tuple[str, ...], missed: Callable[[], None] = lambda: None
    ) -> None:
        self._notice, self._namespaces, self._missed = notice, namespaces, missed
        self._loop = asyncio.get_running_loop()
        self._kopf_loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()
        # A daemon: a kopf that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    async def stop(self) -> None:
        """End it; a kopf that does not end soon is left behind."""
        with suppress(RuntimeError):  # it has ended
            self._kopf_loop.call_soon_threadsafe(self._stop.set)
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            _log.info("kopf did not end within %.0f s", END_SECONDS)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._kopf_loop) as runner:
                runner.run(self._watch())
        finally:
            self._tell(self._ended.set)

    async def _watch(self) -> None:
        pause = RESTART_SECONDS
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                await events.watch(self._hand_over, self._namespaces, self._stop)
            except Exception as error:
                _log.warning("kopf ended, it starts again: %s: %s", type(error).__name__, error)
            if not self._stop.is_set():
                # One that ends at once each time, as where it has no rights, must not be started without end.
                pause = (
                    RESTART_SECONDS if time.monotonic() - began > LONGEST_SECONDS else min(2 * pause, LONGEST_SECONDS)
                )
                await asyncio.sleep(pause)
                self._tell(self._missed)

    def _hand_over(self, resource: Resource, event: str, obj: Object) -> None:
        self._tell(self._notice, resource, event, obj)

    def _tell(self, function: object, *arguments: object) -> None:
        assert callable(function)
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            _log.debug("the operator has ended")  # its loop is closed: nobody wants to know any more
