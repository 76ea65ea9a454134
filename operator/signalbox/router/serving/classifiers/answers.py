"""Answers to equal questions: one is asked for, all get it, and it is remembered for a while."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from signalbox.router.patience import within
from signalbox.routing.choosing.classified import Outcome, Result

MAX_ANSWERS = 4096
"""Of a classifier in one worker: about a megabyte."""
KEPT_SECONDS = 3600.0
"""A model may be replaced behind its name, and nobody tells."""


class Unanswered(Exception):  # noqa: N818 - of others, not of this code
    """A classifier has not said one of its labels; ``why`` is for the operator of the router."""

    def __init__(self, outcome: Outcome, why: str) -> None:
        super().__init__(why)
        self.outcome: Outcome = outcome
        self.why = why


class Answers:
    """Of one classifier. What was asked is kept as a digest only; failures are not remembered."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[Result, float]] = OrderedDict()
        self._pending: dict[bytes, asyncio.Future[Result | Unanswered | None]] = {}

    async def get(self, question: str, deadline: float, ask: Callable[[], Awaitable[Result]]) -> tuple[Result, bool]:
        """The answer by ``deadline`` (monotonic seconds), and whether somebody else had asked for it.

        Raises ``Unanswered``. Who asks first asks for all; should that one leave, the next asks anew.
        """
        key = hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        while True:
            if (known := self._remembered(key)) is not None:
                return known, True
            pending = self._pending.get(key)
            if pending is None:
                return await self._ask(key, ask), False
            try:
                async with within(max(0.0, deadline - time.monotonic())):
                    found = await asyncio.shield(pending)
            except TimeoutError:
                raise Unanswered("timeout", "time-out of the classifier") from None
            if isinstance(found, Unanswered):
                raise Unanswered(found.outcome, found.why)
            if found is not None:
                return found, True

    async def _ask(self, key: bytes, ask: Callable[[], Awaitable[Result]]) -> Result:
        pending = self._pending[key] = asyncio.get_running_loop().create_future()
        said: Result | Unanswered | None = None
        try:
            said = result = await ask()
        except Unanswered as unanswered:
            said = unanswered
            raise
        finally:
            del self._pending[key]
            pending.set_result(said)
        self._known[key] = result, self._clock() + KEPT_SECONDS
        if len(self._known) > MAX_ANSWERS:
            self._known.popitem(last=False)
        return result

    def _remembered(self, key: bytes) -> Result | None:
        known = self._known.get(key)
        if known is None:
            return None
        result, until = known
        if self._clock() >= until:
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return result
