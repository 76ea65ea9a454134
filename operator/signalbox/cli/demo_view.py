"""The picture of the demo: lanes, latencies, and what to try next."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from signalbox.cli.program import program
from signalbox.sim.traffic import Board, quantile, sparkline


def lanes(board: Board, in_flight: Mapping[str, int], weights: Mapping[str, float], bars: int = 24) -> Table:
    """One row a target. ``weights`` are those of the route that goes by load, 0 to 1; at the end there are none."""
    table = Table(box=box.SIMPLE_HEAD, expand=True)
    table.add_column("target", style="bold")
    for title in (*(("weight",) if weights else ()), "answers", "share", "in flight", "first token p50", "p50", "p99"):
        table.add_column(title, justify="right")
    table.add_column("answers a tick", style="green", no_wrap=True)
    for name, lane in board.lanes.items():
        table.add_row(
            name,
            *((f"{100 * weights.get(name, 0.0):.0f} %",) if weights else ()),
            str(lane.answers),
            f"{100 * lane.answers / (board.answered or 1):.0f} %",
            str(in_flight.get(name, 0)),
            time_text(quantile(lane.first_token, 0.5)),
            time_text(quantile(lane.seconds, 0.5)),
            time_text(quantile(lane.seconds, 0.99)),
            sparkline(lane.history, bars),
        )
    return table


def routes(board: Board) -> Text:
    """Which routes were taken."""
    text = Text("routes   ", style="bold")
    for name, count in board.routes.most_common():
        text.append(f"{name} ", style="cyan").append(f"{count}   ", style="default not bold")
    return text


def totals(board: Board) -> Text:
    """How the requests ended."""
    open_now = board.sent - board.answered - board.failed - board.cut
    text = Text(f"requests {board.sent} sent, {board.answered} answered, {open_now} in flight, ")
    text.append(f"{board.failed} failed", style="bold red" if board.failed else "green")
    if board.cut:
        text.append(f", {board.cut} streams cut", style="yellow")
    for problem, count in board.problems.most_common(4):
        text.append(f"\n         {count} × {problem}", style="red")
    return text


def hints(url: str, page: str, directory: Path, model: str) -> str:
    """What works right now."""
    return (
        f"{page}          the live page: weights, load and why\n"
        f"curl -i {url}/v1/chat/completions -H 'Content-Type: application/json' \\\n"
        f'  -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello there!"}}]}}\'\n'
        f"edit {directory}/policy.yaml          an edit is live within a second\n"
        f"{program()} check -f {directory}        what is wrong with it\n"
        f'echo \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello there!"}}]}}\' | \\\n'
        f"  {program()} explain -f {directory} --request -"
    )


def picture(
    board: Board, in_flight: Mapping[str, int], weights: Mapping[str, float], said: Sequence[str], try_next: str
) -> Group:
    """The whole screen; ``said`` is what has happened so far."""
    return Group(
        Text("signalbox demo", style="bold"),
        *(Text(line, style="yellow") for line in said),
        lanes(board, in_flight, weights),
        routes(board),
        totals(board),
        Panel(Text(try_next), title="try it now, in another terminal", title_align="left", border_style="dim"),
        Text("Ctrl-C ends the demo", style="dim"),
    )


def time_text(seconds: float | None) -> str:
    """As people read it; a dash where nothing is known."""
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
