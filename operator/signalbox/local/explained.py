"""What an explanation says: data, for people and for programs."""

from typing import Literal

import msgspec

Result = Literal["held", "did not hold", "error", "unknown", "always", "not asked"]
Value = bool | int | float | str | None
Purpose = Literal["answer", "sample", "judge", "vote", "escalation"]
Said = Literal["answered", "unsure", "untrained", "failed", "assumed", "unknown", "not asked"]


class Explained(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """Common options."""


class AskedClassifier(Explained):
    """A classifier and what it says of the query. ``unknown``: it would be asked, and cannot be here."""

    name: str
    kind: str
    outcome: Said
    label: str = ""
    score: float | None = None
    confidence: float | None = None
    expected: dict[str, float] = {}


class AskedRoute(Explained):
    """A route, its condition, the values that it saw, and what came of it; ``error`` says why it has no value."""

    name: str
    result: Result
    when: str = ""
    values: dict[str, Value] = {}
    error: str = ""


class Candidate(Explained):
    """A target of the route, of a tier or step. ``share`` is its percentage of first attempts; ``dropped`` says why it
    has none. ``labels`` are those that it stands for. Of an objective: what it expects of the target, and the bounds
    that it misses; ``cost`` in units of the currency."""

    target: str
    backend: str
    model: str
    tier: int = 1
    share: float = 0.0
    dropped: str = ""
    labels: list[str] = []
    quality: float | None = None
    cost: float | None = None
    first_token_ms: float | None = None
    load: float | None = None
    misses: list[str] = []


class PlannedCall(Explained):
    """Calls of one kind. ``targets`` are one, or those of which one is drawn; ``cost`` is what all of them may cost, in
    units of the currency, where prices are known. ``accept`` is when the answer is good enough."""

    step: int
    purpose: Purpose
    targets: list[str]
    times: int = 1
    accept: str = ""
    cost: float | None = None


class ChainPlan(Explained):
    """All calls that a chain may make, and its limits. ``most_cost`` leaves out calls of ``unpriced`` targets."""

    calls: list[PlannedCall]
    least_calls: int
    most_calls: int
    max_calls: int
    timeout_ms: int
    on_failure: str
    most_cost: float
    max_cost: float | None = None
    unpriced: list[str] = []
    note: str = ""


class Explanation(Explained):
    """The whole decision. ``route`` empty: no route took it; ``refusal``: what the router would answer by itself;
    ``by_load``: shares are those before any load is known. ``awaits`` is the classifier that it depends on."""

    policy: str
    model: str
    operation: str
    tenant: str
    tier: str
    prompt_tokens: int
    output_tokens: int
    routes: list[AskedRoute]
    classifiers: list[AskedClassifier] = []
    route: str = ""
    strategy: str = ""
    by: str = ""
    by_load: bool = False
    candidates: list[Candidate] = []
    chain: ChainPlan | None = None
    refusal: str = ""
    awaits: str = ""
