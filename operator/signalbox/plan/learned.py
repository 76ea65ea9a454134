"""What became of a lesson: the record that its ConfigMap keeps, and what a policy's status says of it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from signalbox.plan.lessons import Lesson, Source
from signalbox.plan.problems import Problem
from signalbox.plan.status.transitions import Transition
from signalbox.routing.classifiers.artefact import decode

KIND: Final = "RoutingPolicy"
MESSAGE_CHARACTERS: Final = 1024
MOST_THRESHOLDS: Final = 16
READY, TRAINING, FAILED = "Ready", "Training", "Failed"


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
    """What is kept of the report of a training."""

    examples: int = 0
    apgr: Estimate | None = None
    accuracy: Estimate | None = None
    cpt50: float | None = None
    thresholds: tuple[Threshold, ...] = ()
    warnings: tuple[str, ...] = ()


class Failure(msgspec.Struct, frozen=True):
    """A state of the lesson of which nothing could be learned, and why: it will not be tried again."""

    digest: str
    message: str


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """``digest`` is the state of the lesson that the model is of, ``model`` the SHA-256 of its bytes, both empty where
    there is none."""

    digest: str = ""
    model: str = ""
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
        return self.wanted is not None and self.wanted not in (self.record.digest, failed)

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
    def state(self) -> str:
        """As the API has it."""
        if self.failure:
            return FAILED
        return TRAINING if self.due else READY


def sound(record: Record | None, model: bytes) -> Record:
    """A model that is not what its record says counts for nothing."""
    if record is None:
        return Record()
    if record.digest and digest_of(model) != record.model:
        return Record(failed=record.failed)
    return record


def standing_of(lesson: Lesson, contents: Mapping[Source, str], record: Record | None, model: bytes) -> Standing:
    """A lesson among what there is of its sources."""
    known = sound(record, model)
    return Standing(
        lesson=lesson,
        wanted=lesson.digest(contents),
        record=known,
        model=model if known.digest else b"",
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
    return Figures(examples=artefact.examples)


def after_success(digest: str, model: bytes, figures: Figures) -> Record:
    """The record of a model that was just learned."""
    kept = msgspec.structs.replace(
        figures, warnings=figures.warnings[:MOST_THRESHOLDS], thresholds=figures.thresholds[:MOST_THRESHOLDS]
    )
    return Record(digest=digest, model=digest_of(model), figures=kept)


def after_failure(before: Record, digest: str, message: str) -> Record:
    """The last good model stays."""
    failed = Failure(digest, _cut(message))
    return msgspec.structs.replace(before, failed=failed)


def classifier_entries(standings: Iterable[Standing]) -> list[dict[str, Any]]:
    """``status.classifiers`` of a policy."""
    return [_entry(each) for each in standings if each.lesson.kind != "confidence"]


def _entry(standing: Standing) -> dict[str, Any]:
    figures, state = standing.record.figures, standing.state
    message = "; ".join(figures.warnings)
    if state == FAILED:
        message = f"{standing.failure}; {_meanwhile(standing)}"
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


def _meanwhile(standing: Standing) -> str:
    return "the model that was learned last goes on serving" if standing.model else "until then its default holds"


def problems(standings: Iterable[Standing]) -> list[Problem]:
    """What of a policy's lessons cannot be learned as it is. Sources that are missing are the plan's to say."""
    return [
        Problem(
            kind=KIND,
            name=each.lesson.policy,
            reason="LearningFailed",
            path=each.lesson.path,
            message=f"{each.failure}; {_meanwhile(each)}",
            condition="ResolvedRefs",
        )
        for each in standings
        if each.wanted is not None and each.failure
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


def told(entry: Mapping[str, Any]) -> str:
    """An entry of a status that is ready, in a few words."""
    text = f"learned from {entry.get('examples', 0)} examples"
    for field, name in (("apgr", "APGR"), ("accuracy", "accuracy")):
        if found := entry.get(field):
            text += f", {name} {found['value']} ({found['low']} to {found['high']})"
    return text


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_CHARACTERS else f"{text[: MESSAGE_CHARACTERS - 1]}…"
