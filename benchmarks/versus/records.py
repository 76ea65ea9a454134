"""What was found, as records: one for each system and scenario, and what they are beside bare Envoy's."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from benchmarks.harness.report import Spread

ENVOY = "envoy"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """``value`` is the one that counts in this scenario, in ``unit``; None: not measured, and ``reason`` says why.

    ``ratio_to_envoy`` is the median over the rounds of this value over Envoy's in the same round. ``compiled``: whether
    Signalbox's hot path was compiled modules; None of the others.
    """

    system: str
    scenario: str
    metric: str
    unit: str
    higher_is_better: bool
    value: Spread | None = None
    ratio_to_envoy: Spread | None = None
    details: dict[str, Spread | float | str | None] = {}
    compiled: bool | None = None
    reason: str | None = None


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The rounds of one system in one scenario; ``details`` by name, each as long as ``values``."""

    values: Sequence[float] = ()
    details: Mapping[str, Sequence[float | None]] = {}
    notes: dict[str, float | str] = {}
    reason: str | None = None


class Machine(msgspec.Struct, frozen=True):
    """With what, when, and how busy others kept it."""

    facts: dict[str, str]
    begun: str
    seconds: float
    quick: bool
    cores: str
    load_before: float
    load_after: float


class System(msgspec.Struct, frozen=True):
    """Who was compared, in which version, and how it was set up; ``reason`` when it could not be had."""

    name: str
    version: str
    setup: str
    reason: str | None = None


class Promise(msgspec.Struct, frozen=True):
    """A goal of the project, and what was found."""

    promise: str
    found: str
    met: bool | None


class Results(msgspec.Struct, frozen=True):
    """Everything of one run."""

    machine: Machine
    systems: list[System]
    records: list[Record]
    promises: list[Promise] = []
    notes: list[str] = []

    def of(self, system: str, scenario: str) -> Record | None:
        """One record."""
        return next((each for each in self.records if (each.system, each.scenario) == (system, scenario)), None)


def records(
    scenario: str, metric: str, unit: str, taken: dict[str, Taken], *, higher_is_better: bool
) -> Iterable[Record]:
    """The records of one scenario, one for each system that there is, whether it could be measured or not."""
    reference = taken.get(ENVOY, Taken()).values
    for system, found in taken.items():
        yield Record(
            system=system,
            scenario=scenario,
            metric=metric,
            unit=unit,
            higher_is_better=higher_is_better,
            value=Spread.of(found.values) if found.values else None,
            ratio_to_envoy=ratio(found.values, reference),
            details={name: _spread(values) for name, values in found.details.items()} | found.notes,
            reason=found.reason if not found.values else None,
        )


def ratio(values: Sequence[float], reference: Sequence[float]) -> Spread | None:
    """Within the rounds that both have; None where there is nothing to divide by."""
    pairs = [a / b for a, b in zip(values, reference, strict=False) if b > 0]
    return Spread.of(pairs) if pairs else None


def _spread(values: Sequence[float | None]) -> Spread | None:
    known = [each for each in values if each is not None]
    return Spread.of(known) if known else None
