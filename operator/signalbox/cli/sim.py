"""``signalbox sim``: engines that behave like real ones, without a GPU."""

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Any

import click
import uvloop

from signalbox.sim import admin
from signalbox.sim.faults import Faults, parse
from signalbox.sim.profile import Profile
from signalbox.sim.script import Rule
from signalbox.sim.script import parse as parse_script
from signalbox.sim.server import SimulatedEngine


def address(text: str) -> tuple[str, int]:
    """HOST:PORT, with [::1]:9101 for IPv6; a bare port means 127.0.0.1. Raises ``click.BadParameter``."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


@click.command()
@click.option(
    "--listen",
    "listens",
    multiple=True,
    default=["127.0.0.1:9101"],
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; give it several times for several engines with the same profile.",
)
@click.option("--name", "names", multiple=True, help="Name of an engine, in the order of --listen; default sim-1, …")
@click.option("--model", default="sim", show_default=True, help="The model it serves; others are answered 404.")
@click.option(
    "--script",
    "script_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML: what to answer to whom (docs/sim.md). Models that it names are served, too.",
)
@click.option("--batch", default=32, show_default=True, help="Sequences that run at once.")
@click.option("--queue", type=int, help="Sequences that may wait; more are refused with 503. Default: unbounded.")
@click.option("--decode-rate", default=50.0, show_default=True, help="Tokens/s of one sequence alone.")
@click.option("--prefill-rate", default=8000.0, show_default=True, help="Prompt tokens/s.")
@click.option("--context-window", default=8192, show_default=True, help="Tokens of prompt and answer together.")
@click.option("--kv-tokens", type=int, help="Size of the KV cache. Default: two context windows, at least 131072.")
@click.option("--output-tokens", default=120, show_default=True, help="Mean length of an answer.")
@click.option("--jitter", default=0.05, show_default=True, help="Relative standard deviation of a step's duration.")
@click.option("--speed", default=1.0, show_default=True, help="Time scale: 10 is ten times as fast.")
@click.option(
    "--gauges",
    type=click.Choice(["step", "live"]),
    default="step",
    show_default=True,
    help="Load gauges move at the end of a step (vLLM) or at once (llama.cpp).",
)
@click.option(
    "--counters",
    type=click.Choice(["step", "end"]),
    default="step",
    show_default=True,
    help="Token counters move with each step (vLLM) or at the end of a request (llama.cpp).",
)
@click.option("--api-key", "keys", multiple=True, help="Require one of these keys.")
@click.option("--seed", type=int, help="Make jitter and answers repeatable.")
@click.option(
    "--admin", "admin_at", metavar="HOST:PORT", help="A port of its own for faults, that outlives a dead engine."
)
@click.option("--fault", "fault", help="Start with a fault, such as stalled or status=429,retryAfter=2.")
def sim(
    listens: tuple[str, ...],
    names: tuple[str, ...],
    keys: tuple[str, ...],
    seed: int | None,
    admin_at: str | None,
    fault: str | None,
    script_path: Path | None,
    **options: Any,
) -> None:
    """Run simulated engines: batch limit, queue, token rates, streams, metrics and faults of a real one.

    Faults can be switched while it runs:

    \b
        curl -d '{"status": 500, "seconds": 10}' http://127.0.0.1:9101/sim/faults
        curl -d '{}' http://127.0.0.1:9100/sim/engines/sim-1/faults     (with --admin 127.0.0.1:9100)

    \b
    Kinds: slow=FACTOR, stalled, dead, reset, status=CODE (with code=NAME, retryAfter=S), errorEvent=CODE,
    cutAfter=TOKENS, draining; each with percent=SHARE and seconds=HOW_LONG.

    With --script answers are written by you: which text, how sure, after how long, or which fault; /sim/script replaces
    the rules while it runs, and /sim/calls shows what was asked, what was billed and which calls were cancelled.
    """
    try:
        if options["kv_tokens"] is None:
            options["kv_tokens"] = max(131_072, 2 * options["context_window"])
        profile = Profile(**options)
        faults = parse(fault) if fault else Faults()
        script: tuple[Rule, ...] = parse_script(script_path.read_bytes()) if script_path else ()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    engines = [
        SimulatedEngine(
            names[i] if i < len(names) else f"sim-{i + 1}",
            profile,
            keys=keys,
            seed=None if seed is None else seed + i,
            script=script,
        )
        for i in range(len(listens))
    ]
    uvloop.run(_serve(engines, [address(text) for text in listens], faults, address(admin_at) if admin_at else None))


async def _serve(
    engines: list[SimulatedEngine],
    addresses: list[tuple[str, int]],
    faults: Faults,
    admin_at: tuple[str, int] | None,
) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with contextlib.AsyncExitStack() as stack:
        for engine, (host, port) in zip(engines, addresses, strict=True):
            stack.push_async_callback(engine.stop)
            try:
                await engine.start(host, port)
            except OSError as error:
                raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None
            await engine.apply(faults)
            click.echo(f"{engine.name}: {engine.profile.model} on http://{engine.address}/v1")
        if admin_at is not None:
            try:
                runner = await admin.serve(engines, *admin_at)
            except OSError as error:
                raise click.ClickException(f"cannot listen on {admin_at[0]}:{admin_at[1]}: {error.strerror}") from None
            stack.push_async_callback(runner.cleanup)
            click.echo(f"faults: http://{admin_at[0]}:{admin_at[1]}/sim/engines")
        await stopping.wait()
