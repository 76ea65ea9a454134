"""``signalbox evaluate --record``: answers of models to queries, written down."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from signalbox.cli.options import tell
from signalbox.evaluation.lines import Line
from signalbox.local import workspace
from signalbox.local.resources import Options
from signalbox.local.source import SourceError
from signalbox.recording.places import BadKeyError, Place, PlaceError, of_backend, of_url
from signalbox.recording.recorder import Manner, Recorder, Tally, Work
from signalbox.recording.store import Store, StoreError, key_of

BACKENDS: Final = "backends"
"""In place of a URL: the backends of the directory."""
QUIET_SECONDS = 2.0
TELL_SECONDS = 1.0
MOST_REASONS = 3


@dataclass(frozen=True)
class Asked:
    """What the command was asked."""

    place: str
    data: Path
    out: Path | None
    options: Options | None
    targets: tuple[str, ...]
    model: str | None
    key_env: str | None
    samples: int
    logprobs: bool | None
    concurrency: int


def record(asked: Asked, lines: Sequence[Line]) -> int:
    """Ask, and write; returns the exit code."""
    if other := next((line for line in lines if line.operation != "chat"), None):
        raise click.UsageError(f"--data line {other.number}: is no chat; --record asks for chat completions only")
    places = _backends(asked) if asked.place == BACKENDS else [_endpoint(asked)]
    works = _works(asked.data, lines)
    out = asked.out or asked.data.with_name(f"{asked.data.stem}.recorded.jsonl")
    try:
        store = Store(out, [written for _, written in works], keep=out.exists() and out.samefile(asked.data))
    except StoreError as error:
        raise click.UsageError(f"--out {error}") from None
    except OSError as error:
        raise click.UsageError(f"--out {out}: {error.strerror}") from None
    recorder = Recorder(places, Manner(asked.samples, asked.concurrency))
    distinct = list({key_of(written): (line, written) for line, written in reversed(works)}.values())[::-1]
    try:
        try:
            asyncio.run(recorder.run(distinct, store, _progress(len(distinct))))
        finally:
            store.close()
    except KeyboardInterrupt:
        click.echo(f"what was answered is in {out}", err=True)
        raise
    except OSError as error:
        message = f"--out {out}: {error.strerror}; what was written before is kept, run it again for the rest"
        raise click.UsageError(message) from None
    return _told(recorder.tally, out)


def _endpoint(asked: Asked) -> Place:
    if len(asked.targets) != 1:
        raise click.UsageError("--record URL: name the target whose answers these are, with one --target")
    key = ""
    if asked.key_env is not None:
        key = os.environ.get(asked.key_env, "").strip()
        if not key:
            raise click.UsageError(f"--key-env {asked.key_env}: there is no such environment variable, or it is empty")
    target = asked.targets[0]
    try:
        return of_url(asked.place, target, asked.model or target, key, asked.logprobs)
    except BadKeyError as error:
        raise click.UsageError(f"--key-env {asked.key_env}: {error}") from None
    except PlaceError as error:
        raise click.UsageError(f"--record {error}") from None


def _backends(asked: Asked) -> list[Place]:
    """The targets of all policies, or those that are named."""
    if asked.options is None:
        raise click.UsageError("--record without URL asks the targets of policies: name their directory with -f")
    if asked.model is not None or asked.key_env is not None:
        raise click.UsageError("--model and --key-env go with --record URL: backends have theirs")
    try:
        found = workspace.read(asked.options, tell)
    except SourceError as error:
        raise click.UsageError(str(error)) from None
    places: dict[str, tuple[str, Place]] = {}
    for router in found.plan.routers:
        backends = {backend.name: backend for backend in router.config.backends}
        for target in (each for policy in router.config.policies for each in policy.targets):
            if asked.targets and target.name not in asked.targets:
                continue
            known = places.get(target.name)
            if known is not None and known[0] != target.backend:
                raise click.UsageError(f"target {target.name} is another model in another policy: choose with --policy")
            try:
                place = of_backend(target.name, backends[target.backend], found.secrets(router), asked.logprobs)
            except PlaceError as error:
                raise click.ClickException(str(error)) from None
            places[target.name] = target.backend, place
    if missing := [name for name in asked.targets if name not in places]:
        raise click.UsageError(f"--target {missing[0]}: no valid policy has it")
    if not places:
        raise click.ClickException("there is no valid policy whose targets could be asked")
    return [place for _, place in places.values()]


def _works(data: Path, lines: Sequence[Line]) -> list[Work]:
    """Each line beside its text, which is written again with all that it has."""
    texts = data.read_bytes().split(b"\n")
    written: list[dict[str, Any]] = [msgspec.json.decode(texts[line.number - 1]) for line in lines]
    return list(zip(lines, written, strict=True))


def _progress(total: int) -> Callable[[Tally], None]:
    began = shown = time.monotonic()

    def progress(tally: Tally) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - began >= QUIET_SECONDS and now - shown >= TELL_SECONDS:
            shown = now
            failed = sum(sum(reasons.values()) for reasons in tally.failed.values())
            missing = f", {failed:,} without an answer" if failed else ""
            click.echo(f"{tally.lines:,} of {total:,} queries{missing}", err=True)

    return progress


def _told(tally: Tally, out: Path) -> int:
    click.echo(f"{out}: {tally.answers:,} answers recorded")
    for target, reasons in tally.failed.items():
        for why, count in sorted(reasons.items(), key=lambda each: -each[1])[:MOST_REASONS]:
            click.echo(f"target {target}: {count:,} queries without an answer: {why}", err=True)
    if tally.failed:
        click.echo("run it again to ask for what is missing", err=True)
    return 1 if tally.failed else 0
