"""A request while it is inside an engine."""

import asyncio

from signalbox.sim.calls import Call
from signalbox.sim.engine import Sequence


class Work:
    """The sequences of one call; its handler sleeps on ``progress`` and is woken once per step of the engine."""

    def __init__(self, call: Call) -> None:
        self.call = call
        if call.answers:
            n = call.choices_per_prompt
            self.sequences = [
                Sequence(
                    call.prompts[index // n][0],
                    output=answer.length,
                    prefix=call.prompts[index // n][1],
                    owner=self,
                    finish=answer.finish,
                    n=n,
                    max_tokens=call.max_tokens,
                )
                for index, answer in enumerate(call.answers)
            ]
        else:
            self.sequences = [Sequence(tokens, 0, prefix, owner=self) for tokens, prefix in call.prompts]
        self._waiter: asyncio.Future[None] | None = None

    def complete(self) -> bool:
        """All its answers are there."""
        return all(sequence.done for sequence in self.sequences)

    def wake(self) -> None:
        """A step gave it something."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def progress(self) -> None:
        """Wait for the next wake."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
