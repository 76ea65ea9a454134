"""Play a hostile request against a system, and say what came of it."""

import asyncio
import re
from dataclasses import dataclass, field, replace

from harness import Message, read_message
from hostile.corpus import Case, Step
from hostile.engine import Engine, ask
from hostile.playing import play
from hostile.systems import System

_MARKED = re.compile(r"(?:c[0-9]{3}|(?:behind|apart)-[0-9]+)\Z").match


@dataclass(frozen=True)
class Outcome:
    """``text`` is in the words of the corpus, or one of smuggled, crash, hang, garbage.

    ``reached``: the engine got the request, or it was served otherwise.
    """

    text: str
    reached: bool


@dataclass
class Heard:
    """What a client got on its connection. ``end`` is how the reading ended: closed, cut, garbage or waiting."""

    answers: list[Message] = field(default_factory=list)
    end: str = "waiting"

    def whose(self) -> list[str]:
        """Whom the engine has answered, in the order of the answers; the status of what no engine said."""
        return [_whose(each) for each in self.answers]


def _whose(answer: Message) -> str:
    if answer.status != 200:
        return str(answer.status)
    try:
        text = answer.json["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return "200"
    return str(text).strip().rpartition(" ")[2]


async def _listen(reader: asyncio.StreamReader, heard: Heard, last: str) -> None:
    """Read answers until the connection ends, or the last one is there."""
    while True:
        try:
            answer = await read_message(reader)
        except asyncio.IncompleteReadError as error:
            heard.end = "cut" if error.partial else "closed"
            return
        except OSError:
            heard.end = "closed"
            return
        except (AssertionError, ValueError, IndexError, asyncio.LimitOverrunError):
            heard.end = "garbage"
            return
        if answer.status >= 200:
            heard.answers.append(answer)
            if last and _whose(answer) == last:
                return


async def asked(case: Case, number: int, system: System, engine: Engine) -> Outcome:
    """The outcome of a case."""
    behind, apart = f"behind-{number}", f"apart-{number}"
    mine = f"c{number:03}"
    case = replace(case, steps=tuple(_marked(step, mine) for step in case.steps))
    before, pid, defects = engine.seen.copy(), system.pid(), system.defects()
    heard = Heard()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", system.port, limit=1 << 16)
        stalls = any(step.stall for step in case.steps)
        listening = None if stalls else asyncio.ensure_future(_listen(reader, heard, behind if case.behind else ""))
        sending = asyncio.ensure_future(_send(case, behind, writer))
        try:
            async with asyncio.timeout(system.patience):
                if stalls:
                    await sending
                await (listening or _listen(reader, heard, behind if case.behind else ""))
        except TimeoutError:
            heard.end = "hang"
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.transport.abort()
        sound = await _ask(system, apart)
    except OSError:
        return Outcome("crash", reached=False)
    if system.pid() != pid or system.defects() != defects:
        return Outcome("crash", reached=False)
    return _judge(heard, engine, {*(engine.seen - before)}, mine, behind, sound == apart)


def _marked(step: Step, mine: str) -> Step:
    """Say whose request it is; the length stays the same."""
    old, new = b'"user":"case"', b'"user":"%b"' % mine.encode()
    return replace(step, send=step.send.replace(old, new))


async def _send(case: Case, behind: str, writer: asyncio.StreamWriter) -> None:
    await play(case.steps, writer)
    if case.behind and not writer.transport.is_closing():
        writer.write(ask(behind))
        await writer.drain()


async def _ask(system: System, user: str) -> str:
    """Whose answer a sound client gets on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", system.port)
    heard = Heard()
    try:
        writer.write(ask(user))
        async with asyncio.timeout(system.patience):
            await _listen(reader, heard, user)
    except TimeoutError:
        return "hang"
    finally:
        writer.transport.abort()
    return heard.whose()[0] if heard.answers else heard.end


def _judge(heard: Heard, engine: Engine, seen: set[str], mine: str, behind: str, sound: bool) -> Outcome:
    whose = heard.whose()
    broken, engine.broken = engine.broken, []
    served = behind in whose
    others = [each for each in whose if each != behind]
    reached = mine in seen or any(not _MARKED(user) for user in seen)
    if "smuggled" in seen or "smuggled" in others or not sound:
        return Outcome("smuggled", reached=True)
    if broken:
        return Outcome("passed on broken", reached=True)
    if (
        whose.count(behind) > 1
        or (served and whose[-1] != behind)
        or any(_MARKED(each) and each != mine for each in others)
    ):
        return Outcome("smuggled", reached=True)
    if heard.end in {"hang", "garbage"}:
        return Outcome(heard.end, reached)
    first = ("skipped" if served else heard.end) if not others else others[0] if others[0].isdigit() else "200"
    if served:
        first = f"{first}, goes on"
    return Outcome(first, reached or first.startswith("200"))
