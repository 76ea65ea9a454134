"""Clients that knock while the loop is busy.

libuv accepts one connection in each turn of its loop. With turns of 50 ms that is 20 a second, and thousands wait in
the kernel, unseen: for their turn, and even to be refused; where more wait than fit in its queue, they try again after
seconds. Whoever still waits at the end of a turn is let in here; while there are too many, whoever knocks is told so
here at once, in a fraction of the time that making a connection of each would take.
"""

import asyncio
import errno
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from signalbox.router.process.lingering import Lingering
from signalbox.router.time_share import TimeShare

LETTING_IN: Final = 0.25
TURNING_AWAY: Final = 0.06
"""Parts of the time, at most: whoever knocks without end must not keep those from being served who are in. Without TLS
libuv's own one in a turn comes on top."""
MOST_SAVED_SECONDS: Final = 0.05
BACKLOG: Final = 4096
REST_SECONDS: Final = 1.0
"""When nothing more can be opened, asking again in each turn would take all of the time."""

_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

_MORE: Final = getattr(socket, "MSG_MORE", 0)
"""The end of the answer leaves with it, not in a packet of its own; not every system can do that."""

_log = logging.getLogger(__name__)


class Acceptor:
    """Beside a server of the loop, on the same socket: that takes one connection a turn, and this one the others.

    ``full``, asked with how many are on their way to ``factory``, says whether one more is one too many, who is told
    what ``turn_away`` says and left. ``pending`` are those on their way, by all acceptors of a worker.

    With TLS, which ``options`` then say, nothing can be told before the handshake. There the server must not serve:
    nobody counts those whose handshake it has begun, and so there could be any number of them.
    """

    def __init__(
        self,
        descriptor: int,
        factory: Callable[[], asyncio.Protocol],
        full: Callable[[int], bool],
        turn_away: Callable[[], bytes],
        options: dict[str, Any],
        pending: set[asyncio.Task[None]],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._socket.setblocking(False)
        if options:
            self._socket.listen(BACKLOG)
        self._factory = factory
        self._full = full
        self._turn_away = turn_away
        self._options = options
        self._pending = pending
        self._lingering = Lingering()
        self._scheduled = False
        self._closed = False
        now = time.monotonic()
        self._letting_in = TimeShare(LETTING_IN, MOST_SAVED_SECONDS, now)
        self._turning_away = TimeShare(TURNING_AWAY, MOST_SAVED_SECONDS, now)
        self._watch()

    def _watch(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._socket, self._knocked)

    def _knocked(self) -> None:
        if self._scheduled:
            return
        self._scheduled = True
        if self._full(len(self._pending)):
            self._accept()  # before the server, which would make a connection of one that is left at once
        else:
            # The server first, which is faster: mostly nobody is left then.
            self._loop.call_soon(self._accept)

    def _accept(self) -> None:
        self._scheduled = False
        if self._closed:
            return
        now = time.monotonic()
        self._letting_in.earn(now)
        self._turning_away.earn(now)
        while True:
            full = self._full(len(self._pending))
            share = self._turning_away if full else self._letting_in
            if share.left <= 0.0 or (client := self._next()) is None:
                return
            if full:
                self._leave(client, self._turn_away())
            else:
                task = self._loop.create_task(self._serve(client))
                self._pending.add(task)
                task.add_done_callback(self._pending.discard)
            began, now = now, time.monotonic()
            share.left -= now - began

    def _next(self) -> socket.socket | None:
        try:
            return self._socket.accept()[0]
        except OSError as error:  # nobody waits, or has left
            if error.errno in _EXHAUSTED:
                _log.warning("no more connections can be opened, those who knock wait: %s", error.strerror)
                self._loop.remove_reader(self._socket)
                self._loop.call_later(REST_SECONDS, self._watch)
            return None

    def _leave(self, client: socket.socket, answer: bytes) -> None:
        if self._options:
            client.close()
            return
        try:
            client.send(answer, socket.MSG_DONTWAIT | _MORE)
            client.shutdown(socket.SHUT_WR)
        except OSError:  # has left
            client.close()
        else:
            self._lingering.keep(client)

    async def _serve(self, client: socket.socket) -> None:
        try:
            client.setblocking(False)
            await self._loop.connect_accepted_socket(self._factory, client, **self._options)
        except OSError:  # that of TLS, too: as for any client that leaves, or does not speak it
            client.close()
        except Exception:
            _log.exception("cannot serve a connection")
            client.close()

    def close(self) -> None:
        """Let nobody in any more."""
        if self._closed:
            return
        self._closed = True
        with suppress(OSError):
            self._loop.remove_reader(self._socket)
        self._socket.close()
        self._lingering.close()
