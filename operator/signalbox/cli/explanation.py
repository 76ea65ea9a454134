"""An explanation as text."""

import json
import textwrap
from collections.abc import Iterator

from signalbox.cli.explanation_chains import calls
from signalbox.local.explained import AskedClassifier, AskedRoute, Candidate, Explanation, Value
from signalbox.routing.expressions.variables import CLASSIFIER_GROUPS

_LONGEST = 60
_MARKS = {"held": "yes", "always": "yes", "did not hold": "no", "error": "ERROR", "unknown": "?", "not asked": "-"}


def screen(found: Explanation) -> str:
    """The decision, top down."""
    who = f"tenant {found.tenant}" + (f" (tier {found.tier})" if found.tier else "") if found.tenant else "no tenant"
    output = f" + up to {found.output_tokens} of answer" if found.output_tokens else ""
    lines = [
        f"request  {found.operation}, model {found.model}, about {found.prompt_tokens} prompt tokens{output}; {who}",
        f"policy   {found.policy}",
    ]
    if found.classifiers:
        lines.append("classifiers")
        width = max(len(each.name) for each in found.classifiers)
        lines += [_classifier(each, width) for each in found.classifiers]
    lines.append("routes")
    width = max(len(route.name) for route in found.routes)
    for route in found.routes:
        lines += _route(route, width)
    if found.route:
        lines += _target(found)
    if found.awaits:
        lines.append(f"open     it depends on the classifier {found.awaits}: --assume label.{found.awaits}=LABEL")
    if found.refusal:
        lines.append(f"refused  {found.refusal}")
    return "\n".join(lines)


def _classifier(each: AskedClassifier, width: int) -> str:
    head = f"  {each.name:<{width}}  {each.kind:<7}  "
    if each.outcome == "unknown":
        return f"{head}must be asked, which is not done here"
    if each.outcome == "not asked":
        return f"{head}not asked"
    why = {
        "untrained": " (the default: it has learned nothing yet)",
        "unsure": " (the default: it is not sure enough)",
        "failed": " (the default: it fails)",
        "assumed": " (assumed)",
    }.get(each.outcome, "")
    said = f"{head}{each.label}{why}, score {each.score:g}, confidence {each.confidence:g}"
    expected = ", ".join(f"{target} {100 * value:.1f}" for target, value in each.expected.items())
    return f"{said}; expects {expected}" if expected else said


def _target(found: Explanation) -> Iterator[str]:
    """Who serves, as far as it is decided."""
    how = " by capacity and load: equal shares until these are known" if found.by_load else ""
    how = f" by {found.by}" if found.by else how
    yield f"target   route {found.route}, {found.strategy}{how}"
    if found.chain is not None:
        yield from calls(found.chain, found.candidates)
        return
    width = max((len(candidate.target) for candidate in found.candidates), default=0)
    for candidate in found.candidates:
        yield _candidate(candidate, width, found.strategy, open_=bool(found.awaits)).rstrip()


def _route(route: AskedRoute, width: int) -> Iterator[str]:
    head = f"  {_MARKS[route.result]:<6} {route.name:<{width}}  "
    rest = " " * len(head)
    when = textwrap.dedent(route.when) or "(no condition)"
    for number, line in enumerate(when.splitlines()):
        yield (rest if number else head) + line
    for path, value in route.values.items():
        unsaid = value is None and path.partition(".")[0] in CLASSIFIER_GROUPS
        yield f"{rest}  {path} = {'(not asked)' if unsaid else _value(value)}"
    if route.error:
        yield f"{rest}  error: {route.error}; the condition counts as not matching"


def _value(value: Value) -> str:
    if value is None:
        return "(absent)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(str(value))} characters)"


def _candidate(candidate: Candidate, width: int, strategy: str, *, open_: bool) -> str:
    tier = f"tier {candidate.tier}  " if strategy == "failover" else ""
    if candidate.dropped:
        fate = f"out: {candidate.dropped}"
    elif candidate.share and strategy in {"select", "objective"}:
        fate = f"serves it, as model {candidate.model or '?'}"
    elif strategy in {"select", "objective"}:
        fate = "" if open_ else "if those before it cannot"
    elif candidate.share:
        fate = f"{candidate.share:g} % of such requests, as model {candidate.model or '?'}"
    else:
        fate = "waits until the tiers before it have no usable target"
    line = f"  {tier}{candidate.target:<{width}}  {_expected(candidate)}{fate}"
    return f"{line} ({', '.join(candidate.labels)})" if candidate.labels else line


def _expected(candidate: Candidate) -> str:
    """What an objective weighs; empty for other strategies."""
    if candidate.load is None:
        return ""
    quality = "?" if candidate.quality is None else f"{candidate.quality:.0f}"
    cost = "?" if candidate.cost is None else f"{candidate.cost:.6f}".rstrip("0").rstrip(".")
    wait = "?" if candidate.first_token_ms is None else f"{candidate.first_token_ms:.0f} ms"
    missed = f"misses {', '.join(candidate.misses)}; " if candidate.misses else ""
    return f"quality {quality:<3}  cost {cost:<9}  first token {wait:<8}  load {candidate.load:.2f}  {missed}"
