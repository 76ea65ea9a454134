"""What a client is sent: heads, streams and the words of refusals."""

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from signalbox.router.serving import booking, continuation
from signalbox.router.serving.response_ids import Kept
from signalbox.router.wire import body
from signalbox.router.wire.errors import Refusal, status_line
from signalbox.router.wire.headers import downstream_lines
from signalbox.router.wire.sse import EventStream
from signalbox.routing.outcomes import Outcome
from signalbox.routing.untrusted import value_of

if TYPE_CHECKING:
    from signalbox.router.serving.attempt import Attempt
    from signalbox.router.serving.exchange import Exchange

EVENT_STREAM = {b"content-type": b"text/event-stream; charset=utf-8", b"cache-control": b"no-cache"}


def head(exchange: "Exchange", status: int, headers: Mapping[bytes, bytes], attempt: "Attempt | None" = None) -> bytes:
    """Status line and headers of an answer, framing apart; ``attempt``: one whose usage is known."""
    return b"".join((status_line(status), *downstream_lines(headers), route_lines(exchange, attempt)))


def silence(exchange: "Exchange") -> bytes:
    """The head of a stream whose answer is not known yet, nor what it will have taken."""
    return b"".join((status_line(200), *downstream_lines(EVENT_STREAM), route_lines(exchange, told=False)))


def route_lines(exchange: "Exchange", attempt: "Attempt | None" = None, *, told: bool = True) -> bytes:
    """The headers that say which request this was and where it went; ``told``: also what was done for it."""
    policy, route = exchange.policy, exchange.route
    lines = b"x-request-id: %b\r\n%b" % (
        exchange.request_id,
        policy.route_lines(route, exchange.target if told else ""),
    )
    if exchange.edge is not None:
        lines += b"request-id: %b\r\n" % exchange.request_id
    if told and exchange.spent is not None:
        lines += b"x-signalbox-usage: %b\r\n" % booking.totals(exchange, attempt).header()
    if told and exchange.debug and exchange.chain is not None:
        lines += b"x-signalbox-trail: %b\r\n" % exchange.chain.trail.header()
    if exchange.debug:
        tries = exchange.tries + (exchange.spent.tries if exchange.chain is not None and exchange.spent else 0)
        reason = policy.reason(route, tries if told else None, exchange.said, exchange.why)
        lines += b"x-signalbox-reason: %b\r\n" % reason.encode()
    return lines


def events(exchange: "Exchange", chunked: bool) -> EventStream:
    """How the events of a stream are to be treated."""
    if exchange.operation == "responses":
        return EventStream(
            hide_usage=False,
            plain=False,
            rename_id=partial(sealed, exchange),
            renames=continuation.echoes(exchange.kept, exchange.data),
        )
    if exchange.edge is not None:
        return EventStream(hide_usage=False, plain=False)
    hide = exchange.operation in body.STREAMS_WITH_USAGE_OPTION and not body.wants_usage(exchange.data)
    return EventStream(hide_usage=hide, plain=chunked and exchange.client.chunks)


def sealed(exchange: "Exchange", original: str) -> str:
    """The id of a response as the client knows it: where it is kept is inside."""
    attempt = exchange.attempt
    assert attempt is not None
    ids = exchange.live.response_ids
    endpoint = ids.endpoint_hash(attempt.backend.config.name, attempt.endpoint.label)
    return ids.seal(Kept(exchange.target, endpoint, original), exchange.policy.name, exchange.tenant)


def failure(target: str, attempt: "Attempt", outcome: Outcome, message: str, gateway_status: int) -> Refusal:
    """What is said of an attempt that failed, where no other follows it."""
    text = f"Target {target}: {message}."
    if outcome is Outcome.BUSY:
        wait = attempt.backend.limits.wait(time.monotonic(), 0) or 1.0
        return Refusal(429, "rate_limit_exceeded", text, retry_after=wait)
    if outcome is Outcome.MISCONFIGURED:
        return Refusal(502, "upstream_auth", text, retriable=False)
    code = "upstream_timeout" if gateway_status == 504 else "upstream_error"
    return Refusal(gateway_status, code, text, retriable=False)


def expired(target: str, message: str) -> Refusal:
    """The request's whole time is over."""
    return Refusal(504, "upstream_timeout", f"Target {target}: {message}.", retriable=False)


def inside(error: object, outcome: Outcome) -> Refusal:
    """A client's own error that came in a 200."""
    message = error.get("message") if isinstance(error, dict) else None
    code = "context_length_exceeded" if outcome is Outcome.CONTEXT_LENGTH else "invalid_request"
    return Refusal(400, code, str(message or error))


def as_refusal(target: str, status: int, content: bytes) -> Refusal:
    """What is said in a stream of an answer that is no stream."""
    if status < 400:
        return Refusal(502, "upstream_error", f"Target {target}: answered what is no chat.")
    value = value_of(content)
    error = value.get("error") if isinstance(value, dict) else None
    found = error if isinstance(error, dict) else {}
    message = found.get("message") or f"Target {target}: answered {status}."
    return Refusal(status, str(found.get("code") or "upstream_error"), str(message))


def incomplete(target: str, message: str, timed_out: bool) -> Refusal:
    """An answer that ended in its middle."""
    status, code = (504, "upstream_timeout") if timed_out else (502, "upstream_error")
    return Refusal(status, code, f"Target {target}: {message}; the answer is incomplete.")
