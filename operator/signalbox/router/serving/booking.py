"""What is written down of a request that has ended: counters of its way, and a line in the access log."""

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from signalbox.router.serving.attempt import Attempt
from signalbox.router.telemetry.accesslog import format_cost
from signalbox.router.telemetry.entry import Entry
from signalbox.router.wire import usage
from signalbox.routing.chains.budget import Spent

if TYPE_CHECKING:
    from signalbox.router.serving.exchange import Exchange

NOTHING = usage.Usage(0, 0, 0)


class Totals(NamedTuple):
    """All that was used for one request; ``cost`` in 10⁻¹² of the currency unit."""

    used: usage.Usage
    cost: int
    calls: int
    tries: int

    def header(self) -> bytes:
        """JSON, with the names of the access log."""
        used = self.used
        value: dict[str, Any] = {"calls": self.calls, "inputTokens": used.input, "outputTokens": used.output}
        if used.cached:
            value["cachedTokens"] = used.cached
        return msgspec.json.encode(value | {"cost": format_cost(self.cost) or "0"})


class _Line:
    """The line of a finished request, not yet in words."""

    __slots__ = (
        "_calls",
        "_cost",
        "_duration",
        "_endpoint",
        "_error",
        "_exchange",
        "_model",
        "_status",
        "_tries",
        "_ttft",
        "_used",
    )

    def __init__(
        self,
        exchange: "Exchange",
        attempt: Attempt | None,
        status: int,
        picos: int,
        duration: float,
        error: str,
        first: float | None,
    ) -> None:
        self._exchange = exchange
        self._model = exchange.data["model"]
        self._status = status
        self._cost = picos
        self._duration = duration
        self._error = error
        self._endpoint = ""
        self._used = NOTHING
        self._calls = 0
        self._tries = exchange.tries
        self._ttft: float | None = None
        if attempt is not None:
            self._endpoint = attempt.endpoint.label
            self._used = attempt.usage or NOTHING
            self._ttft = _ttft(exchange, attempt)
        else:
            self._ttft = first
        if exchange.spent is not None:
            total = totals(exchange, attempt)
            self._used, self._cost, self._calls, self._tries = total.used, total.cost, total.calls, total.tries

    def entry(self) -> Entry:
        """See ``accesslog.Finished``."""
        exchange, used, ttft = self._exchange, self._used, self._ttft
        return Entry(
            id=exchange.request_id.decode("latin-1"),
            traceparent=exchange.traceparent.decode("latin-1"),
            tenant=exchange.tenant,
            policy=exchange.policy.name,
            route=exchange.route.name if exchange.route is not None else "",
            target=exchange.target,
            endpoint=self._endpoint,
            model=self._model,
            operation=exchange.api,
            status=self._status,
            stream=exchange.stream,
            tries=self._tries,
            calls=self._calls,
            input_tokens=used.input,
            cached_tokens=used.cached,
            output_tokens=used.output,
            cost=format_cost(self._cost),
            ttft_ms=None if ttft is None else round(ttft * 1000),
            duration_ms=round(self._duration * 1000),
            error=self._error,
            detail=exchange.detail,
            labels={name: result.label for name, result in exchange.said.items()},
        )


def totals(exchange: "Exchange", attempt: Attempt | None) -> Totals:
    """Of a request with calls on its behalf."""
    spent = exchange.spent or Spent()
    used, cost = NOTHING, 0
    if attempt is not None:
        used = attempt.usage or NOTHING
        cost = usage.cost(used, attempt.backend.config.pricing)
    return Totals(
        usage.Usage(used.input + spent.input, used.cached + spent.cached, used.output + spent.output),
        cost + spent.cost,
        spent.calls,
        exchange.tries + spent.tries,
    )


def served(
    exchange: "Exchange",
    attempt: Attempt | None,
    status: int,
    now: float,
    error: str = "",
    first: float | None = None,
) -> None:
    """A request that has ended, well or not: by an attempt of its own, by a call on its behalf, or by neither.

    ``first``: after how many seconds a stream without an attempt of its own began.
    """
    picos = 0
    if not exchange.target:
        exchange.live.statistics.rejected(exchange.policy.name, error)
    else:
        policy = exchange.policy
        backend = policy.backends[policy.positions[exchange.target]].config
        series = policy.series(exchange.route, exchange.target, backend.name, exchange.api, exchange.data["model"])
        duration = now - exchange.started_at
        if attempt is None:
            series.finished(status, duration, first, tries=exchange.tries)
        else:
            used = attempt.usage or NOTHING
            picos = usage.cost(used, backend.pricing)
            series.finished(status, duration, _ttft(exchange, attempt), *used, picos, exchange.tries)
    _log(exchange, attempt, status, picos, now - exchange.started_at, error, first)


def refused(exchange: "Exchange", status: int, code: str) -> None:
    """A request that the router answered by itself: before it was sent anywhere, or after the last try failed."""
    served(exchange, None, status, time.monotonic(), code)


def _ttft(exchange: "Exchange", attempt: Attempt) -> float | None:
    """Seconds from the request, not from the attempt: that is what the client waits."""
    return None if attempt.ttft is None else attempt.ttft + attempt.started_at - exchange.started_at


def _log(
    exchange: "Exchange",
    attempt: Attempt | None,
    status: int,
    picos: int,
    duration: float,
    error: str,
    first: float | None,
) -> None:
    log = exchange.live.log
    if log.enabled:
        log.write(_Line(exchange, attempt, status, picos, duration, error, first))
    exchange.forget_body()  # the line keeps the exchange until it is written; what may be large must not stay as long
