"""``signalbox demo``: three simulated engines, one policy, the real router, real traffic, a live picture."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import click
import uvloop
from rich.console import Console
from rich.live import Live

from signalbox.cli import demo_story, demo_view, examples
from signalbox.cli.demo_story import Act
from signalbox.cli.demo_weights import weights
from signalbox.cli.options import PAGE_PORT
from signalbox.cli.program import program
from signalbox.cli.sim import address
from signalbox.sim import faults
from signalbox.sim.client import drive
from signalbox.sim.faults import Faults
from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine
from signalbox.sim.traffic import Board, Outcome, quantile

MODEL = "auto"
TICK = 0.5
PRINT_SECONDS = 2.0
ADMIN_PORT = 9090
TAKEN = "the port is in use"
START_SECONDS = 60.0
STOP_SECONDS = 15.0
ENGINES = {
    "fast": Profile(model="sim-1b", batch=48, decode_rate=250, prefill_rate=40_000, output_tokens=40),
    "balanced": Profile(
        model="sim-8b", batch=32, decode_rate=150, prefill_rate=20_000, output_tokens=50, context_window=32_768
    ),
    "strong": Profile(
        model="sim-70b",
        batch=16,
        decode_rate=90,
        prefill_rate=10_000,
        output_tokens=50,
        context_window=131_072,
        kv_tokens=262_144,
    ),
}


@click.command()
@click.option(
    "--listen", metavar="HOST:PORT", help="Where the router listens. Default: 127.0.0.1:8080, or a free port."
)
@click.option(
    "--duration",
    type=click.FloatRange(min=1),
    help=f"Seconds of traffic. Default: until Ctrl-C in a terminal, else {demo_story.SECONDS:.0f}.",
)
@click.option("--rate", default=20.0, show_default=True, type=click.FloatRange(min=0.1, max=500), help="Requests/s.")
@click.option(
    "--fault",
    metavar="ENGINE=FAULT",
    help="Instead of the story, break an engine half way: balanced=draining, fast=dead, strong=status=500.",
)
def demo(listen: str | None, duration: float | None, rate: float, fault: str | None) -> None:
    """See Signalbox route: engines, policy, router, clients and a picture, in seconds.

    One of three engines slows down, and its weight begins to move away within seconds; another dies, and its requests
    go elsewhere; both recover, and their weights come back.

    The engines are simulated, everything else is real: the policy is read from manifests/examples/demo, `signalbox up`
    serves it, and requests go over HTTP. Without a terminal it runs for half a minute, prints a summary and exits 0,
    or 1 when a request failed.
    """
    console = Console(width=None if sys.stdout.isatty() else 110)
    plan = _parse_fault(fault)
    if duration is None and not console.is_terminal:
        duration = demo_story.SECONDS
    sys.exit(0 if uvloop.run(_run(console, address(listen) if listen else None, duration, rate, plan)) else 1)


def _parse_fault(text: str | None) -> tuple[str, Faults] | None:
    if text is None:
        return None
    name, _, wanted = text.partition("=")
    if name not in ENGINES:
        raise click.BadParameter(f"{name!r} is no engine: take one of {', '.join(ENGINES)}", param_hint="--fault")
    try:
        return name, faults.parse(wanted)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None


async def _run(
    console: Console,
    listen: tuple[str, int] | None,
    duration: float | None,
    rate: float,
    plan: tuple[str, Faults] | None,
) -> bool:
    """The whole demo; True when no request failed."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    directory = examples.find("demo")
    engines = {name: SimulatedEngine(name, profile) for name, profile in ENGINES.items()}
    board = Board(tuple(engines))
    host, port = listen or ("127.0.0.1", _free_port(8080))
    port = port or _free_port(0)
    async with contextlib.AsyncExitStack() as stack:
        for engine in engines.values():
            await engine.start()
            stack.push_async_callback(engine.stop)
        url, admin, page = await stack.enter_async_context(_router(directory, host, port, engines))
        console.print(f"Three simulated engines, one policy ({directory}), one router on {url}", soft_wrap=True)
        traffic = asyncio.create_task(drive(url, MODEL, rate, duration, lambda outcome: _note(board, outcome)))
        stage = Stage(board, engines, admin)
        stack.push_async_callback(_cancel, asyncio.create_task(stage.play(demo_story.acts(duration, plan), console)))
        stack.push_async_callback(_cancel, asyncio.create_task(stage.follow()))
        show = _watch if console.is_terminal else _print
        await show(console, stage, traffic, stopping, demo_view.hints(url, page, directory, MODEL))
        await _cancel(traffic)
    console.print(demo_view.lanes(board, {}, {}), demo_view.routes(board), demo_view.totals(board), sep="\n")
    console.print(_next_steps(directory), highlight=False)
    return board.failed == 0 and (board.answered > 0 or stopping.is_set())


class Stage:
    """What is to be seen: answers, engines, and the weights in force."""

    def __init__(self, board: Board, engines: dict[str, SimulatedEngine], admin: str) -> None:
        self.board, self.engines, self._admin = board, engines, admin
        self.weights: dict[str, float] = {}
        self.said: list[str] = []

    @property
    def in_flight(self) -> dict[str, int]:
        """Of each engine, exactly."""
        return {name: engine.core.in_flight for name, engine in self.engines.items()}

    async def play(self, acts: Sequence[Act], console: Console) -> None:
        """Let the story happen."""
        begun = time.monotonic()
        for act in acts:
            await asyncio.sleep(max(0.0, begun + act.at - time.monotonic()))
            for name, wanted in act.faults.items():
                await self.engines[name].apply(wanted)
            self.said.append(f"{act.at:3.0f} s  {act.text}")
            if not console.is_terminal:
                console.print(f"{act.at:4.0f} s  Now: {act.text}", highlight=False)

    async def follow(self) -> None:
        """Keep the weights up to date."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while True:
                self.weights = await weights(session, self._admin)
                await asyncio.sleep(TICK)


def _note(board: Board, outcome: Outcome | None) -> None:
    if outcome is None:
        board.sent += 1
    else:
        board.add(outcome)


async def _watch(
    console: Console,
    stage: Stage,
    traffic: "asyncio.Task[None]",
    stopping: asyncio.Event,
    try_next: str,
) -> None:
    """Keep the picture fresh until the traffic ends or the user has seen enough."""
    stop = asyncio.create_task(stopping.wait())
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not stopping.is_set() and not traffic.done():
            picture = demo_view.picture(stage.board, stage.in_flight, stage.weights, stage.said, try_next)
            live.update(picture, refresh=True)
            await asyncio.wait({traffic, stop}, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
            stage.board.tick()
    stop.cancel()


async def _print(
    console: Console,
    stage: Stage,
    traffic: "asyncio.Task[None]",
    stopping: asyncio.Event,
    try_next: str,
) -> None:
    """A line every two seconds, for logs."""
    begun = time.monotonic()
    stop = asyncio.create_task(stopping.wait())
    console.print(f"While it runs:\n{try_next}", highlight=False, soft_wrap=True)
    board = stage.board
    while not stopping.is_set() and not traffic.done():
        for _ in range(round(PRINT_SECONDS / TICK)):
            await asyncio.wait({traffic, stop}, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
            board.tick()
        weighed = ", ".join(f"{name} {100 * weight:.0f} %" for name, weight in stage.weights.items())
        console.print(
            f"{time.monotonic() - begun:4.0f} s  {board.sent} sent, {board.answered} answered, {board.failed} failed;"
            f" of late p50 {demo_view.time_text(quantile(board.latest, 0.5))}"
            + (f"; weights: {weighed}" if weighed else ""),
            highlight=False,
        )
    stop.cancel()


async def _cancel(task: "asyncio.Task[None]") -> None:
    """End a task, and let an error of its own surface."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@contextlib.asynccontextmanager
async def _router(
    directory: Path, host: str, port: int, engines: dict[str, SimulatedEngine]
) -> AsyncIterator[tuple[str, str, str]]:
    """``signalbox up`` as a process of its own, as a user would start it; yields its URL, HOST:PORT of its admin port,
    and the URL of its page, once it is ready."""
    bound = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    command = [sys.executable, "-c", "from signalbox.cli.main import main; main()", "up", "-f", str(directory)]
    for name, engine in engines.items():
        command += ["--endpoint", f"{name}={engine.address}"]
    for wishes in ((ADMIN_PORT, PAGE_PORT), (0, 0), (0, 0)):
        admin_port = _free_port(wishes[0], port)
        admin, page = f"127.0.0.1:{admin_port}", f"127.0.0.1:{_free_port(wishes[1], port, admin_port)}"
        with tempfile.TemporaryFile() as log:
            process = await asyncio.create_subprocess_exec(
                *(*command, "--listen", bound, "--admin", admin, "--page", page),
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                if await _ready(f"http://{admin}/readyz", process):
                    yield f"http://{bound}", admin, f"http://{page}"
                    return
                log.seek(0)
                words = log.read().decode(errors="replace").strip()[-2000:]
            finally:
                await _end(process)
        if TAKEN not in words:  # by somebody who came between the look for a port and its use
            break
    raise click.ClickException(f"the router did not start:\n{words or '(it said nothing)'}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let the router drain; it leaves nothing behind."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _ready(url: str, process: asyncio.subprocess.Process) -> bool:
    """Wait for the router; False when it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session:
        while process.returncode is None and time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url) as response:
                    if response.status == 200:
                        return True
            await asyncio.sleep(0.05)
    return False


def _free_port(wish: int, *avoid: int) -> int:
    """``wish`` if nobody has it, else any free port."""
    for port in (wish, 0, 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            if found not in avoid:
                return found
    raise click.ClickException("no free port on 127.0.0.1")


def _next_steps(directory: Path) -> str:
    steps = (
        (f"check -f {directory}", "read the policy as the router does"),
        ("demo --fault balanced=status=500", "break an engine half way: nobody notices"),
        ("up -f DIR", "your own policies, with your own engines"),
        ("sim --help", "simulated engines on their own"),
    )
    commands = [f"{program()} {arguments}" for arguments, _ in steps]
    width = max(map(len, commands))
    return "\nNext:\n" + "\n".join(
        f"  {command:{width}}   {why}" for command, (_, why) in zip(commands, steps, strict=True)
    )
