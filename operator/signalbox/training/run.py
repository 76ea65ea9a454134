"""A lesson and the contents of its sources in, a model out; the work is done by another process."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from signalbox.plan.learned import Figures, finished
from signalbox.plan.lessons import Lesson, Source

SECONDS = 600.0
"""For the lowest priority on a busy machine: five thousand examples take some seconds of an idle core."""
CPU_SECONDS = 300
MEMORY = 640 * 1024 * 1024
"""16 MiB of examples take some 480 MiB. So much is left of what the chart gives to an operator of very many
resources."""
SOURCE_BYTES = 1024 * 1024
LAST_WORDS = 300


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The model, and what is known of it."""

    artefact: bytes
    report: Figures


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Of these sources nothing can be learned, each error with its place and the fix."""

    errors: tuple[str, ...]


class Trouble(Exception):  # noqa: N818 - it may pass
    """Nothing is known of the sources: the training itself came to no end."""


Result = Done | Refused


async def learn(lesson: Lesson, contents: Mapping[Source, bytes], memory: int = MEMORY) -> Result:
    """What is to be learned of a lesson. Raises ``Trouble``. Cancelled, it leaves no process behind."""
    if large := [source for source in lesson.sources if len(contents[source]) > SOURCE_BYTES]:
        return Refused(tuple(f"{source}: is larger than 1 MiB; divide it among several keys" for source in large))
    if lesson.kind == "finished":
        (model,) = (contents[source] for source in lesson.sources)
        try:
            return Done(model, finished(lesson, model))
        except ValueError as error:
            return Refused((f"{lesson.sources[0]}: {error}",))
    texts, errors = list[dict[str, str]](), list[str]()
    for source in lesson.sources:
        try:
            texts.append({"name": str(source), "text": contents[source].decode()})
        except UnicodeDecodeError:
            errors.append(f"{source}: is no text in UTF-8; write JSON lines")
    if errors:
        return Refused(tuple(errors))
    return await _run(msgspec.json.encode({"sources": texts, "settings": _settings(lesson)}), memory)


def _settings(lesson: Lesson) -> dict[str, Any]:
    """As the job has them."""
    cut = {"type": lesson.cut.kind, "percent": lesson.cut.percent} if lesson.cut is not None else None
    return {"labels": lesson.labels, "targets": dict(lesson.targets), "cut": cut}


async def _run(job: bytes, memory: int) -> Result:
    bounds = map(str, (memory, CPU_SECONDS))
    command: Sequence[str] = (sys.executable, "-m", "signalbox.training.bounded", *bounds)
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise Trouble(f"training cannot be started: {error.strerror}") from None
    try:
        async with asyncio.timeout(SECONDS):
            output, said = await process.communicate(job)
    except TimeoutError:
        raise Trouble(f"training took longer than {SECONDS:.0f} s; give fewer examples") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        result: Result = msgspec.json.decode(output, type=Result)
    except msgspec.MsgspecError:
        raise Trouble(_why(process.returncode, said, memory)) from None
    return result


def _why(code: int | None, said: bytes, memory: int) -> str:
    """In a sentence for whoever wrote the examples."""
    words = said.decode(errors="replace").strip().rpartition("\n")[2][:LAST_WORDS]
    if "MemoryError" in words or code == -signal.SIGKILL:
        return f"training needs more than {memory // 2**20} MiB of memory; give fewer examples"
    if code == -signal.SIGXCPU:
        return f"training took more than {CPU_SECONDS} s of processor time; give fewer examples"
    return f"training ended with {code}: {words or 'it said nothing'}"
