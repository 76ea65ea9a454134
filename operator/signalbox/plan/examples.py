"""Whether what is learned from is there."""

from signalbox.api import RoutingPolicy
from signalbox.plan.credentials import Report
from signalbox.plan.lessons import Lesson, Source, lessons_of
from signalbox.plan.observed import Observed
from signalbox.plan.problems import Problem

_MEANWHILE = "what was learned last goes on serving, else the default"


def check_sources(policy: RoutingPolicy, observed: Observed, report: Report) -> None:
    """Report each source that is missing, or cannot be read."""
    for lesson in lessons_of(policy):
        for index, source in enumerate(lesson.sources):
            if (found := _missing(source, observed)) is not None:
                report(_problem(policy.metadata.name, lesson, index, source, *found))


def _missing(source: Source, observed: Observed) -> tuple[str, str, str] | None:
    """Reason, message and fix."""
    if fault := observed.faults.get(f"{source.kind}/{source.name}/"):
        fix = "see why the API server does not let the operator read it; it is tried again"
        return "SourceUnreadable", f"{source.kind} {source.name}: {fault}", fix
    keys = (observed.secrets if source.kind == "Secret" else observed.config_maps).get(source.name)
    if keys is None:
        message, fix = f"{source.kind} {source.name} does not exist", f"create it, with the key {source.key}"
        return f"{source.kind}NotFound", message, fix
    if source.key not in keys:
        message = f'{source.kind} {source.name} has no key "{source.key}"'
        return f"{source.kind}KeyNotFound", message, f"it has: {', '.join(sorted(keys))}" if keys else "it has no key"
    return None


def _problem(policy: str, lesson: Lesson, index: int, source: Source, reason: str, message: str, fix: str) -> Problem:
    one = lesson.path if lesson.kind == "finished" else f"{lesson.path}[{index}]"
    field = "secretKeyRef" if source.kind == "Secret" else "configMapKeyRef"
    return Problem(
        kind="RoutingPolicy",
        name=policy,
        reason=reason,
        path=f"{one}.{field}.{'key' if reason.endswith('KeyNotFound') else 'name'}",
        message=f"{message}: {_MEANWHILE}",
        fix=fix,
        condition="ResolvedRefs",
    )
