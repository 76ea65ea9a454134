"""Which path speaks which format."""

from typing import Any, Protocol

from signalbox.sim.calls import Call
from signalbox.sim.chat import ChatFormat
from signalbox.sim.engine import Sequence


class Format(Protocol):
    """How one call is answered on the wire. ``name`` is the engine's; sequences are in the order of the answers."""

    def __init__(self, call: Call, name: str) -> None: ...

    def unary(self, sequences: list[Sequence]) -> dict[str, Any]:
        """The body without streaming."""

    def head(self) -> bytes:
        """Events that come before the engine has begun."""

    def token(self, index: int, position: int, sequences: list[Sequence]) -> bytes:
        """Events for one token of one answer; tokens come in order."""

    def end(self, sequences: list[Sequence]) -> bytes:
        """Events after the last token."""

    def error(self, body: bytes) -> bytes:
        """An error inside the stream, and its end."""


FORMATS: dict[str, tuple[str, type[Format]]] = {"/v1/chat/completions": ("chat", ChatFormat)}
