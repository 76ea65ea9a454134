"""Whose an attempt is: who gets its answer, or hears how it ended."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from signalbox.router.wire.sse import EventStream
from signalbox.routing.outcomes import Outcome

if TYPE_CHECKING:
    from signalbox.router.serving.attempt import Attempt


class Owner:
    """``stream``: a stream was asked for. ``rewrites``: the answer is wanted as a whole, however large it is."""

    __slots__ = ()

    stream: bool
    rewrites: bool

    @property
    def paused(self) -> bool:
        """Whether who waits for the answer cannot take more of it now."""
        raise NotImplementedError

    def events(self, chunked: bool) -> EventStream | None:
        """How a stream of events is read; None where it cannot be an answer."""
        raise NotImplementedError

    def has_alternative(self, now: float) -> bool:
        """Whether the request could go elsewhere."""
        raise NotImplementedError

    def note(self, detail: str) -> None:
        """The cause of a failure, for the log."""
        raise NotImplementedError

    # an answer, in parts

    def begin(self, status: int, headers: Mapping[bytes, bytes], length: bytes | None, /) -> None:
        """Its head; the body follows by ``pass_on`` and ``pass_raw``."""
        raise NotImplementedError

    def pass_on(self, data: bytes, /) -> None:
        """A part of the body."""
        raise NotImplementedError

    def pass_raw(self, raw: bytes, /) -> None:
        """A part of the body in the framing that it came in."""
        raise NotImplementedError

    # ends, of which each attempt has one

    def answered(self, attempt: "Attempt", status: int, /) -> None:
        """The answer that was passed on is complete."""
        raise NotImplementedError

    def answer(self, attempt: "Attempt", status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        """The answer as a whole."""
        raise NotImplementedError

    def failed(
        self, attempt: "Attempt", outcome: Outcome, message: str, gateway_status: int, upstream_status: int | None
    ) -> None:
        """It failed before anything was passed on."""
        raise NotImplementedError

    def too_long(self, attempt: "Attempt", status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        """The prompt is too long for the model."""
        raise NotImplementedError

    def refused_inside(self, attempt: "Attempt", error: object, outcome: Outcome) -> None:
        """A 200 that held an error of the client's."""
        raise NotImplementedError

    def expired(self, attempt: "Attempt", message: str) -> None:
        """The time of the whole request is over."""
        raise NotImplementedError

    def broken(self, attempt: "Attempt", message: str, timed_out: bool, /) -> None:
        """It ended in the middle of what was passed on."""
        raise NotImplementedError

    def crashed(self) -> None:
        """A defect of the router's own (called from ``except``)."""
        raise NotImplementedError
