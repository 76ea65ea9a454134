"""Conversations that an engine remembers for ``previous_response_id``."""

from collections import OrderedDict


class Memory:
    """The texts of the latest responses; the oldest go first."""

    def __init__(self, capacity: int = 1_000) -> None:
        self._capacity = capacity
        self._texts: OrderedDict[str, str] = OrderedDict()

    def recall(self, response: str) -> str | None:
        """The conversation up to and including a response; None if it is gone."""
        return self._texts.get(response)

    def keep(self, response: str, text: str) -> None:
        """Remember the conversation that a response ends."""
        self._texts[response] = text
        while len(self._texts) > self._capacity:
            self._texts.popitem(last=False)
