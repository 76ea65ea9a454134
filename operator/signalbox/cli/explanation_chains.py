"""The calls of a chain as text."""

from collections.abc import Iterator, Sequence

from signalbox.local.explained import Candidate, ChainPlan, PlannedCall


def calls(plan: ChainPlan, candidates: Sequence[Candidate]) -> Iterator[str]:
    """Each call with who is asked, when it is enough and what it costs; then the limits."""
    if plan.note:
        yield f"  {plan.note}"
    width = max(len(_asked(call)) for call in plan.calls)
    for call in plan.calls:
        yield f"  step {call.step}  {_asked(call):<{width}}  {_cost(call):<14}{_until(call)}".rstrip()
    for candidate in candidates:
        if candidate.dropped:
            yield f"  out: {candidate.target} in step {candidate.tier}: {candidate.dropped}"
    cost = f", at most {_shown(plan.most_cost)}" if plan.most_cost else ""
    without = f" without {', '.join(plan.unpriced)}, whose price is not known" if plan.unpriced else ""
    bound = f", maxCost {_shown(plan.max_cost)}" if plan.max_cost is not None else ""
    yield f"  in all   {_range(plan)} calls{cost}{without}"
    limits = f"maxCalls {plan.max_calls}{bound}, timeout {plan.timeout_ms / 1000:g} s, onFailure {plan.on_failure}"
    yield f"  limits   {limits}"


def _asked(call: PlannedCall) -> str:
    times = f" × {call.times}" if call.times > 1 else ""
    return f"{call.purpose} {' or '.join(call.targets)}{times}"


def _until(call: PlannedCall) -> str:
    if call.purpose in {"judge", "vote", "sample"} or not call.accept:
        return call.accept
    return "accepted always" if call.accept == "always" else f"accepted if {call.accept}"


def _cost(call: PlannedCall) -> str:
    return "cost ?" if call.cost is None else f"cost {_shown(call.cost)}"


def _range(plan: ChainPlan) -> str:
    least, most = plan.least_calls, plan.most_calls
    return f"{most}" if least == most else f"{least} to {most}"


def _shown(amount: float) -> str:
    return f"{amount:.6f}".rstrip("0").rstrip(".") or "0"
