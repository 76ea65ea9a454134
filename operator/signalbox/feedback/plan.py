"""What the loop works on: which backends are looked at and how, and which sets of targets have weights."""

from typing import Literal

import msgspec

Engine = Literal["VLLM", "SGLang", "LlamaCpp", "Custom", "None"]
Mode = Literal["Active", "Observe", "Disabled"]

INTERVAL = 5.0
STALE_AFTER = 15.0
SLOW_START = 30.0


class Selectors(msgspec.Struct, frozen=True, kw_only=True):
    """Series of an engine that no preset knows: a metric's name, with labels in braces to choose among its series."""

    running: str | None = None
    waiting: str | None = None
    kv_cache_usage: str | None = None
    generated_tokens: str | None = None


class Scrape(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint to be asked, every ``interval`` seconds. ``key`` is that of the endpoint in ``Backend.endpoints``.

    ``authority`` is the Host header. ``server_name`` is the name in the certificate, with an https ``url``; ``ca``
    names the secret entry with the authorities that may have signed it, None the system's.
    """

    backend: str
    key: str
    url: str
    engine: Engine
    model: str
    selectors: Selectors | None = None
    interval: float = INTERVAL
    authority: str = ""
    server_name: str | None = None
    ca: str | None = None


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """A backend as the loop sees it. Priors are per endpoint, limits are of the whole; seconds, tokens/s, requests.

    ``endpoints`` are the keys of the addresses that are ready. ``max_in_flight`` and ``tokens_per_minute`` stand in
    for what an engine would say where it says nothing.
    """

    name: str
    model: str = ""
    engine: Engine = "None"
    endpoints: tuple[str, ...] = ()
    concurrency: float | None = None
    tokens_per_second: float | None = None
    slow_start: float = SLOW_START
    max_in_flight: int | None = None
    tokens_per_minute: int | None = None

    @property
    def measured(self) -> bool:
        """Whether engines are asked."""
        return self.engine != "None"


class Share(msgspec.Struct, frozen=True):
    """A target of a set, its backend, and the weight that was declared for it, None where the set declares none."""

    target: str
    backend: str
    weight: int | None = None


class SetKey(msgspec.Struct, frozen=True, order=True):
    """A set of targets: that of a weighted route (tier 0), or one tier of a failover."""

    policy: str
    route: str
    tier: int = 0


class TargetSet(msgspec.Struct, frozen=True, kw_only=True):
    """Among what requests are drawn. Shares are declared for all of a set, or for none. Times in seconds."""

    shares: tuple[Share, ...]
    mode: Mode = "Active"
    interval: float = INTERVAL
    stale_after: float = STALE_AFTER

    @property
    def declared(self) -> bool:
        """Whether users said the shares: then the loop only takes from who is overloaded."""
        return any(share.weight is not None for share in self.shares)


class Spill(msgspec.Struct, frozen=True):
    """A failover whose later tiers get a part before the first is down: 0 up to ``start``, all from ``end``
    (utilisation of the first tier, 0 to 1), linear between."""

    start: float
    end: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is in force. ``spills`` are by policy and route (tier 0 of a ``SetKey``)."""

    backends: dict[str, Backend] = {}
    sets: dict[SetKey, TargetSet] = {}
    spills: dict[SetKey, Spill] = {}
