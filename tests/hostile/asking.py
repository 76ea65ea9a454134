"""Play a hostile request against a system, and say what came of it."""

import asyncio
import re
from dataclasses import dataclass, field, replace

import msgspec

from harness import Message, read_message
from hostile.corpus import Case, Step
from hostile.engine import Engine, ask
from hostile.playing import Writer, play
from hostile.secure import READ_BYTES, RECORDS, Secure
from hostile.systems import System, connect

_MARKED = re.compile(r"(?:c[0-9]{3}|(?:smug|behind|apart)-[0-9]+)\Z").match


@dataclass(frozen=True)
class Outcome:
    """``text`` is in the words of the corpus, or one of smuggled, crash, hang, garbage.

    ``reached``: the engine got the request, or it was served otherwise.
    """

    text: str
    reached: bool


def is_error(body: bytes, speaks: str = "") -> bool:
    """Whether it is an error object as clients of an API know it: of OpenAI's, or of ``messages``."""
    try:
        value = msgspec.json.decode(body)
        error = value["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return False
    if not isinstance(error, dict) or not isinstance(error.get("message"), str) or "type" not in error:
        return False
    return speaks != "messages" or (value.get("type") == "error" and isinstance(error["type"], str))


@dataclass
class Heard:
    """What a client got on its connection. ``end`` is how the reading ended: closed, cut, garbage or waiting."""

    answers: list[Message] = field(default_factory=list)
    end: str = "waiting"

    def whose(self) -> list[str]:
        """Whom the engine has answered, in the order of the answers; the status of what no engine said."""
        return [_whose(each) for each in self.answers]

    def in_other_words(self, speaks: str) -> bool:
        """Whether an error is none of the API that the client speaks."""
        return bool(speaks) and any(each.status != 200 and not is_error(each.body, speaks) for each in self.answers)


def _whose(answer: Message) -> str:
    if answer.status != 200:
        return str(answer.status)
    try:
        value = answer.json
        text = value["content"][0]["text"] if "content" in value else value["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return "200"
    return str(text).strip().rpartition(" ")[2]


async def _listen(reader: asyncio.StreamReader, heard: Heard, last: str, writer: Writer) -> None:
    """Read answers until the connection ends, or the last one is there.

    Inside TLS, nobody can end a half of the connection: a client that is told of the end goes first.
    """
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
            if isinstance(writer, Secure) and answer.header("connection") == b"close":
                writer.write_eof()


async def _listen_beneath(reader: asyncio.StreamReader, heard: Heard) -> None:
    """Read to the end: records of TLS are no answer, whatever they hold."""
    try:
        if (await reader.read(1) or b"\x15") in RECORDS:
            while await reader.read(READ_BYTES):
                pass
            heard.end = "closed"
        else:
            heard.end = "answered in plain"
    except OSError:
        heard.end = "closed"


async def asked(
    case: Case,
    number: int,
    system: System,
    engine: Engine,
    *,
    beneath: bool = False,
    together: bool = False,
    speaks: str = "",
) -> Outcome:
    """The outcome of a case.

    ``beneath``: its bytes go to a TLS port as they are. ``together``: others are played at the same time, so that a
    request without a name is not known to be of this one. ``speaks``: see ``Family``.
    """
    behind, apart = f"behind-{number}", f"apart-{number}"
    mine, hidden = f"c{number:03}", f"smug-{number:03}"
    case = replace(case, steps=tuple(_marked(step, mine, hidden) for step in case.steps))
    behind_too = case.behind and not beneath
    before, pids, defects = engine.seen.copy(), system.pids(), await system.defects()
    heard = Heard()
    try:
        reader, writer = await connect(system, beneath=beneath)
        last = behind if behind_too else ""
        listen = _listen_beneath(reader, heard) if beneath else _listen(reader, heard, last, writer)
        stalls = any(step.stall for step in case.steps)
        listening = listen if stalls else asyncio.ensure_future(listen)
        sending = asyncio.ensure_future(_send(case, behind if behind_too else "", writer))
        try:
            async with asyncio.timeout(system.patience):
                if stalls:
                    await sending
                await listening
        except TimeoutError:
            heard.end = "hang"
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.transport.abort()
        sound = all(await asyncio.gather(*(_ask(system, apart) for _ in range(_asked_apart(system)))))
    except OSError:
        return Outcome("crash", reached=False)
    if system.pids() != pids or await system.defects() != defects:
        return Outcome("crash", reached=False)
    seen = {user for user in engine.seen - before if _MARKED(user) or not together}
    if heard.in_other_words(speaks):
        return Outcome(f"{heard.answers[0].status}, in other words", reached=False)
    return _judge(heard, engine, seen, mine, hidden, behind, sound)


def _marked(step: Step, mine: str, hidden: str) -> Step:
    """Say whose request it is, and whose the one that is hidden in it; lengths stay the same."""
    send = step.send.replace(b'"user":"case"', b'"user":"%b"' % mine.encode())
    send = send.replace(b'"user_id":"case"', b'"user_id":"%b"' % mine.encode())
    return replace(step, send=send.replace(b'"user":"smuggled"', b'"user":"%b"' % hidden.encode()))


async def _send(case: Case, behind: str, writer: Writer) -> None:
    await play(case.steps, writer)
    if behind and not writer.transport.is_closing():
        writer.write(ask(behind))
        await writer.drain()


def _asked_apart(system: System) -> int:
    """The kernel chooses the worker: of so many connections, each gets one, or all but never none."""
    return 1 if system.workers == 1 else 4 * system.workers


async def _ask(system: System, user: str) -> bool:
    """Whether a sound client gets the answer to itself, on a connection of its own."""
    reader, writer = await connect(system)
    heard = Heard()
    try:
        writer.write(ask(user))
        async with asyncio.timeout(system.patience):
            await _listen(reader, heard, user, writer)
    except TimeoutError:
        return False
    finally:
        writer.transport.abort()
    return heard.whose()[:1] == [user]


def _judge(heard: Heard, engine: Engine, seen: set[str], mine: str, hidden: str, behind: str, sound: bool) -> Outcome:
    whose = heard.whose()
    broken, engine.broken = engine.broken, []
    served = behind in whose
    others = [each for each in whose if each != behind]
    reached = mine in seen or any(not _MARKED(user) for user in seen)
    if hidden in seen or hidden in others or not sound:
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
