"""What waits for others on behalf of a request.

Coroutines stand apart from the classes that are compiled: those of mypyc leave the exception that they handled last to
everybody who runs after them.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from signalbox.router.patience import within
from signalbox.router.serving.classifiers.answers import Unanswered
from signalbox.router.wire.errors import Refusal
from signalbox.routing.decision import Undecided
from signalbox.routing.ejection import Cause
from signalbox.routing.features import Facts

if TYPE_CHECKING:
    from signalbox.router.serving.chains.call import Call, Reply
    from signalbox.router.serving.classifiers.visit import Visit
    from signalbox.router.serving.exchange import Exchange


async def finish(exchange: "Exchange", work: Coroutine[Any, Any, None]) -> None:
    """Whatever becomes of the work, the request is answered."""
    try:
        try:
            await work
        except Refusal as refusal:
            exchange.refuse(refusal)
    except Exception:
        exchange.crashed()
    finally:
        exchange.waited(asyncio.current_task())


async def classify(exchange: "Exchange", undecided: Undecided, facts: Facts) -> None:
    """Ask whoever is needed, one after the other: what one says may make another needless."""
    while True:
        name = undecided.classifier
        facts.classified.tell(name, await exchange.policy.classifiers[name].ask(exchange, facts))
        try:
            now = exchange.decide(facts, undecided.route)
        except Undecided as another:
            undecided = another
        else:
            exchange.proceed(facts, now)
            return


async def reply(call: "Call", deadline: float) -> "Reply":
    """Send, and wait for the answer until ``deadline`` (monotonic seconds). Raises ``CallFailed``."""
    now = time.monotonic()
    timer = asyncio.get_running_loop().call_later(max(0.0, deadline - now), call.overdue)
    try:
        call.start(now)
        return await call.done
    finally:
        timer.cancel()
        call.close()


async def made(visit: "Visit", deadline: float) -> bytes:
    """Ask, and wait for the answer until ``deadline``. Raises ``Unanswered``."""
    visit.start()
    try:
        async with within(max(0.0, deadline - visit.started_at)):
            return await visit.answer
    except TimeoutError:
        visit.end(Cause.SLOW)
        raise Unanswered("timeout", "the service did not answer in time") from None
    finally:
        visit.end(None)
