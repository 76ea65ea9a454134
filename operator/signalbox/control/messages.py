"""What operator and routers say to each other: JSON, one message a line.

The two may be of different releases: fields that are not known are ignored, and so are messages of a type that is not
known. Credentials never travel here; a revoked key is named by its SHA-256.
"""

from itertools import islice
from typing import TypeVar

import msgspec

PATH = "/v1/control"
# Of one line, its end included.
MAX_REPORT_BYTES = 256 << 10
MAX_MESSAGE_BYTES = 16 << 20
MAX_NAMES = 16
# Targets of routes in a report, of about 100 bytes each.
MAX_WAYS = 500
MAX_TEXT = 1024
# Of tenants' keys, in a hello: half of a line.
MAX_DIGESTS = 1900


class Malformed(Exception):  # noqa: N818 - what the peer sent
    """No message, or one that is too long."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", tag_field="type"):
    """Common options."""


class Traffic(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One backend as a router sees it; counters run since the router's start.

    ``usable`` endpoints are those of the ``known`` that are not out; ``causes`` says why the others are. Of the
    ``started`` attempts, ``requests`` have ended: ``completed`` well, as ``failures``, ``busy`` (429), or by what was
    no matter of the backend, as a client that left. Streams came to ``first_tokens``, after ``first_token_ms`` in all.
    """

    known: int = 0
    usable: int = 0
    causes: tuple[str, ...] = ()
    in_flight: int = 0
    requests: int = 0
    failures: int = 0
    started: int = 0
    completed: int = 0
    busy: int = 0
    shed: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    first_tokens: int = 0
    first_token_ms: int = 0


class Sent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Requests that a target of a route had to answer since the router's start; ``failed`` ones got 429 or 5xx."""

    requests: int = 0
    failed: int = 0


Ways = dict[str, dict[str, dict[str, Sent]]]
"""By policy, route and target."""


class Waiting(msgspec.Struct, frozen=True, rename="camel"):
    """A newer configuration that cannot serve before these secret entries are readable."""

    hash: str
    entries: tuple[str, ...]


class Rejected(msgspec.Struct, frozen=True, rename="camel"):
    """A configuration that the router cannot serve at all."""

    hash: str
    reason: str


class Hello(_Message, tag="hello", frozen=True):
    """Router: the first message. ``format_version`` is that of the newest configuration that it can read.

    ``digests`` are those of tenants' keys that its files hold: an operator that leads since just now has not seen which
    ones were taken away before.
    """

    format_version: int
    config_hash: str = ""
    workers: int = 1
    digests: tuple[str, ...] = ()


class SetWeights(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One set of targets: what is in force, and what holds when samples are too old; by target, each of a sum of 1.

    A target that is not named gets nothing.
    """

    effective: dict[str, float]
    base: dict[str, float] = {}


class RouteWeights(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The sets of a route: one, or one a tier of a failover; ``spill`` (0 to 1) leaves the first for the next."""

    sets: tuple[SetWeights, ...]
    spill: float = 0.0


class Load(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A backend as its engines see it: requests of all traffic that are there, how many come in a second, and how many
    a second it serves at most (``rate``).

    ``age_ms`` is the age of the sample when this was sent: the two ends have clocks of their own.
    """

    age_ms: int
    in_system: float = 0.0
    waiting: float = 0.0
    arrivals: float | None = None
    rate: float | None = None
    utilization: float | None = None
    kv_cache_usage: float | None = None


class Weights(_Message, tag="weights", frozen=True):
    """Operator: where requests go from now on, by policy and route, and the load of each backend. Policies that are
    not named go as their shares say."""

    policies: dict[str, dict[str, RouteWeights]] = {}
    loads: dict[str, Load] = {}


class Lease(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A router's part of a backend's limits, in its units; None where there is no limit."""

    in_flight: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class Applied(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What a router applies of a backend's limits, what of it is in flight or was ``spent`` in the last minute, and the
    ``most`` that this may come to."""

    lease: Lease
    most: Lease
    spent: Lease = Lease()


class Leases(_Message, tag="leases", frozen=True):
    """Operator: parts of limits, by backend. They hold until others come, also when the operator has gone."""

    backends: dict[str, Lease] = {}


class Report(_Message, tag="report", frozen=True):
    """Router: its state, every second and when it has changed. ``config_hash`` is "" before anything is served.

    ``weights`` are those in force, said until the operator at the other end has said some itself: one that leads since
    just now knows none. A router that has none says none.
    ``leases`` are those of the backends that have limits, leased or not.
    ``sent`` moves no weight: people look at it, and it splits the demand that autoscalers follow.
    """

    config_hash: str = ""
    waits_for: Waiting | None = None
    rejected: Rejected | None = None
    backends: dict[str, Traffic] = {}
    weights: dict[str, dict[str, RouteWeights]] = {}
    leases: dict[str, Applied] = {}
    sent: Ways = {}


class Config(_Message, tag="config", frozen=True):
    """Operator: the newest configuration, byte for byte, and its hash."""

    hash: str
    config: msgspec.Raw


class Revoked(_Message, tag="revoked", frozen=True):
    """Operator: all digests that mounted files may still hold though their keys were taken away."""

    digests: tuple[str, ...] = ()


class Ping(_Message, tag="ping", frozen=True):
    """Operator: it is still there."""


FromRouter = Hello | Report
ToRouter = Config | Revoked | Weights | Leases | Ping

Message = TypeVar("Message")


class _Kind(msgspec.Struct):
    type: str


class Lines:
    """Cuts what arrives into messages of one direction. ``most`` bounds the bytes of a line; ``read`` counts lines,
    those that said nothing among them."""

    def __init__(self, kinds: tuple[type[msgspec.Struct], ...], most: int) -> None:
        self._most = most
        self._buffer = bytearray()
        self.read = 0
        self._kind = msgspec.json.Decoder(_Kind)
        self._decoders = {str(kind.__struct_config__.tag): msgspec.json.Decoder(kind) for kind in kinds}

    def feed(self, data: bytes) -> list[msgspec.Struct]:
        """The messages that are complete now. Raises ``Malformed``."""
        buffer, start = self._buffer, len(self._buffer)
        buffer += data
        found: list[msgspec.Struct] = []
        done = 0
        while (end := buffer.find(b"\n", max(start, done))) >= 0:
            if end - done >= self._most:
                raise Malformed(f"a line of more than {self._most} bytes")
            self.read += 1
            message = self._read(bytes(buffer[done:end]))
            if message is not None:
                found.append(message)
            done = end + 1
        del buffer[:done]
        if len(buffer) >= self._most:
            raise Malformed(f"a line of more than {self._most} bytes")
        return found

    def _read(self, line: bytes) -> msgspec.Struct | None:
        if not line.strip():
            return None
        try:
            decoder = self._decoders.get(self._kind.decode(line).type)
            return None if decoder is None else decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(str(error)) from error


def from_router() -> Lines:
    """What the operator reads."""
    return Lines((Hello, Report), MAX_REPORT_BYTES)


def to_router() -> Lines:
    """What a router reads."""
    return Lines((Config, Revoked, Weights, Leases, Ping), MAX_MESSAGE_BYTES)


def line(message: FromRouter | ToRouter) -> bytes:
    """A message as it travels."""
    return msgspec.json.encode(message) + b"\n"


def report_line(report: Report) -> bytes:
    """A report as it travels, without what makes the line too long: first what people look at, then what only a new
    leader asks for, then half of the backends, and again."""
    data = line(report)
    for field in ("sent", "weights"):
        if len(data) <= MAX_REPORT_BYTES:
            return data
        report = msgspec.structs.replace(report, **{field: {}})
        data = line(report)
    while len(data) > MAX_REPORT_BYTES and report.backends:
        backends = dict(islice(report.backends.items(), len(report.backends) // 2))
        leases = {name: applied for name, applied in report.leases.items() if name in backends}
        report = msgspec.structs.replace(report, backends=backends, leases=leases)
        data = line(report)
    return data
