"""What became of a lesson: the record that its ConfigMap keeps, and what a policy's status says of it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from signalbox.plan.lessons import Lesson, Source
from signalbox.plan.problems import Problem, about_policy
from signalbox.plan.status.transitions import Transition
from signalbox.routing.classifiers.artefact import decode

KIND: Final = "RoutingPolicy"
MESSAGE_CHARACTERS: Final = 1024
FAILURE_CHARACTERS: Final = 864
"""An Event has 1,024 bytes, and the names of a route and a target before it."""
TARGET_CHARACTERS: Final = 63
MOST_THRESHOLDS: Final = 16
MOST_LABELS: Final = 3
READY, TRAINING, FAILED = "Ready", "Training", "Failed"
_NO_ANSWERS: Final = "confidence is the mean probability of a token: give examplesFrom with at least 100 answers"
_WITHOUT_SCORES: Final = {"Labels": "learned from labels", "Nothing": "has too few examples to learn from"}


class Estimate(msgspec.Struct, frozen=True):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def entry(self) -> dict[str, str]:
        """As the API has it."""
        return {"value": f"{self.value:.3f}", "low": f"{self.low:.3f}", "high": f"{self.high:.3f}"}


class Threshold(msgspec.Struct, frozen=True, rename="camel"):
    """One possible cut."""

    strong_share_percent: int
    threshold_percent: float
    quality_percent: float


class Figures(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What is kept of the report of a training; ``learnt`` is what it had: Scores, Labels, or Nothing but lengths."""

    examples: int = 0
    learnt: str = ""
    apgr: Estimate | None = None
    accuracy: Estimate | None = None
    cpt50: float | None = None
    thresholds: tuple[Threshold, ...] = ()
    warnings: tuple[str, ...] = ()


class Failure(msgspec.Struct, frozen=True):
    """A state of the lesson of which nothing could be learned, and why: it will not be tried again. ``few``: there are
    too few examples for a confidence, which is nothing wrong."""

    digest: str
    message: str
    few: bool = False


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """``digest`` is the state of the lesson that the model is of, ``model`` the SHA-256 of its bytes, ``labels`` those
    that it gives, all empty where there is none. The policy may have other labels by now."""

    digest: str = ""
    model: str = ""
    labels: tuple[str, ...] = ()
    figures: Figures = Figures()
    failed: Failure | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A lesson as it is: the model at hand, with its record. ``wanted`` is the state that there should be a model of,
    None while a source is missing; ``trouble`` says why it could not be learned yet, of what may pass."""

    lesson: Lesson
    wanted: str | None
    record: Record = Record()
    model: bytes = b""
    missing: tuple[Source, ...] = ()
    trouble: str = ""

    @property
    def due(self) -> bool:
        """Whether it has to be learned."""
        failed = self.record.failed.digest if self.record.failed is not None else None
        return bool(self.lesson.sources) and self.wanted is not None and self.wanted not in (self.record.digest, failed)

    @property
    def failure(self) -> str:
        """Why there is no model of what is wanted; empty where there is one, or nothing is wrong yet."""
        if self.wanted is None:
            return f"{', '.join(str(source) for source in self.missing)}: cannot be read"
        if self.wanted == self.record.digest:
            return ""
        if self.record.failed is not None and self.record.failed.digest == self.wanted:
            return self.record.failed.message
        return self.trouble

    @property
    def few(self) -> bool:
        """Whether there is no model for want of examples, and no more to it."""
        failed = self.record.failed
        return not self.lesson.sources or (failed is not None and failed.few and failed.digest == self.wanted)

    @property
    def state(self) -> str:
        """As the API has it."""
        if self.failure:
            return FAILED
        return TRAINING if self.due else READY


class Kept(msgspec.Struct, frozen=True):
    """A record and its model, as they are kept."""

    record: Record = Record()
    model: bytes = b""

    @property
    def sound(self) -> "Kept":
        """A model that is not what its record says counts for nothing."""
        if self.record.digest and digest_of(self.model) == self.record.model:
            return self
        return Kept(Record(failed=self.record.failed))


def standing_of(lesson: Lesson, contents: Mapping[Source, str], kept: Kept) -> Standing:
    """A lesson among what there is of its sources."""
    return Standing(
        lesson=lesson,
        wanted=lesson.digest(contents),
        record=kept.record,
        model=kept.model,
        missing=tuple(source for source in lesson.sources if source not in contents),
    )


def digest_of(model: bytes) -> str:
    """What tells one model from another."""
    return hashlib.sha256(model).hexdigest()


def finished(lesson: Lesson, model: bytes) -> Figures:
    """The figures of a model that was made elsewhere. Raises ``ValueError`` with what is wrong, and what to do."""
    artefact = decode(model)
    if artefact.labels != lesson.labels:
        raise ValueError(f"the model has the labels {', '.join(artefact.labels)}: write these, in this order")
    return Figures(examples=artefact.examples, learnt=artefact.learnt)


def after_success(lesson: Lesson, digest: str, model: bytes, figures: Figures) -> Record:
    """The record of a model that was just learned of a lesson in this state."""
    kept = msgspec.structs.replace(
        figures, warnings=figures.warnings[:MOST_THRESHOLDS], thresholds=figures.thresholds[:MOST_THRESHOLDS]
    )
    return Record(digest=digest, model=digest_of(model), labels=lesson.labels, figures=kept)


def after_failure(before: Record, digest: str, message: str, *, few: bool = False) -> Record:
    """The last good model stays."""
    failed = Failure(digest, _cut(message), few)
    return msgspec.structs.replace(before, failed=failed)


def classifier_entries(standings: Iterable[Standing]) -> list[dict[str, Any]]:
    """``status.classifiers`` of a policy."""
    return [_entry(each) for each in standings if each.lesson.kind != "confidence"]


def _entry(standing: Standing) -> dict[str, Any]:
    figures, state = standing.record.figures, standing.state
    message = "; ".join((*dict.fromkeys(each.message for each in _unexpected(standing)), *figures.warnings))
    if state == FAILED:
        message = _failed(standing)
    entry: dict[str, Any] = {"name": standing.lesson.name, "state": state}
    if standing.record.digest:
        entry["examples"] = figures.examples
    if figures.apgr is not None:
        entry["apgr"] = figures.apgr.entry
    if figures.accuracy is not None:
        entry["accuracy"] = figures.accuracy.entry
    if figures.cpt50 is not None:
        entry["cpt50"] = f"{figures.cpt50:.1f}"
    if figures.thresholds:
        entry["thresholds"] = [
            {
                "strongSharePercent": each.strong_share_percent,
                "threshold": f"{each.threshold_percent:.2f}",
                "quality": f"{each.quality_percent:.2f}",
            }
            for each in figures.thresholds
        ]
    if message:
        entry["message"] = _cut(message)
    return entry


def step_entries(standings: Iterable[Standing]) -> dict[str, list[dict[str, Any]]]:
    """``steps`` of the routes in a status, by name of the route."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in standings:
        if each.lesson.kind == "confidence":
            found.setdefault(each.lesson.name.rpartition("/")[0], []).append(_step(each))
    return found


def _step(standing: Standing) -> dict[str, Any]:
    entry: dict[str, Any] = {"target": ", ".join(standing.lesson.labels)[:TARGET_CHARACTERS]}
    if standing.few and not standing.model:
        return entry | {"state": "Uncalibrated", "message": _cut(standing.failure or _NO_ANSWERS)}
    entry["state"] = "Calibrated" if standing.state == READY else standing.state
    if standing.record.digest:
        entry["examples"] = standing.record.figures.examples
    if standing.state == FAILED:
        entry["message"] = _failed(standing)
    return entry


def with_steps(
    routes: list[dict[str, Any]] | None, steps: Mapping[str, list[dict[str, Any]]]
) -> list[dict[str, Any]] | None:
    """The routes of a status with their steps. Where nothing is said of a route but its steps, it has these alone."""
    if not steps:
        return routes
    named = {each["name"] for each in routes or ()}
    found = [{**each, "steps": steps[each["name"]]} if each["name"] in steps else {**each} for each in routes or ()]
    found += [{"name": name, "steps": each} for name, each in steps.items() if name not in named]
    return found or None


def without_steps(routes: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]] | None:
    """What is said of routes beside their steps."""
    plain = [{key: value for key, value in each.items() if key != "steps"} for each in routes or ()]
    return [each for each in plain if each.keys() != {"name"}] or None


def steps_of(routes: Sequence[Mapping[str, Any]] | None) -> dict[str, list[dict[str, Any]]]:
    """What is said of steps, by name of the route."""
    return {each["name"]: each["steps"] for each in routes or () if each.get("steps")}


def _failed(standing: Standing) -> str:
    """What holds meanwhile is said however long the cause is."""
    meanwhile = f"; {_meanwhile(standing)}"
    return f"{_cut(standing.failure, FAILURE_CHARACTERS - len(meanwhile))}{meanwhile}"


def _meanwhile(standing: Standing) -> str:
    confidence = standing.lesson.kind == "confidence"
    if standing.model:
        gone = () if confidence else [label for label in standing.record.labels if label not in standing.lesson.labels]
        if not gone:
            return "the model that was learned last goes on serving"
        if len(gone) == len(standing.record.labels):
            return "the labels of the model that was learned last are others: until then the default holds"
        return (
            f"the model that was learned last goes on serving, and where it says {_listed(gone)}, which the policy"
            " does not have, the default holds"
        )
    if confidence:
        return "until then it is the mean probability of a token"
    return "until then its default holds"


def problems(standings: Iterable[Standing]) -> list[Problem]:
    """What of a policy's lessons cannot be learned as it is, and what was learned that is not what it is there for.
    Sources that are missing are the plan's to say."""
    found = []
    for each in standings:
        if each.wanted is not None and each.failure and not each.few:
            found.append(
                Problem(
                    kind=KIND,
                    name=each.lesson.policy,
                    reason="LearningFailed",
                    path=each.lesson.path,
                    message=_failed(each),
                    condition="ResolvedRefs",
                )
            )
        found += _unexpected(each)
    return found


def _unexpected(standing: Standing) -> list[Problem]:
    """Objectives that want expected scores of who knows none: it learned from labels, or from lengths alone."""
    learned = _WITHOUT_SCORES.get(standing.record.figures.learnt)
    if learned is None:
        return []
    lesson = standing.lesson
    message = f'the classifier "{lesson.name}" {learned}, and expects no quality of a target'
    fix = 'give examples with "scores" per target; until then profile.quality counts'
    return [
        about_policy(lesson.policy, "NothingExpected", path, message, fix, "warning") for path in lesson.expected_by
    ]


def lessons_told(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Transition]:
    """What of the classifiers in a status is worth an Event: that one is ready now, and that one has failed."""
    states = {each["name"]: each["state"] for each in before}
    found = []
    for each in after:
        name, was, state = each["name"], states.get(each["name"]), each["state"]
        if state == READY and was != READY:
            found.append(Transition("Normal", "ClassifierReady", f"classifier {name}: {told(each)}"))
        elif state == FAILED and was != FAILED:
            found.append(Transition("Warning", "ClassifierFailed", f"classifier {name}: {each.get('message', '')}"))
    return found


def steps_told(
    before: Mapping[str, Sequence[Mapping[str, Any]]], after: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[Transition]:
    """The same of steps, by name of the route."""
    found = []
    for route, steps in after.items():
        for number, each in enumerate(steps):
            states = [one["state"] for one in before.get(route, ())[number : number + 1]]
            note = f"route {route}, confidence of {each['target']}: "
            if each["state"] == "Calibrated" and states != ["Calibrated"]:
                found.append(Transition("Normal", "ConfidenceReady", f"{note}{told(each)}"))
            elif each["state"] == FAILED and states != [FAILED]:
                found.append(Transition("Warning", "ConfidenceFailed", f"{note}{each.get('message', '')}"))
    return found


def told(entry: Mapping[str, Any]) -> str:
    """An entry of a status that is ready, in a few words."""
    text = f"learned from {entry.get('examples', 0)} examples"
    for field, name in (("apgr", "APGR"), ("accuracy", "accuracy")):
        if found := entry.get(field):
            text += f", {name} {found['value']} ({found['low']} to {found['high']})"
    return text


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:MOST_LABELS])
    return shown if len(labels) <= MOST_LABELS else f"{shown} and {len(labels) - MOST_LABELS} more"


def _cut(text: str, most: int = MESSAGE_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
