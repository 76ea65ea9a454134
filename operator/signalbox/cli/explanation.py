"""An explanation as text."""

import json
import textwrap
from collections.abc import Iterator

from signalbox.local.explain import AskedRoute, Candidate, Explanation, Value

_LONGEST = 60
_MARKS = {"held": "yes", "always": "yes", "did not hold": "no", "error": "ERROR", "unknown": "?", "not asked": "-"}


def screen(found: Explanation) -> str:
    """The decision, top down."""
    who = f"tenant {found.tenant}" + (f" (tier {found.tier})" if found.tier else "") if found.tenant else "no tenant"
    output = f" + up to {found.output_tokens} of answer" if found.output_tokens else ""
    lines = [
        f"request  {found.operation}, model {found.model}, about {found.prompt_tokens} prompt tokens{output}; {who}",
        f"policy   {found.policy}",
        "routes",
    ]
    width = max(len(route.name) for route in found.routes)
    for route in found.routes:
        lines += _route(route, width)
    if found.route:
        how = " by capacity and load: equal shares until these are known" if found.by_load else ""
        lines.append(f"target   route {found.route}, {found.strategy}{how}")
        width = max(len(candidate.target) for candidate in found.candidates)
        lines += [_candidate(candidate, width, found.strategy) for candidate in found.candidates]
    if found.refusal:
        lines.append(f"refused  {found.refusal}")
    return "\n".join(lines)


def _route(route: AskedRoute, width: int) -> Iterator[str]:
    head = f"  {_MARKS[route.result]:<6} {route.name:<{width}}  "
    rest = " " * len(head)
    when = textwrap.dedent(route.when) or "(no condition)"
    for number, line in enumerate(when.splitlines()):
        yield (rest if number else head) + line
    for path, value in route.values.items():
        yield f"{rest}  {path} = {_value(value)}"
    if route.error:
        yield f"{rest}  error: {route.error}; the condition counts as not matching"


def _value(value: Value) -> str:
    if value is None:
        return "(absent)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(str(value))} characters)"


def _candidate(candidate: Candidate, width: int, strategy: str) -> str:
    tier = f"tier {candidate.tier}  " if strategy == "failover" else ""
    if candidate.dropped:
        fate = f"out: {candidate.dropped}"
    elif candidate.share:
        fate = f"{candidate.share:g} % of such requests, as model {candidate.model or '?'}"
    else:
        fate = "waits until the tiers before it have no usable target"
    return f"  {tier}{candidate.target:<{width}}  {fate}"
