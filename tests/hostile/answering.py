"""Let an engine misbehave behind a system, and say what the client got."""

import asyncio
import re
from contextlib import suppress

import msgspec

from harness import Message, read_message
from hostile.asking import Outcome
from hostile.corpus import Case
from hostile.engine import Engine, ask
from hostile.systems import System

# What an engine does after its answer is over by then; it may go on where nobody listens. Seconds.
AFTERWARDS = 5.0
_TO = re.compile(r"(first|good) to ([a-z0-9-]+)\s*\Z")


async def answered(case: Case, number: int, system: System, engine: Engine) -> Outcome:
    """The outcome of a case of ``engine``, which plays it for the model of that number."""
    model, behind = f"e{number:03}", f"behind-{number}"
    pids, defects = system.pids(), system.defects()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", system.port, limit=1 << 16)
        try:
            writer.write(ask("case", model, case.stream))
            text = await _outcome(reader, system, stream=case.stream)
            with suppress(TimeoutError):
                async with asyncio.timeout(AFTERWARDS):
                    await engine.played[model].wait()
        finally:
            writer.transport.abort()
        sound = await _sound(system, behind, model)
    except OSError:
        return Outcome("crash", reached=False)
    if system.pids() != pids or system.defects() != defects:
        return Outcome("crash", reached=False)
    return Outcome(text if sound else "smuggled", reached=text in {"answer", "smuggled"})


async def _outcome(reader: asyncio.StreamReader, system: System, *, stream: bool) -> str:
    try:
        async with asyncio.timeout(system.patience):
            answer = await read_message(reader, until_close=True)
            while answer.status < 200:
                answer = await read_message(reader, until_close=True)
    except TimeoutError:
        return "hang"
    except asyncio.IncompleteReadError as error:
        return "cut" if error.partial else "closed"
    except OSError:
        return "cut"
    except (AssertionError, ValueError, IndexError, asyncio.LimitOverrunError):
        return "garbage"
    if answer.status >= 300:
        return str(answer.status) if _is_error(answer.body) else f"{answer.status}, plain"
    events = (answer.header("content-type") or b"").startswith(b"text/event-stream")
    return _of_events(answer) if stream or events else _of_answer(answer)


def _of_answer(answer: Message) -> str:
    try:
        return _whose(answer.json["choices"][0]["message"]["content"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return "garbage"


def _of_events(answer: Message) -> str:
    """Each event must be JSON, and the last one the end or an error."""
    events = answer.body.split(b"\n\n")
    if not (answer.header("content-type") or b"").startswith(b"text/event-stream") or events.pop() != b"":
        return "garbage"
    *before, last = [each.removeprefix(b"data: ") for each in events if not each.startswith(b":")] or [b""]
    try:
        text = "".join(msgspec.json.decode(each)["choices"][0]["delta"]["content"] for each in before)
        whose = _whose(text.replace("case", "case ").split(" first")[0].strip())
    except (ValueError, LookupError, TypeError, RecursionError):
        return "garbage"
    if last == b"[DONE]":
        return whose
    return "error event" if _is_error(last) else "garbage"


def _whose(text: str) -> str:
    found = _TO.match(text)
    if found is None:
        return "garbage"
    if found[2] != "case":
        return "smuggled"
    return "next" if found[1] == "good" else "answer"


def _is_error(body: bytes) -> bool:
    """Whether it is an error object as OpenAI's clients know it."""
    try:
        error = msgspec.json.decode(body)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return False
    return isinstance(error, dict) and isinstance(error.get("message"), str) and "type" in error


async def _sound(system: System, user: str, model: str) -> bool:
    """Whether the next client of the same target gets the answer to itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", system.port)
    try:
        writer.write(ask(user, model))
        async with asyncio.timeout(system.patience):
            answer = await read_message(reader, until_close=True)
        return bool(answer.status == 200 and answer.json["choices"][0]["message"]["content"].endswith(f" to {user}"))
    except (TimeoutError, AssertionError, ValueError, LookupError, TypeError, EOFError, OSError):
        return False
    finally:
        writer.transport.abort()
