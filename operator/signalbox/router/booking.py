"""What is written down of a request that has ended: counters of its way, and a line in the access log."""

import time
from typing import TYPE_CHECKING

from signalbox.router import usage
from signalbox.router.accesslog import Entry, format_cost
from signalbox.router.attempt import Attempt

if TYPE_CHECKING:
    from signalbox.router.exchange import Exchange

NOTHING = usage.Usage(0, 0, 0)


def served(exchange: "Exchange", attempt: Attempt, status: int, now: float, error: str = "") -> None:
    """A request that an attempt answered, well or not."""
    used = attempt.usage or NOTHING
    picos = usage.cost(used, attempt.backend.config.pricing)
    policy = exchange.policy
    backend = attempt.backend.config.name
    series = policy.series(exchange.route, exchange.target, backend, exchange.operation, exchange.data["model"])
    series.finished(status, now - exchange.started_at, _ttft(exchange, attempt), *used, picos, exchange.tries)
    _log(exchange, attempt, status, picos, error)


def refused(exchange: "Exchange", status: int, code: str) -> None:
    """A request that the router answered by itself."""
    exchange.live.statistics.rejected(exchange.policy.name, code)
    _log(exchange, None, status, 0, code)


def _ttft(exchange: "Exchange", attempt: Attempt) -> float | None:
    """Seconds from the request, not from the attempt: that is what the client waits."""
    return None if attempt.ttft is None else attempt.ttft + attempt.started_at - exchange.started_at


def _log(exchange: "Exchange", attempt: Attempt | None, status: int, picos: int, error: str) -> None:
    log = exchange.live.log
    if not log.enabled:
        return
    used = attempt.usage or NOTHING if attempt is not None else NOTHING
    ttft = _ttft(exchange, attempt) if attempt is not None else None
    log.write(
        Entry(
            id=exchange.request_id.decode("latin-1"),
            traceparent=exchange.traceparent.decode("latin-1"),
            tenant=exchange.tenant,
            policy=exchange.policy.name,
            route=exchange.route.name if exchange.route is not None else "",
            target=exchange.target,
            endpoint=attempt.endpoint.label if attempt is not None else "",
            model=exchange.data["model"],
            operation=exchange.operation,
            status=status,
            stream=exchange.stream,
            tries=exchange.tries,
            input_tokens=used.input,
            cached_tokens=used.cached,
            output_tokens=used.output,
            cost=format_cost(picos) if picos else "",
            ttft_ms=None if ttft is None else round(ttft * 1000),
            duration_ms=round((time.monotonic() - exchange.started_at) * 1000),
            error=error,
        )
    )
