"""A lesson learned in another process: what comes of it, and that nothing is left of it."""

import asyncio
import sys
import threading
from typing import Literal

import msgspec
import pytest
from queries import labelled, lines, scored

from signalbox.learning.fitting import train
from signalbox.learning.settings import Settings
from signalbox.plan.learned import Figures
from signalbox.plan.lessons import Cut, Lesson, Source
from signalbox.routing.chains import confidence
from signalbox.routing.classifiers.artefact import decode
from signalbox.routing.classifiers.trained import TrainedModel
from signalbox.training import run
from signalbox.training.run import Done, Refused, Trouble, learn, learn_now

SOURCE, OTHER = Source("ConfigMap", "past", "a"), Source("Secret", "private", "b")
LESSON = Lesson(
    key="p/classifier/hard", kind="classifier", path="x", sources=(SOURCE, OTHER), labels=("weak", "strong")
)


def nothing() -> None:
    """Told when it takes longer."""


def refused(result: Done | Refused) -> Refused:
    assert isinstance(result, Refused)
    return result


async def test_all_sources_are_learned_from_and_the_same_gives_the_same() -> None:
    contents = {SOURCE: lines(scored(60)).encode(), OTHER: lines(scored(40, seed=7)).encode()}
    result = await learn(LESSON, contents)
    assert isinstance(result, Done)
    assert (result.report.examples, decode(result.artefact).labels) == (100, ("weak", "strong"))
    assert result.report.apgr is not None
    assert learn_now(LESSON, contents, nothing) == result


@pytest.mark.parametrize(("kind", "percent", "most"), [("StrongShare", 20, 0.35), ("Threshold", 90, 0.0)])
def test_a_finished_model_leaves_its_first_label_where_the_policy_says(
    kind: Literal["StrongShare", "Threshold"], percent: int, most: float
) -> None:
    made, _ = train(scored(200), Settings(LESSON.labels))
    lesson = msgspec.structs.replace(LESSON, kind="finished", sources=(SOURCE,), cut=Cut(kind, percent))
    result = learn_now(lesson, {SOURCE: made}, nothing)
    assert isinstance(result, Done)
    assert result.report.examples == 200
    model = TrainedModel.of(result.artefact)
    labels = [model.predict(each.prompt).label for each in scored(200, seed=9)]
    assert labels.count("strong") <= most * len(labels)
    assert [TrainedModel.of(made).predict(each.prompt).label for each in scored(200, seed=9)].count("strong") > 80


async def test_who_serves_does_not_wait_while_a_model_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = msgspec.structs.replace(LESSON, kind="finished", sources=(SOURCE,))
    looking = list[threading.Thread]()

    def finished(*_: object) -> Figures:
        looking.append(threading.current_thread())
        return Figures(examples=7)

    monkeypatch.setattr(run, "finished", finished)
    assert await learn(lesson, {SOURCE: b"model"}) == Done(b"model", Figures(examples=7))
    assert looking != [threading.current_thread()]


def test_labels_give_an_accuracy() -> None:
    lesson = msgspec.structs.replace(LESSON, sources=(SOURCE,), labels=("chat", "cooking", "travel", "law", "algebra"))
    result = learn_now(lesson, {SOURCE: lines(labelled(80)).encode()}, nothing)
    assert isinstance(result, Done)
    assert result.report.accuracy is not None


def test_a_bad_line_is_named() -> None:
    result = learn_now(LESSON, {SOURCE: b"{}\n", OTHER: b"\xff"}, nothing)
    assert result == Refused(("Secret private, key b: is no text in UTF-8; write JSON lines",))
    lesson = msgspec.structs.replace(LESSON, sources=(SOURCE,))
    result = learn_now(lesson, {SOURCE: b"{}\n"}, nothing)
    assert isinstance(result, Refused)
    assert result.errors[0].startswith("ConfigMap past, key a line 1: prompt: is missing")


def test_of_a_secret_no_word_is_repeated() -> None:
    text = '{"prompt": "x", "scores": {"my-password": 7}}'
    lesson = msgspec.structs.replace(LESSON, sources=(OTHER,))
    (error,) = refused(learn_now(lesson, {OTHER: text.encode()}, nothing)).errors
    assert error.startswith("Secret private, key b line 1: cannot be used")
    assert "my-password" not in error


def test_what_no_object_can_hold_is_refused() -> None:
    (error,) = learn_now(LESSON, {SOURCE: b" " * 2**21, OTHER: b""}, nothing).errors
    assert error == "ConfigMap past, key a: is larger than 1 MiB; divide it among several keys"


def test_too_few_answers_are_no_mistake() -> None:
    lesson = Lesson(key="p/confidence/r/0", kind="confidence", path="x", sources=(SOURCE,), labels=("weak",))
    assert learn_now(lesson, {SOURCE: b""}, nothing).few
    line = '{"prompt": "x", "answers": {"weak": {"text": "y", "logprobs": [%s], "correct": %s}}}'
    text = "\n".join(line % (-1 / number, str(number % 3 > 0).lower()) for number in range(1, 121))
    result = learn_now(lesson, {SOURCE: text.encode()}, nothing)
    assert isinstance(result, Done)
    assert (result.report.examples, confidence.decode(result.artefact).examples) == (120, 120)


CONTENTS = {SOURCE: b"", OTHER: b""}
ENDLESS = """
import itertools, signalbox.learning.__main__ as learning
from signalbox.training.bounded import main
learning.main = lambda: all(itertools.repeat(True))
main()
"""


async def test_what_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SECONDS", 0.2)
    monkeypatch.setattr(run, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(run, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(Trouble, match="took longer"):
        await learn(LESSON, CONTENTS)
    told = list[str]()
    with pytest.raises(Trouble, match="took longer"):
        learn_now(LESSON, CONTENTS, lambda: told.append("slow"))
    assert told == ["slow"]


async def test_memory_and_processor_time_have_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "signalbox.training.bounded"
    monkeypatch.setattr(run, "COMMAND", (sys.executable, "-m", module, str(12 * 2**20), "300"))
    with pytest.raises(Trouble, match="memory"):
        await learn(LESSON, {SOURCE: lines(scored(500)).encode(), OTHER: b""})
    monkeypatch.setattr(run, "COMMAND", (sys.executable, "-c", ENDLESS, str(2**30), "1"))
    with pytest.raises(Trouble, match="processor time"):
        await learn(LESSON, CONTENTS)


async def test_what_cannot_begin_or_says_nonsense_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "COMMAND", ("/no/such/program",))
    with pytest.raises(Trouble, match="cannot be started"):
        await learn(LESSON, CONTENTS)
    monkeypatch.setattr(run, "COMMAND", (sys.executable, "-c", "raise SystemExit('a word')"))
    lesson = msgspec.structs.replace(LESSON, sources=(SOURCE,))
    with pytest.raises(Trouble, match="ended with 1: a word"):
        await learn(lesson, CONTENTS)
    with pytest.raises(Trouble, match="not shown") as caught:
        await learn(LESSON, CONTENTS)
    assert "a word" not in str(caught.value)


async def test_cancelled_it_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[asyncio.subprocess.Process]()
    create = asyncio.create_subprocess_exec

    async def noted(*command: str, **options: int) -> asyncio.subprocess.Process:
        made.append(await create(*command, **options))
        return made[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    monkeypatch.setattr(run, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    task = asyncio.create_task(learn(LESSON, CONTENTS))
    while not made:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert made[0].returncode is not None
