"""Ask for the answer of a hostile engine, and say what a client of the system gets."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress

from harness import Message, read_message
from hostile.asking import Outcome, is_error
from hostile.corpus import Case, Family
from hostile.engine import Engine, ask
from hostile.reading import BrokenError, chat_text, chunks_text, events_text, message_text
from hostile.systems import System, connect

# What an engine does after its answer is over by then; it may go on where nobody listens. Seconds.
AFTERWARDS = 5.0
_TO = re.compile(r"(first|good) to ([a-z0-9_-]+)\s*\Z")


async def answered(case: Case, model: str, family: Family, system: System, engine: Engine) -> Outcome:
    """The outcome of a case of ``engine``, which plays it for that model."""
    behind = f"behind-{model}"
    pids, defects = system.pids(), await system.defects()
    engine.played[model].clear()
    try:
        reader, writer = await connect(system)
        try:
            writer.write(ask("case", model, case.stream, family.speaks))
            text = await _outcome(reader, system, family)
            with suppress(TimeoutError):
                async with asyncio.timeout(AFTERWARDS):
                    await engine.played[model].wait()
        finally:
            writer.transport.abort()
        # Each worker has seen what the engine has done, once it has answered this: sound clients come behind it.
        await system.defects()
        asked = (1,) if system.workers == 1 else range(4 * system.workers)
        sound = await asyncio.gather(*(_sound(system, f"{behind}-{number}", model, family) for number in asked))
    except OSError:
        return Outcome("crash", reached=False)
    if system.pids() != pids or await system.defects() != defects:
        return Outcome("crash", reached=False)
    return Outcome(text if all(sound) else "smuggled", reached=text in {"answer", "smuggled"})


async def _outcome(reader: asyncio.StreamReader, system: System, family: Family) -> str:
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
        return str(answer.status) if is_error(answer.body, family.speaks) else f"{answer.status}, plain"
    events = (answer.header("content-type") or b"").startswith(b"text/event-stream")
    return _of_events(answer, family) if events else _of_answer(answer, family)


def _of_answer(answer: Message, family: Family) -> str:
    read = message_text if family.speaks == "messages" else chat_text
    try:
        return _whose(read(answer.json, strict=family.translated))
    except (BrokenError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return _as_said(family)


def _as_said(family: Family) -> str:
    """An engine is believed in what it says to clients of its own API; what is translated is the router's word."""
    return "garbage" if family.translated else "as said"


def _of_events(answer: Message, family: Family) -> str:
    """Each event must be JSON, and the last one the end or an error."""
    events = answer.body.split(b"\n\n")
    if events.pop() != b"":
        return _as_said(family)
    told = [each for each in events if not each.startswith(b":")]
    if told and is_error(_data(told[-1]), family.speaks):
        return _before_the_error(told[:-1], family)
    try:
        return _whose(_text(told, family))
    except (BrokenError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return _as_said(family)


def _before_the_error(events: Sequence[bytes], family: Family) -> str:
    """What came before may be anything but another end."""
    ends = (b"[DONE]", b'"message_stop"')
    return "garbage" if family.translated and any(end in each for each in events for end in ends) else "error event"


def _text(events: Sequence[bytes], family: Family) -> str:
    if family.speaks == "messages":
        return events_text(events, strict=family.translated)
    if not events or _data(events[-1]) != b"[DONE]":
        raise BrokenError
    return chunks_text([_data(each) for each in events[:-1]], strict=family.translated)


def _data(event: bytes) -> bytes:
    return event.rpartition(b"\ndata: ")[2] if event.startswith(b"event: ") else event.removeprefix(b"data: ")


def _whose(text: str) -> str:
    """An engine may say the same several times; nothing is what it says where it has no text."""
    if not text:
        return "nothing"
    found = _TO.match(text.replace("case", "case ").split(" first")[0].strip())
    if found is None:
        raise BrokenError
    if found[2] != "case":
        return "smuggled"
    return "next" if found[1] == "good" else "answer"


async def _sound(system: System, user: str, model: str, family: Family) -> bool:
    """Whether the next client of the same target gets the answer to itself."""
    reader, writer = await connect(system)
    read = message_text if family.speaks == "messages" else chat_text
    try:
        writer.write(ask(user, model, speaks=family.speaks))
        async with asyncio.timeout(system.patience):
            answer = await read_message(reader, until_close=True)
        return answer.status == 200 and read(answer.json, strict=True).rstrip().endswith(f" to {user}")
    except (TimeoutError, AssertionError, BrokenError, ValueError, LookupError, TypeError, EOFError, OSError):
        return False
    finally:
        writer.transport.abort()
