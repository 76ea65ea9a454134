"""The law: state and what is new in; the next state, loads, weights and reasons out. One pure function, one clock."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from signalbox.feedback import endpoints, shares, weights
from signalbox.feedback.backends import BackendState, Load, Sight, load, observe
from signalbox.feedback.endpoints import Endpoint
from signalbox.feedback.plan import INTERVAL, Backend, Plan, SetKey, Spill, TargetSet
from signalbox.feedback.shares import NEARLY, Declared, Parts, kept_of
from signalbox.feedback.weights import Candidate

FRESH_INTERVALS = 3.0
FRESH = FRESH_INTERVALS * INTERVAL
"""Of a backend that is in no set: nobody moves weights by its load, but conditions may ask for it. Seconds."""
SPILL_STEP = 0.25

Reason = Literal["Declared", "Overloaded", "Base", "Load", "Held", "Stale", "NoEndpoint"]
"""Why a weight is what it is: the share that was declared; taken from for overload; capacity alone; capacity and load;
kept while a sample is late; back to the base because it is too old; nothing usable."""


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """Of one target in one set: what it would have without load, and what is in force; each 0 to 1 and of a sum of 1.

    ``observed_at`` is when what it rests on was sampled.
    """

    target: str
    base: float
    effective: float
    reason: Reason
    observed_at: float | None = None


class SetState(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a set: weights in force, parts of declared shares, and when it moved last."""

    weights: tuple[Weight, ...] = ()
    parts: Parts = Parts()
    stepped_at: float | None = None

    @property
    def effective(self) -> dict[str, float]:
        """Weights in force by target."""
        return {each.target: each.effective for each in self.weights}

    @property
    def observed_at(self) -> dict[str, float | None]:
        """By target: when the sample was taken that has moved its weight."""
        return {each.target: each.observed_at for each in self.weights}


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one step hands to the next. Empty at first; ``adopted`` are bases that a new leader heard of, by
    target: they tell capacities in relation to each other until those are learned."""

    backends: dict[str, BackendState] = {}
    sets: dict[SetKey, SetState] = {}
    spills: dict[SetKey, float] = {}
    adopted: dict[SetKey, Mapping[str, float]] = {}
    began: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The state that follows, and what it says now. ``spills``: the part of a failover's requests that the first tier
    gives to the next."""

    state: State
    loads: dict[str, Load]
    weights: dict[SetKey, tuple[Weight, ...]]
    spills: dict[SetKey, float]


def step(state: State, plan: Plan, sights: Mapping[str, Sight], now: float) -> Outcome:
    """One step. Call it whenever samples are in; each set moves in the first one after its own interval. ``now`` is
    seconds of the clock that samples carry."""
    before = {name: state.backends.get(name, BackendState()) for name in plan.backends}
    typical = _typical(plan.backends, before)
    backends = {
        name: observe(
            before[name], backend, sights.get(name, Sight()), now, first=not state.began, typical=typical.get(name)
        )
        for name, backend in plan.backends.items()
    }
    typical = _typical(plan.backends, backends)
    typical |= _implied(state, plan, backends)
    fresh = _fresh(plan)
    loads = {
        name: load(backends[name], backend, sights.get(name, Sight()), now, fresh.get(name, FRESH), typical.get(name))
        for name, backend in plan.backends.items()
    }
    known = {key: state.sets.get(key, SetState()) for key in plan.sets}
    sets = {key: _move(known[key], each, plan, loads, now) for key, each in plan.sets.items()}
    moved = {key for key, each in sets.items() if each.stepped_at != known[key].stepped_at}
    spills = {
        key: _spill(state.spills.get(key, 0.0), spill, plan.sets[key], loads, moved=key in moved)
        for key, spill in plan.spills.items()
        if key in plan.sets
    }
    adopted = {key: bases for key, bases in state.adopted.items() if _awaited(bases, key, plan, backends)}
    after = State(backends=backends, sets=sets, spills=spills, adopted=adopted, began=True)
    return Outcome(state=after, loads=loads, weights={k: s.weights for k, s in sets.items()}, spills=spills)


def adopt(
    state: State,
    in_force: Mapping[SetKey, Mapping[str, float]],
    bases: Mapping[SetKey, Mapping[str, float]] | None = None,
    now: float | None = None,
    spills: Mapping[SetKey, float] | None = None,
) -> State:
    """Begin with the weights that routers have, the bases behind them and what they spill, so that a new leader changes
    nothing by being new. With ``now``, they move for the first time one interval later: there is no sample before."""
    bases = bases or {}
    sets = {}
    for key, found in in_force.items():
        base = bases.get(key, {})
        weights = (Weight(target=t, base=base.get(t, 0.0), effective=w, reason="Held") for t, w in found.items())
        parts = state.sets[key].parts if key in state.sets else kept_of(found, base)
        sets[key] = SetState(weights=tuple(weights), parts=parts, stepped_at=now)
    return msgspec.structs.replace(
        state,
        sets={**state.sets, **sets},
        adopted={**state.adopted, **{key: each for key, each in bases.items() if key in sets}},
        spills={**state.spills, **{key: part for key, part in (spills or {}).items() if key in sets}},
    )


def _move(before: SetState, each: TargetSet, plan: Plan, loads: Mapping[str, Load], now: float) -> SetState:
    known = {weight.target for weight in before.weights}
    gone = {w.target for w in before.weights if w.effective > 0.0} & {
        share.target for share in each.shares if not _usable(loads, share.backend)
    }
    due = before.stepped_at is None or now - before.stepped_at >= 0.9 * each.interval
    if not due and not gone and known == {share.target for share in each.shares}:
        return before
    moved = _declared(before, each, loads, now, due=due) if each.declared else _free(before, each, plan, loads, now)
    # What had to be done at once does not put off what comes next.
    return moved if due else msgspec.structs.replace(moved, stepped_at=before.stepped_at)


def _declared(before: SetState, each: TargetSet, loads: Mapping[str, Load], now: float, *, due: bool) -> SetState:
    used = before.observed_at
    newest = {share.target: _observed_at(loads, share.backend) for share in each.shares}
    fresh = {share.target for share in each.shares if _age(loads, share.backend, now) <= each.stale_after}
    targets = [
        Declared(
            name=share.target,
            share=float(share.weight or 0),
            usable=_usable(loads, share.backend),
            utilization=loads[share.backend].utilization if share.target in fresh else None,
            held=share.target in fresh and newest[share.target] == used.get(share.target),
        )
        for share in each.shares
    ]
    parts = shares.keep(targets, before.parts) if due else before.parts
    base, effective = shares.declared(targets), shares.weights(targets, parts.kept)
    moved = tuple(
        Weight(
            target=share.target,
            base=base[share.target],
            effective=effective[share.target],
            reason=(
                "NoEndpoint"
                if not _usable(loads, share.backend)
                else "Overloaded"
                if parts.kept.get(share.target, 1.0) < NEARLY
                else "Declared"
            ),
            # A step before its time moves nothing: what it sees is still to be used.
            observed_at=newest[share.target] if due else used.get(share.target),
        )
        for share in each.shares
    )
    return SetState(weights=moved, parts=parts, stepped_at=now)


def _free(before: SetState, each: TargetSet, plan: Plan, loads: Mapping[str, Load], now: float) -> SetState:
    usable = [share for share in each.shares if _usable(loads, share.backend)]
    capacities = [loads[share.backend].requests for share in usable]
    known = [capacity for capacity in capacities if capacity is not None]
    before_base = {weight.target: weight.base for weight in before.weights if weight.base > 0.0}
    known = known or list(before_base.values())  # nothing is known: what was taken for granted goes on to be
    unknown = {} if any(capacities) else before_base
    middle = sum(known) / len(known) if known else 1.0
    used = before.observed_at
    reasons: dict[str, Reason] = {}
    candidates = []
    for share, capacity in zip(usable, capacities, strict=True):
        seen = loads[share.backend]
        backend = plan.backends[share.backend]
        age = _age(loads, share.backend, now)
        lost = age > each.stale_after
        late = seen.observed_at is not None and seen.observed_at == used.get(share.target)
        steered = seen.delay is not None and not lost and (backend.measured or seen.utilization is not None)
        reasons[share.target] = (
            "Stale"
            if lost and backend.measured and seen.observed_at is not None
            else "Held"
            if late and steered
            else "Load"
            if steered
            else "Base"
        )
        candidates.append(
            Candidate(
                name=share.target,
                base=unknown.get(share.target, middle) if capacity is None else capacity,
                delay=seen.delay if steered else None,
                arrivals=seen.arrivals or 0.0,
                age=age,
                held=late and steered,
            )
        )
    effective = weights.steer(candidates, before.effective, each.interval)
    base = weights.bases(candidates) if candidates else {}
    moved = tuple(
        Weight(
            target=share.target,
            base=base.get(share.target, 0.0),
            effective=effective.get(share.target, 0.0),
            reason=reasons.get(share.target, "NoEndpoint"),
            observed_at=_observed_at(loads, share.backend),
        )
        for share in each.shares
    )
    return SetState(weights=moved, stepped_at=now)


def _spill(before: float, spill: Spill, first: TargetSet, loads: Mapping[str, Load], *, moved: bool) -> float:
    """The part that leaves the first tier; it moves with the tier, and not by leaps."""
    if not moved:
        return before
    known = [
        loads[share.backend].utilization
        for share in first.shares
        if share.weight != 0 and _usable(loads, share.backend)
    ]
    used = [value for value in known if value is not None]
    if not used or len(used) < len(known):
        return max(0.0, before - SPILL_STEP)  # one that may have room keeps the tier
    span = max(spill.end - spill.start, 1e-9)
    wanted = min(1.0, max(0.0, (sum(used) / len(used) - spill.start) / span))
    return min(before + SPILL_STEP, max(before - SPILL_STEP, wanted))


def _usable(loads: Mapping[str, Load], backend: str) -> bool:
    return backend in loads and loads[backend].usable > 0


def _observed_at(loads: Mapping[str, Load], backend: str) -> float | None:
    """When the newest sample was taken."""
    return loads[backend].observed_at if backend in loads else None


def _age(loads: Mapping[str, Load], backend: str, now: float) -> float:
    """Of the newest sample, in seconds."""
    at = _observed_at(loads, backend)
    return now - at if at is not None else float("inf")


def _typical(plan: Mapping[str, Backend], backends: Mapping[str, BackendState]) -> dict[str, float]:
    """By backend: what an endpoint of its model does."""
    found: dict[str, list[Endpoint]] = {}
    for name, backend in plan.items():
        found.setdefault(backend.model, []).extend(backends[name].endpoints.values())
    models = {model: endpoints.typical(each) for model, each in found.items()}
    return {name: value for name, backend in plan.items() if (value := models[backend.model]) is not None}


def _implied(state: State, plan: Plan, backends: Mapping[str, BackendState]) -> dict[str, float]:
    """By backend: what an endpoint of it does as long as it does as much, in relation to those of whom it is known, as
    a former leader thought."""
    found: dict[str, float] = {}
    for key, bases in state.adopted.items():
        if key not in plan.sets:
            continue
        names = {share.backend: bases.get(share.target, 0.0) for share in plan.sets[key].shares}
        learned = {name: value for name in names if (value := _learned(backends.get(name))) is not None}
        weight = sum(names[name] for name in learned)
        if learned and weight > 0.0:
            scale = sum(learned.values()) / weight
            unknown = ((name, base) for name, base in names.items() if name not in learned and base > 0.0)
            found |= {
                name: base * scale / max(1, len(backends[name].endpoints)) for name, base in unknown if name in backends
            }
    return found


def _awaited(bases: Mapping[str, float], key: SetKey, plan: Plan, backends: Mapping[str, BackendState]) -> bool:
    """Whether something that a former leader knew is yet to be learned. What was learned once is known otherwise."""
    shares = plan.sets[key].shares if key in plan.sets else ()
    names = {share.backend for share in shares if bases.get(share.target)} & backends.keys()
    return any(plan.backends[name].measured and _learned(backends[name]) is None for name in names)


def _learned(backend: BackendState | None) -> float | None:
    """Tokens a second of all endpoints, where anything was learned of any."""
    each = endpoints.typical(list(backend.endpoints.values())) if backend is not None else None
    return each * len(backend.endpoints) if each is not None and backend is not None else None


def _fresh(plan: Plan) -> dict[str, float]:
    """For how long a sample counts, by backend: as the most patient of its sets says."""
    found: dict[str, float] = {}
    for each in plan.sets.values():
        for share in each.shares:
            found[share.backend] = max(found.get(share.backend, 0.0), FRESH_INTERVALS * each.interval, each.stale_after)
    return found
