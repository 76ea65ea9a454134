"""One request of a client: decided once, tried as often as it takes, answered once."""

import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from signalbox.router.serving import booking, continuation
from signalbox.router.serving.attempt import Attempt
from signalbox.router.serving.response_ids import Kept
from signalbox.router.upstream.backend import BackendState
from signalbox.router.upstream.endpoint import Endpoint
from signalbox.router.wire import answers, body
from signalbox.router.wire.errors import Refusal, event_of, status_line
from signalbox.router.wire.headers import downstream_lines
from signalbox.router.wire.heads import Head
from signalbox.router.wire.sse import EventStream
from signalbox.routing.affinity import key_of
from signalbox.routing.decision import CompiledRoute
from signalbox.routing.eligibility import Requirements
from signalbox.routing.features import Facts
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

    ``detail`` is why a try failed, in words for the operator of the router and not for its clients.
    """

    __slots__ = (
        "_affinity",
        "_failure",
        "_kept",
        "_needs",
        "_rank",
        "_tokens",
        "_tried_endpoints",
        "_tried_targets",
        "attempt",
        "client",
        "data",
        "debug",
        "detail",
        "head",
        "live",
        "operation",
        "policy",
        "request_id",
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
        self.request_id = client.request_id
        headers = head.headers
        self.traceparent = headers.get(b"traceparent") or b"00-%032x-%016x-01" % (_getrandbits(128), _getrandbits(64))
        self.debug = policy.config.debug and headers.get(b"x-signalbox-debug", b"").lower() in {b"true", b"1"}
        self.attempt: Attempt | None = None
        self.target = ""
        self.detail = ""
        self.tries = 0
        self.route: CompiledRoute | None = None
        self._needs: Requirements | None = None
        self._affinity: int | None = None
        self._rank = 0
        self._tokens = 0
        self._tried_targets = 0
        self._tried_endpoints: list[Endpoint] = []
        self._failure: Refusal | None = None
        self._kept: Kept | None = None

    # deciding

    def start(self, tier: str) -> None:
        """Decide and send. Raises ``Refusal`` where no target can be asked."""
        policy = self.policy
        self.live.budget.deposit()
        if self.operation == "responses" and self.data.get("previous_response_id") is not None:
            self._resume()
            return
        facts = Facts(self.operation, self.data, self.head.headers, self.tenant, tier, policy.facts)
        route = self.route = policy.match(facts)
        self._needs, eligible = policy.eligible(route, facts)
        if policy.affinity is not None:
            self._affinity = key_of(policy.affinity, self.operation, self.data, self.head.headers)
        self._rank = policy.rank(tier)
        self._go(route, eligible, first=True)

    def _go(self, route: CompiledRoute, eligible: int, *, first: bool) -> None:
        """Make the next attempt at a target of ``eligible``; raises ``Refusal`` when there is none."""
        now = time.monotonic()
        policy = self.policy
        usable, full, wait = policy.available(route.choice.mask & eligible, now, self._needs)
        choice = route.choice
        if first and usable and (after := policy.too_crowded(usable, self._rank, now)):
            self._turned_away(choice.next(usable))
            message = "Too many requests wait at every target of this route."
            raise Refusal(429, "overloaded", message, retry_after=after)
        while usable:
            position = choice.first(usable) if first else choice.next(usable)
            if position < 0:
                break
            backend = policy.backends[position]
            endpoint = backend.choose(now, self._tried_endpoints, self._affinity, policy.overload)
            if endpoint is not None:
                self._try(position, backend, endpoint, now)
                return
            usable &= ~(1 << position)
        if self._failure is not None:
            raise self._failure
        if full:
            if first:
                self._turned_away(choice.next(full))
            raise Refusal(429, "rate_limit_exceeded", "Every target of this route is at its limit.", retry_after=wait)
        self._probe(route.choice.mask & eligible, now)

    def _turned_away(self, position: int) -> None:
        """For want of room at a target, which is drawn as if there was some: nothing else would show the demand."""
        if position >= 0:
            self.live.statistics.turned_away(self.policy.backends[position].config.name)

    def _probe(self, positions: int, now: float) -> None:
        """Nothing is usable: let one request a second through to each endpoint, and refuse the others."""
        policy = self.policy
        known = False
        for position, backend in enumerate(policy.backends):
            if not positions >> position & 1 or policy.weightless(self.route, position):
                continue
            known = known or bool(backend.endpoints)
            endpoint = backend.probe(now)
            if endpoint is not None and backend.limits.wait(now, 0) == 0.0:
                self._try(position, backend, endpoint, now)
                return
        if not known:
            raise Refusal(503, "no_backend", "No target of this route has an endpoint.", retry_after=5)
        raise Refusal(503, "no_healthy_target", "No target of this route is healthy right now.", retry_after=1)

    def _resume(self) -> None:
        """Follow a response to the endpoint that keeps it."""
        now = time.monotonic()
        previous = self.data["previous_response_id"]
        self._kept, position, endpoint = continuation.find(
            self.live.response_ids, self.policy, self.tenant, previous, now
        )
        backend = self.policy.backends[position]
        if wait := backend.limits.wait(now, 0):
            self._turned_away(position)
            raise Refusal(429, "rate_limit_exceeded", "The target is at its limit.", retry_after=wait)
        self._try(position, backend, endpoint, now)

    # trying

    def _try(self, position: int, backend: BackendState, endpoint: Endpoint, now: float) -> None:
        self._tried_targets |= 1 << position
        self._tried_endpoints.append(endpoint)
        self.tries += 1
        self.target = self.policy.config.targets[position].name
        needs = self._needs
        self._tokens = (
            round(needs.prompt_tokens * backend.correction.value) + needs.output_tokens
            if needs is not None and backend.config.limits.tokens_per_minute is not None
            else 0
        )
        backend.limits.acquire(now, self._tokens)
        data = self.data
        if self._kept is not None:
            data = {**data, "previous_response_id": self._kept.original}
        content = body.for_backend(data, backend.config, self.operation, self.stream)
        request = b"".join(
            (
                backend.heads[self.operation],
                self.head.upstream(backend.own_headers),
                b"x-request-id: %b\r\ntraceparent: %b\r\ncontent-length: %d\r\n\r\n"
                % (self.request_id, self.traceparent, len(content)),
                content,
            )
        )
        self.attempt = attempt = Attempt(self, backend, endpoint, request, now)
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
            if self._needs is not None and backend.config.context_window is not None:
                backend.correction.observe(self._needs.prompt_tokens, attempt.usage.input)
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
        self._failure = self._refusal(attempt, outcome, message, gateway_status)
        if self._kept is not None:
            if upstream_status == 404:
                self._failure = continuation.gone()
            self._give_up()
            return
        if self.tries >= MAX_TRIES or not self.live.budget.withdraw(now):
            self._give_up()
            return
        # Another endpoint of the same target first: a declared share stays where it was drawn.
        position = self.policy.positions[self.target]
        if outcome is Outcome.FAILURE and attempt.backend.limits.wait(now, self._tokens) == 0.0:
            endpoint = attempt.backend.choose(now, self._tried_endpoints, self._affinity, self.policy.overload)
            if endpoint is not None:
                self._try(position, attempt.backend, endpoint, now)
                return
        self._next_target()

    def has_alternative(self, attempt: Attempt, now: float) -> bool:
        """Whether another endpoint or target would take the request now."""
        if self.route is None or self.tries >= MAX_TRIES:
            return False
        if attempt.backend.choose(now, self._tried_endpoints) is not None:
            return True
        eligible = self.policy.still_eligible(self._needs) & self.route.choice.mask & ~self._tried_targets
        return bool(self.policy.available(eligible, now, self._needs)[0])

    def _next_target(self, among: int = -1) -> None:
        route = self.route
        assert route is not None
        eligible = self.policy.still_eligible(self._needs) & ~self._tried_targets & among
        try:
            self._go(route, eligible, first=False)
        except Refusal as refusal:
            self._failure = self._failure or refusal
            self._give_up()

    def _refusal(self, attempt: Attempt, outcome: Outcome, message: str, gateway_status: int) -> Refusal:
        target = f"Target {self.target}: {message}."
        if outcome is Outcome.BUSY:
            wait = attempt.backend.limits.wait(time.monotonic(), 0) or 1.0
            return Refusal(429, "rate_limit_exceeded", target, retry_after=wait)
        if outcome is Outcome.MISCONFIGURED:
            return Refusal(502, "upstream_auth", target, retriable=False)
        code = "upstream_timeout" if gateway_status == 504 else "upstream_error"
        return Refusal(gateway_status, code, target, retriable=False)

    def refuse(self, refusal: Refusal) -> None:
        """Answer with an error of the router's own."""
        self._failure = refusal
        self._give_up()

    def _give_up(self) -> None:
        failure = self._failure
        assert failure is not None
        self.client.refuse(failure, self._route_lines())
        booking.refused(self, failure.status, failure.code)
        self.client.finished()

    def expired(self, attempt: Attempt, message: str) -> None:
        """The request's whole time is over."""
        self._ended(attempt, "failure")
        self._failure = Refusal(504, "upstream_timeout", f"Target {self.target}: {message}.", retriable=False)
        self._give_up()

    def too_long(self, attempt: Attempt, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        """The prompt was too long for the model: a target with a larger window may take it."""
        now = self._ended(attempt, "context_length")
        larger = self.policy.larger_windows(self.policy.positions[self.target]) & ~self._tried_targets
        if larger and self.route is not None and self.tries < MAX_TRIES and self.live.budget.withdraw(now):
            route = self.route
            try:
                self._go(route, self.policy.still_eligible(self._needs) & larger, first=False)
            except Refusal:
                pass
            else:
                return
        self._send_whole(attempt, status, headers, content)

    def refused_inside(self, attempt: Attempt, error: object, outcome: Outcome) -> None:
        """A 200 that held the client's own error: the client gets it with the status that it names."""
        message = error.get("message") if isinstance(error, dict) else None
        refusal = Refusal(400, "invalid_request", str(message or error))
        if outcome is Outcome.CONTEXT_LENGTH:
            refusal.code = "context_length_exceeded"
            self.too_long(attempt, 400, {b"content-type": b"application/json"}, refusal.body())
            return
        self._ended(attempt, "client")
        self._failure = refusal
        self._give_up()

    # answering

    def read_answer(self, content: bytes) -> answers.Answer:
        """Usage and errors of a unary answer."""
        return answers.read(content)

    def event_stream(self, chunked: bool) -> EventStream:
        """How the events of an attempt are to be treated."""
        hide = self.operation in body.STREAMS_WITH_USAGE_OPTION and not body.wants_usage(self.data)
        if self.operation == "responses":
            return EventStream(
                hide_usage=False,
                plain=False,
                rename_id=self._sealed,
                renames=continuation.echoes(self._kept, self.data),
            )
        return EventStream(hide_usage=hide, plain=chunked and self.client.chunks)

    def _sealed(self, original: str) -> str:
        attempt = self.attempt
        assert attempt is not None
        ids = self.live.response_ids
        endpoint = ids.endpoint_hash(attempt.backend.config.name, attempt.endpoint.label)
        return ids.seal(Kept(self.target, endpoint, original), self.policy.name, self.tenant)

    def begin(self, status: int, headers: Mapping[bytes, bytes], length: bytes | None) -> None:
        """Send the head of an answer whose body follows by ``pass_on``."""
        self.client.begin(self._head(status, headers), length)

    def pass_on(self, data: bytes) -> None:
        """Send a part of the body."""
        self.client.part(data)

    def answered(self, attempt: Attempt, status: int) -> None:
        """The answer that was passed on is complete."""
        now = self._ended(attempt, "success" if status < 400 else "client")
        self.client.end()
        booking.served(self, attempt, status, now)
        self.client.finished()

    def answer(self, attempt: Attempt, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        """The answer is complete and nothing of it was sent yet."""
        if self.operation == "responses":
            content = continuation.rename(status, content, self._sealed, self._kept, self.data)
        self._ended(attempt, "success" if status < 400 else "client")
        self._send_whole(attempt, status, headers, content)

    def _send_whole(self, attempt: Attempt, status: int, headers: Mapping[bytes, bytes], content: bytes) -> None:
        self.client.whole(self._head(status, headers), content)
        booking.served(self, attempt, status, time.monotonic())
        self.client.finished()

    def broken(self, attempt: Attempt, message: str, timed_out: bool) -> None:
        """The answer ended in its middle: say so in the form of the API, then end.

        Counters and log have the status that it would have been, had nothing been sent yet.
        """
        now = self._ended(attempt, "failure")
        self.detail = message
        status, code = (504, "upstream_timeout") if timed_out else (502, "upstream_error")
        error = Refusal(status, code, f"Target {self.target}: {message}; the answer is incomplete.")
        if attempt.events is not None:
            self.client.part(event_of(self.operation, error.error()))
            self.client.end()
        else:
            self.client.cut()
        attempt.usage = attempt.usage or (attempt.events.usage if attempt.events is not None else None)
        booking.served(self, attempt, status, now, code)
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
        self._needs = None

    def _head(self, status: int, headers: Mapping[bytes, bytes]) -> bytes:
        return b"".join((status_line(status), *downstream_lines(headers), self._route_lines()))

    def _route_lines(self) -> bytes:
        lines = b"x-request-id: %b\r\n%b" % (self.request_id, self.policy.route_lines(self.route, self.target))
        if self.debug:
            lines += b"x-signalbox-reason: %b\r\n" % self.policy.reason(self.route, self.tries).encode()
        return lines
