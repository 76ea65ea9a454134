"""``status.routes`` of a policy: where the requests of each route go, and what of its changes is worth telling."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from signalbox.feedback.law import Outcome, Weight
from signalbox.feedback.plan import Plan, SetKey
from signalbox.plan.status.conditions import Entry
from signalbox.plan.status.telemetry import MOVE_PERCENT
from signalbox.plan.status.transitions import Transition

Dated = Callable[[float | None], str | None]
Routes = Sequence[Mapping[str, Any]]

NO_ENDPOINT, HELD, STALE, SPILLED, IDLE = "NoEndpoint", "Held", "Stale", "Spilled", "Idle"
PLAIN = "Declared", "Base"
# An object has room for so many; of further routes there is the summary.
MOST_WEIGHTS = 512
SUMMARY_TARGETS = 3


def route_entries(plan: Plan, outcome: Outcome, dated: Dated) -> dict[str, list[Entry]]:
    """By policy, the routes in the order of the plan. Of a policy whose weights stay there is nothing to say."""
    tiers: dict[str, dict[str, list[tuple[Weight, ...]]]] = {}
    for key, each in plan.sets.items():
        if each.mode != "Disabled":
            tiers.setdefault(key.policy, {}).setdefault(key.route, []).append(outcome.weights.get(key, ()))
    found: dict[str, list[Entry]] = {}
    for policy, routes in tiers.items():
        room = MOST_WEIGHTS
        for route, sets in routes.items():
            weights = _route(sets, outcome.spills.get(SetKey(policy, route), 0.0), dated)
            entry: Entry = {"name": route, "summary": _summary(weights)}
            room -= len(weights)
            if room >= 0:
                entry["weights"] = weights
            found.setdefault(policy, []).append(entry)
    return found


def routes_moved(before: Routes, after: Routes) -> bool:
    """Whether a part has moved by 10 points."""
    one, other = _parts(before), _parts(after)
    return any(
        abs(one[place]["effectivePermille"] - other[place]["effectivePermille"]) >= 10 * MOVE_PERCENT
        for place in one.keys() & other.keys()
    )


def routes_turned(before: Routes, after: Routes) -> bool:
    """Whether there are other routes or targets, a target was ejected or has returned, or the loop has fallen back or
    follows its load again."""
    return _parts(before).keys() != _parts(after).keys() or bool(turns(before, after))


def worth_telling(routes: Routes) -> bool:
    """Whether they say more than the policy itself: nobody needs to write what nobody's load has changed yet."""
    return any(
        each["effectivePermille"] != each["basePermille"] or each.get("reason") not in {*PLAIN, NO_ENDPOINT, IDLE}
        for each in _parts(routes).values()
    )


def turns(before: Routes, after: Routes) -> list[Transition]:
    """What is worth an Event, once for each target."""
    one, other = _by_target(before), _by_target(after)
    heard, hears = _newest(before), _newest(after)
    found = []
    for target in sorted(one.keys() & other.keys()):
        was, now = one[target], other[target]
        if NO_ENDPOINT in now and NO_ENDPOINT not in was:
            note = f"target {target} has no usable endpoint: it gets no requests until it has one"
            found.append(Transition("Warning", "TargetEjected", note))
        elif NO_ENDPOINT in was and NO_ENDPOINT not in now:
            found.append(Transition("Normal", "TargetReturned", f"target {target} has a usable endpoint again"))
        if STALE in now and STALE not in was:
            note = f"nothing was heard of the load of target {target} for too long: it has its weight without load"
            found.append(Transition("Warning", "FellBack", note))
        elif STALE in was and not now & {STALE, HELD, NO_ENDPOINT} and hears[target] > heard[target]:
            # A new leader, which has never heard of the load, calls it unknown and not stale: that is no news.
            found.append(Transition("Normal", "FollowsLoad", f"the load of target {target} is known again"))
    return found


def _route(sets: Sequence[tuple[Weight, ...]], spill: float, dated: Dated) -> list[Entry]:
    """One entry for each target, whatever the number of tiers that it is in."""
    parts = _tiers(sets, spill)
    found: dict[str, Entry] = {}
    for tier, (weights, part) in enumerate(zip(sets, parts, strict=True)):
        for weight in weights:
            base = weight.base if tier == 0 else 0.0
            entry = {
                "target": weight.target,
                "basePermille": round(1000 * base),
                "effectivePermille": round(1000 * part * weight.effective),
                "reason": _reason(weight, tier, part),
                "observedAt": dated(weight.observed_at),
            }
            known = found.get(weight.target)
            if known is not None:
                for name in ("basePermille", "effectivePermille"):
                    entry[name] = min(1000, known[name] + entry[name])
                if known["effectivePermille"] or not part:
                    entry["reason"] = known["reason"]
            found[weight.target] = entry
    return [{name: value for name, value in entry.items() if value is not None} for entry in found.values()]


def _tiers(sets: Sequence[tuple[Weight, ...]], spill: float) -> list[float]:
    """The part of the requests that each tier gets: all go to the first that is usable, but for what it spills."""
    usable = [index for index, weights in enumerate(sets) if any(weight.effective for weight in weights)]
    parts = [0.0] * len(sets)
    if not usable:
        return parts
    parts[usable[0]] = 1.0
    if usable[0] == 0 and spill and len(usable) > 1:
        parts[0], parts[usable[1]] = 1.0 - spill, spill
    return parts


def _reason(weight: Weight, tier: int, part: float) -> str:
    if weight.reason in {NO_ENDPOINT, STALE}:
        return weight.reason  # also in a tier that is not in use: it would be told each time that one comes and goes
    if not part:
        return IDLE
    return SPILLED if tier and part < 1.0 else weight.reason


def _summary(weights: Iterable[Mapping[str, Any]]) -> str:
    """The largest parts, in percent."""
    ordered = sorted(weights, key=lambda each: (-each["effectivePermille"], each["target"]))
    shown = [each for each in ordered if each["effectivePermille"]]
    if not shown:
        return "nothing is usable"
    text = ", ".join(f"{each['target']} {_percent(each['effectivePermille'])}" for each in shown[:SUMMARY_TARGETS])
    left = len(shown) - SUMMARY_TARGETS
    return text if left <= 0 else f"{text} and {left} more"


def _percent(permille: int) -> str:
    return f"{round(permille / 10)}%" if permille >= 10 else "<1%"


def _parts(routes: Routes) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(route["name"], each["target"]): each for route in routes for each in route.get("weights") or ()}


def _newest(routes: Routes) -> dict[str, str]:
    """By target, when the newest sample was taken: RFC 3339 in UTC, which sorts as it is."""
    found: dict[str, str] = {}
    for (_, target), each in _parts(routes).items():
        found[target] = max(found.get(target, ""), each.get("observedAt", ""))
    return found


def _by_target(routes: Routes) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for (_, target), each in _parts(routes).items():
        found.setdefault(target, set()).add(each.get("reason", ""))
    return found
