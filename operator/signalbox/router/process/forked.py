"""The first workers, forked from the command before its loop begins.

A worker that is a program of its own imports once more what the command has imported, which is most of the time until
the first request can be served. Those that replace one that ended are programs of their own: by then there is a loop,
and perhaps threads, and forking would copy their locks as they are.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

POSSIBLE: Final = hasattr(os, "pidfd_open")
"""Elsewhere than on Linux nobody tells an event loop that a process has ended which it has not started itself."""
NAME: Final = "router-worker"


class Forked:
    """A process that waits for its supervisor at the other end of ``control``. As a process it is like asyncio's."""

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self.control = control
        self.returncode: int | None = None
        self._ending: asyncio.Task[int] | None = None

    def kill(self) -> None:
        """End it at once."""
        if self.returncode is None:
            os.kill(self.pid, 9)

    async def wait(self) -> int:
        """Return when it has ended: its exit status, or the number of the signal with a minus."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end())
        return await asyncio.shield(self._ending)

    async def _end(self) -> int:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        try:
            status = os.waitpid(self.pid, os.WNOHANG)[1]  # noqa: ASYNC222 - it has ended
            self.returncode = os.waitstatus_to_exitcode(status)
        except ChildProcessError:  # somebody has made the system forget at once how processes end
            self.returncode = 255
        return self.returncode


def fork(count: int, serve: Callable[[int], None]) -> list[Forked]:
    """Fork so many processes that call ``serve`` with a control descriptor and then end. None where it is not possible.

    No loop may run and no thread. Raises ``OSError``.
    """
    forked: list[Forked] = []
    for _ in range(count if POSSIBLE else 0):
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            ours.close()
            _be(theirs.detach(), forked, serve)
        theirs.close()
        ours.setblocking(False)
        forked.append(Forked(pid, ours))
    return forked


def _be(descriptor: int, siblings: Sequence[Forked], serve: Callable[[int], None]) -> None:
    """The life of the new process; what the command would do at its end is not for it."""
    status = 1
    try:
        for each in siblings:
            each.control.close()  # or they would not notice that the supervisor has gone
        with suppress(OSError):
            Path("/proc/self/comm").write_text(NAME)
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        serve(descriptor)
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    except KeyboardInterrupt:  # reaches the whole foreground group; the command says so
        status = 130
    except BaseException:  # nothing may come back from here into the command
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(Exception):
            sys.stderr.flush()
        os._exit(status)
