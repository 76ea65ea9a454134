"""A lesson and the contents of its sources in, a model out; the work is done by another process."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from signalbox.plan.learned import Figures, finished
from signalbox.plan.lessons import Lesson, Source
from signalbox.routing.classifiers.artefact import decode, encode, recut

SECONDS = 600.0
"""For the lowest priority on a busy machine: five thousand examples take some seconds of an idle core."""
CPU_SECONDS = 300
MEMORY = 640 * 1024 * 1024
"""16 MiB of examples take some 480 MiB. So much is left of what the chart gives to an operator of very many
resources."""
SOURCE_BYTES = 1024 * 1024
QUIET_SECONDS = 2.0
COMMAND = (sys.executable, "-m", "signalbox.training.bounded", str(MEMORY), str(CPU_SECONDS))
LAST_WORDS = 300


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The model, and what is known of it."""

    artefact: bytes
    report: Figures


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Of these sources nothing can be learned, each error with its place and the fix; ``few``: there are too few
    examples for a confidence, which goes without."""

    errors: tuple[str, ...]
    few: bool = False


class Trouble(Exception):  # noqa: N818 - it may pass
    """Nothing is known of the sources: the training itself came to no end."""


Result = Done | Refused


async def learn(lesson: Lesson, contents: Mapping[Source, bytes]) -> Result:
    """What is to be learned of a lesson. Raises ``Trouble``. Cancelled, it leaves no process behind."""
    job = await asyncio.to_thread(_job, lesson, contents)  # megabytes of text, or a model whose every word is looked at
    if not isinstance(job, bytes):
        return job
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*COMMAND, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise _cannot_start(error) from None
    try:
        async with asyncio.timeout(SECONDS):
            output, said = await process.communicate(job)
    except TimeoutError:
        raise _too_long() from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _result(lesson, process.returncode, output, said)


def learn_now(lesson: Lesson, contents: Mapping[Source, bytes], waiting: Callable[[], None]) -> Result:
    """The same for who has nothing else to do; ``waiting`` is called when it takes longer than a moment. Raises
    ``Trouble``."""
    job: bytes | Result | None = _job(lesson, contents)
    if not isinstance(job, bytes):
        assert job is not None
        return job
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603 - it is this program
    except OSError as error:
        raise _cannot_start(error) from None
    with process:
        try:
            try:
                output, said = process.communicate(job, QUIET_SECONDS)
            except subprocess.TimeoutExpired:
                waiting()
                output, said = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise _too_long() from None
        finally:
            process.kill()
    return _result(lesson, process.returncode, output, said)


def _cut(lesson: Lesson, model: bytes) -> bytes:
    """A finished model leaves its first label where this policy says, if it says so."""
    if lesson.cut is None:
        return model
    share, threshold = (
        lesson.cut.percent if lesson.cut.kind == kind else None for kind in ("StrongShare", "Threshold")
    )
    return encode(recut(decode(model), strong_share=share, threshold=threshold))


def _job(lesson: Lesson, contents: Mapping[Source, bytes]) -> bytes | Result:
    """What the other process is told; or the result, where nothing is left to do."""
    if large := [source for source in lesson.sources if len(contents[source]) > SOURCE_BYTES]:
        return Refused(tuple(f"{source}: is larger than 1 MiB; divide it among several keys" for source in large))
    if lesson.kind == "finished":
        (source,) = lesson.sources
        try:
            return Done(_cut(lesson, contents[source]), finished(lesson, contents[source]))
        except ValueError as error:
            return Refused((f"{source}: {error}",))
    texts, errors = list[dict[str, str]](), list[str]()
    for source in lesson.sources:
        try:
            texts.append({"name": str(source), "text": contents[source].decode()})
        except UnicodeDecodeError:
            errors.append(f"{source}: is no text in UTF-8; write JSON lines")
    if errors:
        return Refused(tuple(errors))
    what = {"answers": {"targets": lesson.labels}} if lesson.kind == "confidence" else {"settings": _settings(lesson)}
    return msgspec.json.encode({"sources": texts, **what})


def _settings(lesson: Lesson) -> dict[str, Any]:
    """As the job has them."""
    cut = {"type": lesson.cut.kind, "percent": lesson.cut.percent} if lesson.cut is not None else None
    return {"labels": lesson.labels, "targets": dict(lesson.targets), "cut": cut}


def _result(lesson: Lesson, code: int | None, output: bytes, said: bytes) -> Result:
    """Of examples in Secrets no word is repeated, only the place."""
    private = any(source.kind == "Secret" for source in lesson.sources)
    try:
        result: Result = msgspec.json.decode(output, type=Result)
    except msgspec.MsgspecError:
        raise Trouble(_why(code, said, private=private)) from None
    if isinstance(result, Done) or result.few or not private:
        return result
    hidden = "cannot be used; it comes from a Secret and is not shown: signalbox train says what is wrong"
    return Refused(tuple(f"{error.partition(': ')[0]}: {hidden}" for error in result.errors))


def _cannot_start(error: OSError) -> Trouble:
    return Trouble(f"training cannot be started: {error.strerror}")


def _too_long() -> Trouble:
    return Trouble(f"training took longer than {SECONDS:.0f} s; give fewer examples")


def _why(code: int | None, said: bytes, *, private: bool) -> str:
    """In a sentence for whoever wrote the examples."""
    words = said.decode(errors="replace").strip().rpartition("\n")[2][:LAST_WORDS]
    if "memory" in words.lower() or code == -signal.SIGKILL:
        return f"training needs more than {MEMORY // 2**20} MiB of memory; give fewer examples"
    if code == -signal.SIGXCPU:
        return f"training took more than {CPU_SECONDS} s of processor time; give fewer examples"
    if private and words:
        return f"training ended with {code}; what it said may hold words of a Secret and is not shown"
    return f"training ended with {code}: {words or 'it said nothing'}"
