"""One request of a client: decided once, tried as often as it takes, answered once."""

import random
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from signalbox.router.serving import booking, continuation, replies
from signalbox.router.serving.attempt import Attempt
from signalbox.router.serving.response_ids import Kept
from signalbox.router.serving.search import Search
from signalbox.router.wire import body
from signalbox.router.wire.edge import MessagesEdge
from signalbox.router.wire.errors import Refusal, event_of
from signalbox.router.wire.heads import Head
from signalbox.router.wire.translation import reading
from signalbox.routing.decision import CompiledRoute
from signalbox.routing.features import Facts
from signalbox.routing.formats.anthropic_client.request import Message
from signalbox.routing.outcomes import Outcome

if TYPE_CHECKING:
    from signalbox.router.serving.client import ClientConnection
    from signalbox.router.serving.live import Live, LivePolicy

# Bounds the tries of one request, whatever the retry budget would allow.
MAX_TRIES = 6
CLIENT_CLOSED_REQUEST = 499

_getrandbits = random.getrandbits


class Exchange:
    """See the module. Its attempts call it back; it calls the client's connection.

    ``detail`` is why a try failed, in words for the operator of the router and not for its clients. ``kept`` is the
    response that the request follows. ``message`` is what a client of Anthropic's API asked, which to everybody here is
    the chat that ``data`` holds; what it gets passes the ``edge``, unless its target speaks that API, too.
    ``rewrites`` says that an answer cannot be sent in parts; ``api`` is the operation that the client itself asked for.
    """

    __slots__ = (
        "_search",
        "_tokens",
        "api",
        "attempt",
        "client",
        "data",
        "debug",
        "detail",
        "edge",
        "head",
        "kept",
        "live",
        "message",
        "operation",
        "policy",
        "request_id",
        "rewrites",
        "route",
        "started_at",
        "stream",
        "target",
        "tenant",
        "traceparent",
        "tries",
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
        self.client = client
        self.live = live
        self.policy = policy
        self.tenant = tenant
        self.operation = operation
        self.head = head
        self.data = data
        self.started_at = now
        self.stream = data.get("stream") is True
        self.api = client.speaks
        self.request_id = client.request_id
        headers = head.headers
        self.traceparent = headers.get(b"traceparent") or b"00-%032x-%016x-01" % (_getrandbits(128), _getrandbits(64))
        self.debug = policy.config.debug and headers.get(b"x-signalbox-debug", b"").lower() in {b"true", b"1"}
        self.attempt: Attempt | None = None
        self.target = ""
        self.detail = ""
        self.tries = 0
        self.route: CompiledRoute | None = None
        self.kept: Kept | None = None
        self.message = message
        self.edge: MessagesEdge | None = None
        self.rewrites: bool = operation == "responses" or message is not None
        self._search = Search(policy)
        self._tokens = 0

    def start(self, tier: str) -> None:
        """Decide and send. Raises ``Refusal`` where no target can be asked."""
        self.live.budget.deposit()
        if self.operation == "responses" and self.data.get("previous_response_id") is not None:
            now = time.monotonic()
            self._resume(now)
        else:
            facts = Facts(self.operation, self.data, self.head.headers, self.tenant, tier, self.policy.facts)
            if self.message is not None:
                facts.message = self.message
            self.route = route = self.policy.match(facts)
            now = time.monotonic()
            self._search.first(route, facts, now)
        self._try(now)

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

    # trying

    def _try(self, now: float) -> None:
        search = self._search
        backend, needs = search.backend, search.needs
        self.tries += 1
        self.target = self.policy.config.targets[search.position].name
        self._tokens = 0 if needs is None else backend.tokens(needs)
        backend.limits.acquire(now, self._tokens)
        data = self.data
        if self.kept is not None:
            data = {**data, "previous_response_id": self.kept.original}
        config, message = backend.config, self.message
        content = body.for_backend(data, config, self.operation, self.stream, message and message.original)
        native = message is not None and config.format == "Anthropic"
        if message is not None:
            self.edge = None if native else MessagesEdge(thinking=message.thinking)
        translation = reading(config, native=native, with_usage=body.wants_usage(data))
        request = b"".join(
            (
                backend.heads[self.operation],
                self.head.upstream(backend.own_headers),
                b"x-request-id: %b\r\ntraceparent: %b\r\ncontent-length: %d\r\n\r\n"
                % (self.request_id, self.traceparent, len(content)),
                content,
            )
        )
        self.attempt = attempt = Attempt(self, backend, search.endpoint, request, now, translation)
        self.live.attempts.add(attempt)
        self.live.statistics.started(backend.config.name)
        backend.backlog.began(now)
        attempt.start()

    def _ended(self, attempt: Attempt, outcome: str) -> float:
        """Book what every attempt books at its end."""
        now = time.monotonic()
        backend = attempt.backend
        backend.limits.release(now)
        backend.backlog.ended(now)
        if attempt.usage is not None:
            backend.limits.settle(now, self._tokens, attempt.usage.input + attempt.usage.output, attempt.started_at)
            needs = self._search.needs
            if needs is not None and backend.config.context_window is not None:
                backend.correction.observe(needs.prompt_tokens, attempt.usage.input)
        if outcome in {"success", "failure"}:
            backend.served(outcome == "failure", attempt.ttft, now)
        self.live.attempts.discard(attempt)
        self.live.statistics.attempt(backend.config.name, outcome)
        self.attempt = None
        return now

    def failed(
        self, attempt: Attempt, outcome: Outcome, message: str, gateway_status: int, upstream_status: int | None
    ) -> None:
        """The attempt failed and the client has seen nothing of it: try elsewhere, or say so."""
        now = self._ended(attempt, outcome.name.lower())
        self.detail = self.detail or message
        if self.kept is not None and upstream_status == 404:
            self.refuse(continuation.gone())
            return
        if self._goes_on(outcome, now):
            self._try(now)
        else:
            self.refuse(replies.failure(self.target, attempt, outcome, message, gateway_status))

    def _goes_on(self, outcome: Outcome, now: float) -> bool:
        """Whether there is another place for the request after an attempt that failed."""
        if self.kept is not None or self.tries >= MAX_TRIES or not self.live.budget.withdraw(now):
            return False
        search = self._search
        if outcome is Outcome.FAILURE and search.backend.limits.wait(now, self._tokens) == 0.0 and search.beside(now):
            return True
        return search.elsewhere(now)

    def has_alternative(self, now: float) -> bool:
        """Whether another endpoint or target would take the request now."""
        return self.tries < MAX_TRIES and self._search.has_alternative(now)

    def too_long(self, attempt: Attempt, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        """The prompt was too long for the model: a target with a larger window may take it."""
        now = self._ended(attempt, "context_length")
        larger = self._search.larger()
        retries = larger and self.tries < MAX_TRIES and self.live.budget.withdraw(now)
        if retries and self._search.elsewhere(now, larger):
            self._try(now)
        else:
            self._send_whole(attempt, status, headers, content)

    def refused_inside(self, attempt: Attempt, error: object, outcome: Outcome) -> None:
        """A 200 that held the client's own error: the client gets it with the status that it names."""
        refusal = replies.inside(error, outcome)
        if outcome is Outcome.CONTEXT_LENGTH:
            self.too_long(attempt, refusal.status, {b"content-type": b"application/json"}, refusal.body())
            return
        self._ended(attempt, "client")
        self.refuse(refusal)

    def expired(self, attempt: Attempt, message: str) -> None:
        """The request's whole time is over."""
        self._ended(attempt, "failure")
        self.refuse(replies.expired(self.target, message))

    # answering

    def refuse(self, refusal: Refusal) -> None:
        """Answer with an error of the router's own."""
        self.client.refuse(refusal, replies.route_lines(self))
        booking.refused(self, refusal.status, refusal.code)
        self.client.finished()

    def begin(self, status: int, headers: Mapping[bytes, bytes], length: bytes | None) -> None:
        """Send the head of an answer whose body follows by ``pass_on``."""
        self.client.begin(replies.head(self, status, headers), length)

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
        self._send_whole(attempt, status, headers, content)

    def _send_whole(self, attempt: Attempt, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        if self.edge is not None:
            message = self.edge.whole(status, content)
            if message is None:
                self.refuse(Refusal(502, "upstream_error", f"Target {self.target}: answered what is no chat."))
                return
            content = message
        self.client.whole(replies.head(self, status, headers), content)
        booking.served(self, attempt, status, time.monotonic())
        self.client.finished()

    def broken(self, attempt: Attempt, message: str, timed_out: bool) -> None:
        """The answer ended in its middle: say so in the form of the API, then end.

        Counters and log have the status that it would have been, had nothing been sent yet.
        """
        now = self._ended(attempt, "failure")
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
        attempt = self.attempt
        if attempt is None:
            return False
        if not attempt.cancelled:
            attempt.cancel()
        self._ended(attempt, "abandoned")
        booking.served(self, attempt, status, time.monotonic(), error)
        return True

    def forget_body(self) -> None:
        """The request is over."""
        self.data = {}
        self.message = None
        self._search.needs = None
