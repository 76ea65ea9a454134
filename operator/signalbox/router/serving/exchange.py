"""One request of a client: decided once, tried as often as it takes, answered once."""

import asyncio
import random
import time
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from signalbox.router.serving import booking, continuation, replies, waiting
from signalbox.router.serving.attempt import Attempt
from signalbox.router.serving.chains.run import Run, afford
from signalbox.router.serving.response_ids import Kept
from signalbox.router.serving.tries import Tries
from signalbox.router.wire import answers, body
from signalbox.router.wire.edge import MessagesEdge
from signalbox.router.wire.errors import Refusal, event_of
from signalbox.router.wire.heads import Head
from signalbox.router.wire.sse import EventStream
from signalbox.router.wire.translation import Translation, reading
from signalbox.routing.chains.bodies import events as chunks
from signalbox.routing.chains.budget import Spent
from signalbox.routing.chains.compiled import CompiledChain, wants_several
from signalbox.routing.choosing.classified import NOTHING_SAID, Result
from signalbox.routing.config import Backend
from signalbox.routing.decision import CompiledRoute, Undecided
from signalbox.routing.features import Facts
from signalbox.routing.formats.anthropic_client.request import Message
from signalbox.routing.outcomes import Outcome
from signalbox.routing.strategies import Choice

if TYPE_CHECKING:
    from signalbox.router.serving.chains.call import Call
    from signalbox.router.serving.client import ClientConnection
    from signalbox.router.serving.live import Live, LivePolicy

CLIENT_CLOSED_REQUEST = 499

_getrandbits = random.getrandbits


class Exchange(Tries):
    """See the module. It calls the client's connection.

    ``kept`` is the response that the request follows. ``message`` is what a client of Anthropic's API asked, which to
    everybody here is the chat that ``data`` holds; what it gets passes the ``edge``, unless its target speaks that API,
    too. ``rewrites`` says that an answer cannot be sent in parts; ``api`` is the operation that the client itself asked
    for. ``spent`` is what calls on behalf of the request used, beside the answer itself, ``calls`` those under way;
    ``said`` what classifiers said of it, ``why`` what else there is to say of the choice, where somebody asked.
    """

    __slots__ = (
        "_committed",
        "_task",
        "api",
        "calls",
        "chain",
        "client",
        "debug",
        "edge",
        "kept",
        "message",
        "rewrites",
        "route",
        "said",
        "spent",
        "started_at",
        "tenant",
        "why",
    )

    def __init__(
        self,
        client: "ClientConnection",
        live: "Live",
        policy: "LivePolicy",
        tenant: str,
        operation: str,
        head: Head,
        data: dict[str, Any],
        now: float,
        message: Message | None = None,
    ) -> None:
        super().__init__(live, policy, operation, head, data, client.request_id)
        self.client = client
        self.tenant = tenant
        self.started_at: float = now
        self.api = client.speaks
        headers = head.headers
        self.traceparent = headers.get(b"traceparent") or b"00-%032x-%016x-01" % (_getrandbits(128), _getrandbits(64))
        self.debug: bool = policy.config.debug and headers.get(b"x-signalbox-debug", b"").lower() in {b"true", b"1"}
        self.route: CompiledRoute | None = None
        self.kept: Kept | None = None
        self.message = message
        self.edge: MessagesEdge | None = None
        self.rewrites: bool = operation == "responses" or message is not None
        self.spent: Spent | None = None
        self.calls: set[Call] | None = None
        self.said: Mapping[str, Result] = NOTHING_SAID
        self.why = ""
        self.chain: Run | None = None
        self._committed = False  # the head of a stream was sent before there was anything to say
        self._task: asyncio.Task[None] | None = None

    def start(self, tier: str) -> None:
        """Decide and send. Raises ``Refusal`` where no target can be asked."""
        self.live.budget.deposit()
        if self.operation == "responses" and self.data.get("previous_response_id") is not None:
            now = time.monotonic()
            self._resume(now)
        else:
            policy = self.policy
            facts = Facts(
                self.operation, self.data, self.head.headers, self.tenant, tier, policy.facts, policy.classifiers
            )
            if self.message is not None:
                facts.message = self.message
            try:
                now = self.decide(facts)
            except Undecided as undecided:
                self.run(waiting.classify(self, undecided, facts))
                return
            self.proceed(facts, now)
            return
        self._try(now)

    def decide(self, facts: Facts, start: str = "") -> float:
        """Find route and target; returns when. Raises ``Undecided``, and ``Refusal`` where there is none."""
        try:
            self.route = route = self.policy.match(facts, start)
            now = time.monotonic()
            self._search.first(route, facts, now)
        finally:
            self.said = facts.said
        if self.debug:
            self.why = self._search.why
        return now

    def proceed(self, facts: Facts, now: float) -> None:
        """Ask whom the route names. Raises ``Refusal`` where nobody can be asked."""
        if self.route is not None and self.route.chain is not None:
            self._ask_several(self.route.chain, facts, now)
        else:
            self._try(now)

    def _ask_several(self, chain: CompiledChain, facts: Facts, now: float) -> None:
        """Let a chain find the answer, unless there is nothing to choose from, or nobody well to be asked.

        Steps are asked for a chat, of which one answer is looked at: what is more than that goes to the last.
        """
        if self._search.placed:
            self._try(now)
        elif wants_several(self.operation, self.data) or (
            self.message is not None and self.message.obstacle is not None
        ):
            afford(self, chain, facts)
            self._search.within(chain.direct, now)
            self._try(now)
        else:
            self.chain = Run(self, chain, facts)
            self.chain.start()

    def _resume(self, now: float) -> None:
        """Follow a response to the endpoint that keeps it."""
        previous = self.data["previous_response_id"]
        self.kept, position, endpoint = continuation.find(
            self.live.response_ids, self.policy, self.tenant, previous, now
        )
        self._search.follow(position, endpoint)
        if wait := self._search.backend.limits.wait(now, 0):
            self.policy.turned_away(position)
            raise Refusal(429, "rate_limit_exceeded", "The target is at its limit.", retry_after=wait)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on with what has to wait for others; a ``Refusal`` that it raises is the answer.

        The client that leaves cancels it. What it started by itself it must end by itself then.
        """
        self._task = asyncio.get_running_loop().create_task(waiting.finish(self, work))

    def waited(self, task: asyncio.Task[Any] | None) -> None:
        """A task has ended, in which something was waited for."""
        if self._task is task:
            self._task = None

    # for a chain

    def answer_live(self, choice: Choice) -> None:
        """Let one of some targets answer. Raises ``Refusal`` where none of them can be asked."""
        now = time.monotonic()
        if self.spent is None:
            self.spent = Spent()
        self.spent.calls += 1
        self.target = self.spent.target  # whose refusal the client sees where none of them is asked
        self.rewrites = self.rewrites or self.stream  # what is no stream yet becomes one as a whole
        self._search.within(choice, now)
        self._try(now)

    def answer_with(self, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        """Answer with what a call brought."""
        if self.message is not None:
            self.edge = MessagesEdge(thinking=self.message.thinking)
        self._hand_over(None, status, headers, content)

    def keep_alive(self) -> None:
        """Say nothing, so that nobody on the way takes the stream for dead."""
        if not self._committed:
            self._committed = True
            self.client.begin(replies.silence(self), None)
        self.client.part(b": keep-alive\n\n")

    def out_of_time(self) -> None:
        """The time for the whole chain is over."""
        attempt = self.attempt
        if attempt is None:
            return
        message = "time-out of the route"
        attempt.cancel()
        if attempt.began:
            self.broken(attempt, message, True, "abandoned")
        else:
            self._ended(attempt, "abandoned")
            self.refuse(replies.expired(self.target, message))

    # trying

    def _composed(self, backend: Backend) -> tuple[bytes, Translation | None]:
        data, message = self.data, self.message
        if self.kept is not None:
            data = {**data, "previous_response_id": self.kept.original}
        content = body.for_backend(data, backend, self.operation, self.stream, message and message.original)
        native = message is not None and backend.format == "Anthropic"
        if message is not None:
            self.edge = None if native else MessagesEdge(thinking=message.thinking)
        return content, reading(backend, native=native, with_usage=body.wants_usage(data))

    def _give_up(
        self, attempt: Attempt, outcome: Outcome, message: str, gateway_status: int, upstream_status: int | None
    ) -> None:
        if self.kept is not None and upstream_status == 404:
            self.refuse(continuation.gone())
        else:
            self.refuse(replies.failure(self.target, attempt, outcome, message, gateway_status))

    def refused_inside(self, attempt: Attempt, error: object, outcome: Outcome) -> None:
        """A 200 that held the client's own error: the client gets it with the status that it names."""
        refusal = replies.inside(error, outcome)
        if outcome is Outcome.CONTEXT_LENGTH:
            self.too_long(attempt, refusal.status, {b"content-type": b"application/json"}, refusal.body(self.api))
            return
        self._ended(attempt, "client")
        self.refuse(refusal)

    def expired(self, attempt: Attempt, message: str) -> None:
        """The request's whole time is over."""
        self._ended(attempt, "failure")
        self.refuse(replies.expired(self.target, message))

    # answering

    def refuse(self, refusal: Refusal) -> None:
        """Answer with an error of the router's own, unless a chain has something better."""
        if self.chain is not None and self.chain.rescue():
            return
        if self._committed:
            self.client.part(event_of(self.api, refusal))
            self.client.end()
        else:
            self.client.refuse(refusal, replies.route_lines(self))
        booking.refused(self, refusal.status, refusal.code)
        self.client.finished()

    def begin(self, status: int, headers: Mapping[bytes, bytes], length: bytes | None) -> None:
        """Send the head of an answer whose body follows by ``pass_on``."""
        if self.chain is not None:
            self.chain.quiet()
            if self._committed:
                return
        self.client.begin(replies.head(self, status, headers), length)

    @property
    def paused(self) -> bool:
        """Whether the client reads more slowly than answers come."""
        return self.client.paused

    def events(self, chunked: bool) -> EventStream:
        """How the events of a chat's own stream are treated."""
        return replies.events(self, chunked)

    def pass_raw(self, raw: bytes) -> None:
        """Send bytes with the framing that they came in."""
        self.client.write(raw)

    def crashed(self) -> None:
        """A defect: the client must not wait for ever."""
        self.client.crash(self)

    def pass_on(self, data: bytes) -> None:
        """Send a part of the body."""
        self.client.part(data if self.edge is None else self.edge.part(data))

    def answered(self, attempt: Attempt, status: int) -> None:
        """The answer that was passed on is complete."""
        now = self._ended(attempt, "success" if status < 400 else "client")
        if self.edge is not None:
            self.client.part(self.edge.end())
        self.client.end()
        booking.served(self, attempt, status, now)
        self.client.finished()

    def answer(self, attempt: Attempt, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        """The answer is complete and nothing of it was sent yet."""
        if self.operation == "responses":
            content = continuation.rename(status, content, partial(replies.sealed, self), self.kept, self.data)
        self._ended(attempt, "success" if status < 400 else "client")
        self._hand_over(attempt, status, headers, content)

    def _hand_over(self, attempt: Attempt | None, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        if self.chain is not None:
            if status >= 400 and self.chain.rescue():
                return
            if self.stream and (status < 400 or self._committed):
                self._stream_whole(attempt, status, headers, content)
                return
        if self.edge is not None:
            message = self.edge.whole(status, content)
            if message is None:
                self.refuse(Refusal(502, "upstream_error", f"Target {self.target}: answered what is no chat."))
                return
            content = message
        elif status >= 400 and answers.read(content) is None:
            # A page of whatever stands before the engine; clients of the API read error objects.
            headers = {**headers, b"content-type": b"application/json"}
            content = replies.as_refusal(self.target, status, content).body(self.api)
        self.client.whole(replies.head(self, status, headers, attempt), content)
        booking.served(self, attempt, status, time.monotonic())
        self.client.finished()

    def _stream_whole(
        self, attempt: Attempt | None, status: int, headers: Mapping[bytes, bytes], content: bytes
    ) -> None:
        """An answer that is there as a whole, as the stream that the client asked for."""
        with_usage = self.edge is not None or body.wants_usage(self.data)
        events = chunks(self.operation, content, with_usage=with_usage) if status < 400 else None
        if events is None:
            self.refuse(replies.as_refusal(self.target, status, content))
            return
        now = time.monotonic()
        self.begin(200, {**headers, **replies.EVENT_STREAM}, None)
        self.pass_on(events)
        if self.edge is not None:
            self.client.part(self.edge.end())
        self.client.end()
        booking.served(self, attempt, 200, now, first=now - self.started_at)
        self.client.finished()

    def broken(self, attempt: Attempt, message: str, timed_out: bool, outcome: str = "failure") -> None:
        """The answer ended in its middle: say so in the form of the API, then end.

        Counters and log have the status that it would have been, had nothing been sent yet.
        """
        now = self._ended(attempt, outcome)
        self.detail = message
        error = replies.incomplete(self.target, message, timed_out)
        if attempt.events is not None:
            self.client.part(event_of(self.api, error))
            self.client.end()
        else:
            self.client.cut()
        attempt.usage = attempt.usage or (attempt.events.usage if attempt.events is not None else None)
        booking.served(self, attempt, error.status, now, error.code)
        self.client.finished()

    def abandon(self, status: int = CLIENT_CLOSED_REQUEST, error: str = "client_closed") -> bool:
        """Nobody waits for the answer any more; returns whether there was something to end, and to book."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            for call in tuple(self.calls or ()):
                call.cancel()  # what is booked below is then all that will be
        attempt = self.attempt
        if attempt is None:
            if task is None:
                if self.chain is not None:
                    self.chain.close()
                return False
            if self.chain is not None and self.spent is not None:
                self.target = self.spent.target
        else:
            if not attempt.cancelled:
                attempt.cancel()
            self._ended(attempt, "abandoned")
        booking.served(self, attempt, status, time.monotonic(), error)
        return True

    def forget_body(self) -> None:
        """The request is over."""
        self.data = {}
        self.message = None
        if self.chain is not None:
            self.chain.close()
            self.chain = None  # it refers back to this
        self._search.needs = None
