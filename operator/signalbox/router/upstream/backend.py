"""The live side of a backend: its endpoints, limits, health and what a request to it starts with."""

import ssl
import time
from collections.abc import Callable, Mapping
from random import Random
from urllib.parse import quote

from signalbox.router.upstream.dial import Dialer
from signalbox.router.upstream.endpoint import Endpoint
from signalbox.router.upstream.tls import TlsContexts
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing import affinity
from signalbox.routing.backlog import Backlog
from signalbox.routing.choosing.expectations import (
    PRIOR_CONCURRENCY,
    PRIOR_LONG_OUTPUT_TOKENS,
    PRIOR_OUTPUT_TOKENS,
    PRIOR_WEIGHT,
    load,
)
from signalbox.routing.config import Address, Backend
from signalbox.routing.ejection import BackendHealth, Cause
from signalbox.routing.eligibility import Requirements
from signalbox.routing.engine_load import EngineLoad
from signalbox.routing.limits import BackendLimits
from signalbox.routing.quantiles import DecayedMean, ErrorRate, Quantile, TokenCorrection
from signalbox.routing.shedding import Queue

PATHS: dict[str, dict[str, str]] = {
    "OpenAI": {
        "chat": "/chat/completions",
        "completions": "/completions",
        "embeddings": "/embeddings",
        "responses": "/responses",
    },
    "Anthropic": {"chat": "/messages"},
}
ANTHROPIC_VERSION = b"2023-06-01"
"""The version of the Messages API whose form the translations know."""

OUTPUT_SECONDS = 600.0
"""Over which the lengths of answers fade: they follow what is asked, which changes more slowly than load."""
FIRST_PART = 0.1
"""With what part of the choices a new endpoint begins."""

OnEjection = Callable[[str, str, bool, Cause], None]


class Prepared:
    """Everything of a backend's new configuration that may fail to build; once built, it can be put in force."""

    __slots__ = ("_query", "_rest", "config", "context", "heads", "own_headers")

    def __init__(self, config: Backend, secrets: Mapping[str, bytes], contexts: TlsContexts) -> None:
        """Raises ``ConfigRejectedError`` naming the entry that is missing or unusable."""
        self.config = config
        self.context: ssl.SSLContext | None = None
        if config.tls is not None:
            try:
                self.context = contexts.context(config.tls, secrets)
            except (ValueError, ssl.SSLError) as error:
                raise ConfigRejectedError(f"backend {config.name}: {error}") from error
        lines = [
            b"host: %b\r\naccept-encoding: identity\r\ncontent-type: application/json\r\n" % config.authority.encode()
        ]
        own = set()
        if config.format == "OpenAI":
            own |= {b"anthropic-version", b"anthropic-beta"}  # of a client that speaks the other API
        for header in config.request.headers:
            own.add(header.name.lower().encode())
            lines.append(b"%b: %b\r\n" % (header.name.lower().encode(), header.value.encode("latin-1", "replace")))
        if config.api_key is not None:
            own.add(config.api_key.header.lower().encode())
            lines.append(_credential(config, secrets))
        if config.format == "Anthropic" and b"anthropic-version" not in own:
            own.add(b"anthropic-version")
            lines.append(b"anthropic-version: %b\r\n" % ANTHROPIC_VERSION)
        self.own_headers = frozenset(own)
        query = "&".join(f"{quote(q.name, safe='')}={quote(q.value, safe='')}" for q in config.request.query)
        self._query = f"?{query}" if query else ""
        self._rest = b"".join(lines)
        self.heads = {operation: self.head(path) for operation, path in PATHS[config.format].items()}

    def head(self, path: str) -> bytes:
        """What a request for a path below the base begins with."""
        return b"POST %b%b HTTP/1.1\r\n%b" % (
            (self.config.base_path + path).encode(),
            self._query.encode(),
            self._rest,
        )


def _credential(config: Backend, secrets: Mapping[str, bytes]) -> bytes:
    assert config.api_key is not None
    entry = config.api_key.entry
    if entry not in secrets:
        raise ConfigRejectedError(f"backend {config.name}: secret entry {entry} is not readable")
    value = secrets[entry].strip()
    if not value or any(byte < 0x20 or byte == 0x7F for byte in value):
        raise ConfigRejectedError(f"backend {config.name}: secret entry {entry} is empty or has control characters")
    return b"%b: %b%b\r\n" % (config.api_key.header.lower().encode(), config.api_key.prefix.encode(), value)


class BackendState:
    """A backend in force. It is its targets' facts for conditions (``routing.features.TargetFacts``)."""

    __slots__ = (
        "_addresses",
        "_dialer",
        "_dns",
        "_errors",
        "_long_outputs",
        "_outputs",
        "_ramping_until",
        "_random",
        "_there",
        "_ttft",
        "backlog",
        "config",
        "correction",
        "endpoints",
        "engine_load",
        "heads",
        "health",
        "limits",
        "own_headers",
        "prepared",
        "queue",
        "resolution_error",
    )

    def __init__(
        self, prepared: Prepared, shares: int, dialer: Dialer, on_ejection: OnEjection, random: Random
    ) -> None:
        name = prepared.config.name
        self._dialer = dialer
        self._random = random
        self._addresses: tuple[Address, ...] = ()
        self._dns: Address | None = None
        self._ramping_until = 0.0
        self.health = BackendHealth(on_change=lambda key, ejected, cause: on_ejection(name, str(key), ejected, cause))
        self._ttft = DecayedMean()
        self._errors = ErrorRate()
        self._outputs = DecayedMean(OUTPUT_SECONDS)
        self._long_outputs: Quantile | None = None
        self._there = 0.0
        self.correction = TokenCorrection()
        self.backlog = Backlog(time.monotonic())
        self.engine_load = EngineLoad()
        self.queue = Queue()
        self.endpoints: tuple[Endpoint, ...] = ()
        self.resolution_error = ""
        self.limits = BackendLimits(prepared.config.limits, shares)
        self._adopt(prepared)

    def update(self, prepared: Prepared, shares: int) -> None:
        """Put a new configuration in force; connections and health of addresses that stay are kept."""
        limits = BackendLimits(prepared.config.limits, shares)
        limits.carry_over(self.limits)
        self.limits = limits
        self._adopt(prepared)

    def _adopt(self, prepared: Prepared) -> None:
        config = prepared.config
        self.prepared = prepared
        self.config: Backend = config
        self.heads = prepared.heads
        self.own_headers = prepared.own_headers
        self.queue.bound(config.timeouts.first_token_ms, config.timeouts.request_ms)
        if config.health is not None:
            self.health.unhealthy_threshold = config.health.unhealthy_threshold
            self.health.healthy_threshold = config.health.healthy_threshold
        if config.endpoints or config.dns is None:
            self.use(config.endpoints)
        else:
            # Until its name is resolved, connections go to the name: the first request need not wait for that.
            known = self._addresses if self._dns == config.dns else ()
            self.use(known or (config.dns,))
        self._dns = config.dns

    def use(self, addresses: tuple[Address, ...]) -> None:
        """The addresses known from here on."""
        context = self.prepared.context
        server_name = self.config.tls.server_name if self.config.tls is not None else None
        now = time.monotonic()
        known = {e.address: e for e in self.endpoints if e.context is context and e.server_name == server_name}
        led_to = set(addresses).difference(self.config.endpoints)
        joins = not known.keys().isdisjoint(addresses)
        endpoints = []
        for address in dict.fromkeys(addresses):
            endpoint = known.get(address)
            if endpoint is None:
                health = self.health.endpoint(f"{address.host}:{address.port}")
                endpoint = Endpoint(address, health, self._dialer, context, server_name)
                if joins:
                    endpoint.new_since = now
                    self._ramping_until = now + self.config.slow_start_ms / 1000
            endpoint.fronts = led_to == {address}
            endpoints.append(endpoint)
        for gone in set(self.endpoints).difference(endpoints):
            gone.retire()
        self._addresses = addresses
        self.endpoints = tuple(endpoints)
        self.health.retain([e.label for e in endpoints])

    def retire(self) -> None:
        """Serve no new request."""
        for endpoint in self.endpoints:
            endpoint.retire()
        self.endpoints = ()

    def choose(self, now: float, tried: list[Endpoint], key: int | None = None, percent: int = 0) -> Endpoint | None:
        """The endpoint that ``key`` leads to, see ``routing.affinity``; without one, of two random ready endpoints the
        one with fewer requests in flight."""
        endpoints = self.endpoints
        if len(endpoints) == 1:
            only = endpoints[0]
            return only if only.health.admits(now) and only not in tried else self._by_name(now)
        ready = [e for e in endpoints if e.health.admits(now) and e not in tried]
        count = len(ready)
        if count <= 1:
            return ready[0] if ready else self._by_name(now)
        if now < self._ramping_until:
            ready = self._ramped(ready, now)
            count = len(ready)
        if key is not None:
            return affinity.choose(key, ready, percent)
        if count == 1:
            return ready[0]
        first = int(self._random.random() * count)
        second = int(self._random.random() * (count - 1))
        one, other = ready[first], ready[second if second < first else second + 1]
        return one if one.in_flight <= other.in_flight else other

    def _ramped(self, ready: list[Endpoint], now: float) -> list[Endpoint]:
        """A new endpoint takes part in a share of the choices that rises: its caches are cold. What it does not take
        goes where it went before."""
        seconds = self.config.slow_start_ms / 1000
        draw = self._random.random
        return [
            endpoint
            for endpoint in ready
            if (age := now - endpoint.new_since) >= seconds or draw() < FIRST_PART + (1.0 - FIRST_PART) * age / seconds
        ] or ready

    def _by_name(self, now: float) -> Endpoint | None:
        """Where none of a Service's endpoints can be reached, what is known of them is old: its name leads to others.

        The name stays among the endpoints until the next configuration.
        """
        name = self.config.dns
        if name is None or not self.config.endpoints or name in self._addresses:
            return None
        if not all(endpoint.health.unreachable for endpoint in self.endpoints):
            return None
        self.use((*self._addresses, name))
        found = self.endpoints[-1]
        return found if found.health.admits(now) else None

    def usable(self, now: float) -> bool:
        """Whether any endpoint takes requests."""
        for endpoint in self.endpoints:  # noqa: SIM110 - a generator costs more than the question
            if endpoint.health.admits(now):
                return True
        return False

    def probe(self, now: float) -> Endpoint | None:
        """An endpoint that may be tried although it is out: the least busy of those that have their turn."""
        due = [endpoint for endpoint in self.endpoints if endpoint.health.may_probe(now)]
        return min(due, key=lambda endpoint: endpoint.in_flight) if due else None

    def tokens(self, needs: Requirements) -> int:
        """About how many tokens a request takes; 0 where they are not limited: counting costs time."""
        if self.config.limits.tokens_per_minute is None:
            return 0
        return round(needs.prompt_tokens * self.correction.value) + needs.output_tokens

    def served(self, failed: bool, ttft: float | None, now: float) -> None:
        """Count an attempt that succeeded or failed; ``ttft`` in seconds."""
        self._errors.add(failed, now)
        if ttft is not None:
            self._ttft.add(ttft * 1000, now)

    def wrote(self, tokens: int, now: float) -> None:
        """Count the tokens of an answer."""
        self._outputs.add(tokens, now)
        if self._long_outputs is not None:
            self._long_outputs.add(tokens)

    def sampled(self) -> None:
        """The load of its engines was heard."""
        self._there = self.backlog.estimate

    # facts for objectives

    @property
    def token_correction(self) -> float:
        """Prompt tokens that it counts, for each that is estimated."""
        return self.correction.value

    @property
    def expected_output_tokens(self) -> float:
        """Tokens of an answer."""
        return self._outputs.beside(PRIOR_OUTPUT_TOKENS, PRIOR_WEIGHT, time.monotonic())

    @property
    def long_output_tokens(self) -> int:
        """Tokens that 95 of 100 answers do not exceed. Counted from the first time that somebody asks."""
        if self._long_outputs is None:
            self._long_outputs = Quantile(0.95)
        return round(self._long_outputs.value() or PRIOR_LONG_OUTPUT_TOKENS)

    @property
    def expected_ttft_ms(self) -> float | None:
        """Time to the first token of streams, as measured and as the profile says; None where neither says anything."""
        now = time.monotonic()
        prior = self.config.profile.latency_ms
        return self._ttft.value(now) if prior is None else self._ttft.beside(prior, PRIOR_WEIGHT, now)

    @property
    def load(self) -> float:
        """How full it is, see ``expectations.load``."""
        most = self.config.limits.max_in_flight or PRIOR_CONCURRENCY * max(1, len(self.endpoints))
        each = self.config.concurrency
        capacity = most if each is None else each * max(1, len(self.endpoints))
        return load(self.engine_load.utilization, self.backlog.estimate, self._there, capacity)

    # facts for conditions

    @property
    def in_flight(self) -> int:
        """Attempts under way."""
        return self.limits.in_flight

    @property
    def ttft_ms(self) -> int | None:
        """Decayed mean of the time to first token of streams, in milliseconds."""
        mean = self._ttft.value(time.monotonic())
        return None if mean is None else round(mean)

    @property
    def error_rate(self) -> float:
        """Decayed share of failed attempts, 0 to 1."""
        return self._errors.value(time.monotonic())

    @property
    def waiting(self) -> int | None:
        """Requests that wait at its engines."""
        return self.engine_load.waiting

    @property
    def utilization(self) -> float | None:
        """How full its engines are, 0 to 2."""
        return self.engine_load.utilization

    @property
    def kv_cache_usage(self) -> float | None:
        """How full their caches are, 0 to 1."""
        return self.engine_load.kv_cache_usage

    @property
    def overloaded(self) -> bool:
        """Whether it has been too full, and is not well below that again."""
        return self.engine_load.overloaded

    @property
    def healthy(self) -> bool:
        """Whether any endpoint takes requests now."""
        return self.usable(time.monotonic())
