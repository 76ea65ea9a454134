"""Ending a router: politely first, at once if asked again."""

import asyncio
import signal

import click

from signalbox.router.process.supervisor import Supervisor


class Signals:
    """SIGINT and SIGTERM: the first asks to stop, the second insists."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.insisted = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._received)

    def _received(self) -> None:
        (self.insisted if self.asked.is_set() else self.asked).set()


async def stop(supervisor: Supervisor, signals: Signals, grace: float = 0.0) -> int:
    """Drain; gives the exit code. ``grace``: seconds that connections are still taken after readiness has failed."""
    click.echo("Stopping: requests in flight may finish; once more ends them.", err=True)
    drained = asyncio.create_task(supervisor.stop(grace))
    impatient = asyncio.create_task(signals.insisted.wait())
    await asyncio.wait({drained, impatient}, return_when=asyncio.FIRST_COMPLETED)
    if drained.done():
        impatient.cancel()
        drained.result()
        return 0
    drained.cancel()
    await asyncio.wait({drained})
    return 1
