"""One worker process, from the supervisor's side."""

import asyncio
import itertools
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from signalbox.control.messages import Weights
from signalbox.router.process.forked import Forked
from signalbox.router.process.messages import (
    Abort,
    Ask,
    Commit,
    Committed,
    Drain,
    Grant,
    Inherit,
    Link,
    Message,
    Prepare,
    Prepared,
    Report,
    Setup,
    Steer,
    ToSupervisor,
)
from signalbox.routing.config import Limits
from signalbox.routing.limits import Allowance

SECRET_VARIABLES = "SIGNALBOX_SECRET_"  # noqa: S105 - a prefix of names, no secret
_serials = itertools.count(1)
_log = logging.getLogger("signalbox.router.process.supervisor")


class ChildGoneError(Exception):
    """The worker died, or was killed because it did not answer in time."""


class Process(Protocol):
    """A process of the operating system; its ``returncode`` is None while it runs."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def kill(self) -> None: ...

    async def wait(self) -> int: ...


class Child:
    """A worker process and the control link to it. Make one with ``start``, or with ``adopt``.

    ``generation`` is that of the configuration it serves, 0 for none yet. ``reported_at`` is loop time.
    """

    def __init__(self, index: int, process: Process, link: Link[ToSupervisor], answer_timeout: float) -> None:
        self.index = index
        self.serial = next(_serials)
        self.generation = 0
        self.draining = False
        self.memory = 0
        self.lag = 0.0
        self.limits: dict[str, Allowance] = {}
        self.reported_at = asyncio.get_running_loop().time()
        self._process = process
        self._link = link
        self._answer_timeout = answer_timeout
        self._waiting: dict[tuple[type[Message], int], asyncio.Future[Message]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @classmethod
    async def start(
        cls,
        index: int,
        command: tuple[str, ...],
        setup: Setup,
        answer_timeout: float,
        on_report: Callable[["Child", Report], None],
    ) -> "Child":
        """Start a process and tell it where to listen. Raises ``OSError`` when it cannot be started."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        inherited = {theirs.fileno()}
        if isinstance(setup.access_log, int):
            inherited.add(setup.access_log)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=tuple(inherited),
                env={name: value for name, value in os.environ.items() if not name.startswith(SECRET_VARIABLES)},
            )
        except BaseException:
            ours.close()
            raise
        finally:
            # Only the child may hold its end: otherwise neither would notice that the other has died.
            theirs.close()
        return await cls._connected(index, process, ours, setup, answer_timeout, on_report)

    @classmethod
    async def adopt(
        cls,
        index: int,
        forked: Forked,
        setup: Setup,
        answer_timeout: float,
        on_report: Callable[["Child", Report], None],
    ) -> "Child":
        """Tell a process that waits already where to listen."""
        return await cls._connected(index, forked, forked.control, setup, answer_timeout, on_report)

    @classmethod
    async def _connected(
        cls,
        index: int,
        process: Process,
        control: socket.socket,
        setup: Setup,
        answer_timeout: float,
        on_report: Callable[["Child", Report], None],
    ) -> "Child":
        child = cls(index, process, await Link.open(control, ToSupervisor), answer_timeout)
        child._reading = asyncio.ensure_future(child._read(on_report))
        child._link.send(setup)
        return child

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def prepare(self, generation: int, config: bytes, secrets: Mapping[str, bytes]) -> str | None:
        """Let the worker read a configuration; gives its objection, or None. Raises ``ChildGoneError``."""
        message = Prepare(generation=generation, config=config, secrets=dict(secrets))
        answer = await self._ask(message, Prepared, generation)
        return answer.error if isinstance(answer, Prepared) else None

    async def commit(self, generation: int) -> str | None:
        """Put in force what was prepared; gives the reason when the worker cannot. Raises ``ChildGoneError``."""
        answer = await self._ask(Commit(generation=generation), Committed, generation)
        error = answer.error if isinstance(answer, Committed) else None
        if error is None:
            self.generation = generation
        return error

    def abort(self, generation: int) -> None:
        """Forget what was prepared."""
        self._link.send(Abort(generation=generation))

    def steer(self, weights: Weights, heard_ago: float) -> None:
        """Let the worker send requests where the weights say, which were heard so many seconds ago."""
        self._link.send(Steer(weights=weights, heard_ago=heard_ago))

    def grant(self, parts: dict[str, Limits]) -> None:
        """Let the worker apply parts of limits, by backend."""
        self._link.send(Grant(parts=parts))

    def inherit(self, spent: list[tuple[float, dict[str, Limits]]]) -> None:
        """Let the worker count what those before it had spent, by backend, at these times."""
        self._link.send(Inherit(spent=spent))

    async def report(self, number: int) -> None:
        """Return when the worker has sent its counters. Raises ``ChildGoneError`` only when it has died."""
        await self._ask(Ask(number=number), Report, number)

    def drain(self, timeout: float) -> None:
        """Let the worker finish its requests and exit."""
        self._link.send(Drain(timeout=timeout))

    def kill(self) -> None:
        """End the process at once; from here on it counts as serving nothing."""
        self.generation = 0
        if self._process.returncode is None:
            self._process.kill()

    async def ended(self) -> str:
        """Return when the process has ended and its last report is in; says how it ended."""
        code = await self._process.wait()
        if self._reading is not None:
            await asyncio.wait({self._reading})  # several may wait, and one that gives up must not end the reading
        if self._deadline is not None:
            self._deadline.cancel()
        self._link.close()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    async def _ask(self, message: Ask | Commit | Prepare, answer: type[Message], number: int) -> Message:
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        if self._reading is None or self._reading.done():
            raise ChildGoneError(f"worker {self.index} has ended")
        self._waiting[answer, number] = future
        try:
            self._link.send(message)
            async with asyncio.timeout(self._answer_timeout):
                return await future
        except TimeoutError:
            self.kill()
            raise ChildGoneError(f"worker {self.index} did not answer within {self._answer_timeout:g} s") from None
        finally:
            self._waiting.pop((answer, number), None)

    async def _read(self, on_report: Callable[["Child", Report], None]) -> None:
        try:
            while (message := await self._link.receive()) is not None:
                if isinstance(message, Report):
                    self.reported_at = asyncio.get_running_loop().time()
                    self.draining, self.memory, self.lag = message.draining, message.memory, message.lag
                    self.limits = message.limits
                    on_report(self, message)
                    number = message.answers
                else:
                    number = message.generation
                future = self._waiting.get((type(message), number))
                if future is not None and not future.done():
                    future.set_result(message)
        except msgspec.DecodeError:
            _log.exception("worker %d (%d) speaks nonsense; it is killed", self.index, self.pid)
            self.kill()
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ChildGoneError(f"worker {self.index} has ended"))
            # A worker that has closed the link, or talks nonsense, must not live on unsupervised.
            self.generation = 0
            self._deadline = asyncio.get_running_loop().call_later(self._answer_timeout, self.kill)
