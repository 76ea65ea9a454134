"""What is learned when: once for each state of a lesson, in turn, and again only after what may pass."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import msgspec
import pytest

from signalbox.api.deployment import Deployment
from signalbox.controller.learning import learner as module
from signalbox.controller.learning.kept import KeptLessons
from signalbox.controller.learning.learner import FIRST_DELAY, Due, Learner
from signalbox.kube.client import Client
from signalbox.plan.contents import fact
from signalbox.plan.learned import Figures, Record, Standing
from signalbox.plan.lessons import Kind, Lesson, Source
from signalbox.plan.outlines import PolicyOutline
from signalbox.plan.references import References
from signalbox.training.run import Done, Refused, Trouble

SOURCE = Source("ConfigMap", "past", "a")


class Server:
    """Holds one ConfigMap."""

    content = b"text"

    async def get(self, *_: object) -> Any:
        return {"binaryData": {"a": base64.b64encode(self.content).decode()}}


class Kept:
    """What was written, by key."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}

    def due(self, policy: PolicyOutline, before: Standing) -> bool:
        return msgspec.structs.replace(before, record=self.records.get(before.lesson.key, Record())).due

    async def write(self, policy: PolicyOutline, key: str, record: Record, model: bytes) -> None:
        self.records[key] = record


class World:
    """A learner, and a training that ends when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kept, self.now, self.changed, self.begun = Kept(), 0.0, list[str](), list[str]()
        self.server = Server()
        self.result: Done | Refused | Trouble = Done(b"model", Figures(examples=3))
        self.let = asyncio.Event()
        self.given_up = 0
        kept, client = cast(KeptLessons, self.kept), cast(Client, self.server)
        self.learner = Learner(client, kept, self.changed.append, lambda: self.now)
        monkeypatch.setattr(module, "learn", self._learn)
        monkeypatch.setattr(module, "BEHIND_SECONDS", 0.0)

    async def _learn(self, lesson: Lesson, contents: Any) -> Done | Refused:
        self.begun.append(lesson.key)
        if lesson.kind != "finished":
            try:
                await self.let.wait()
            except asyncio.CancelledError:
                self.given_up += 1
                raise
        if isinstance(self.result, Trouble):
            raise self.result
        return self.result

    def due(self, *names: str, namespace: str = "n", content: bytes = b"text", kind: Kind = "classifier") -> list[Due]:
        """Of policies of these names, a lesson each."""
        return [_due(namespace, name, content, kind) for name in names]

    def want(self, due: Iterable[Due], namespace: str = "n") -> None:
        self.learner.want(namespace, due)


def _due(namespace: str, name: str, content: bytes, kind: Kind) -> Due:
    lesson = Lesson(key=f"{name}/classifier/c", kind=kind, path="x", sources=(SOURCE,), labels=("a", "b"))
    outline = PolicyOutline(
        name=name,
        namespace=namespace,
        uid=name,
        created=None,
        models=(),
        router=name,
        deployment=Deployment(),
        sidecar=None,
        targets=(),
        references=References(),
    )
    wanted = lesson.digest({SOURCE: fact("ConfigMap", content).digest})
    return Due(outline, Standing(lesson=lesson, wanted=wanted))


async def idle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    made = World(monkeypatch)
    running = asyncio.create_task(made.learner.run())
    yield made
    running.cancel()
    await asyncio.wait({running})


async def test_each_state_is_learned_once_however_often_it_is_wanted(world: World) -> None:
    world.want(world.due("p"))
    await idle()
    world.want(world.due("p"))
    world.let.set()
    await idle()
    world.want(world.due("p"))  # by a reconcile that had begun before
    await idle()
    assert world.begun == ["p/classifier/c"]
    assert world.kept.records["p/classifier/c"].figures.examples == 3


async def test_one_at_a_time_and_namespaces_take_turns(world: World) -> None:
    world.want(world.due("a", "b"))
    world.want(world.due("c", namespace="m"), "m")
    await idle()
    assert world.begun == ["a/classifier/c"]
    world.let.set()
    await idle()
    assert world.begun == ["a/classifier/c", "c/classifier/c", "b/classifier/c"]


async def test_a_finished_model_does_not_wait_for_a_training(world: World) -> None:
    world.want(world.due("a"))
    await idle()
    world.want(world.due("b", namespace="m", kind="finished"), "m")
    await idle()
    assert list(world.kept.records) == ["b/classifier/c"]


async def test_what_is_not_due_any_more_is_given_up(world: World) -> None:
    world.want(world.due("p"))
    await idle()
    world.server.content = b"other"
    world.want(world.due("p", content=b"other"))
    await idle()
    assert (world.begun, world.given_up) == (["p/classifier/c"] * 2, 1)
    world.want([])
    await idle()
    assert (world.given_up, world.kept.records) == (2, {})


async def test_what_has_changed_meanwhile_is_left_to_the_next_reconcile(world: World) -> None:
    world.want(world.due("p", content=b"before"))
    await idle()
    assert (world.begun, world.changed) == ([], ["n"])


async def test_what_may_pass_is_said_and_tried_again_later(world: World) -> None:
    world.result = Trouble("no memory")
    world.let.set()
    (one,) = world.due("p")
    world.want([one])
    await idle()
    assert world.changed == ["n"]
    assert world.learner.troubled("n", one.standing).trouble == "no memory"
    world.want([one])
    await idle()
    assert len(world.begun) == 1
    world.now += FIRST_DELAY
    world.want([one])
    await idle()
    assert len(world.begun) == 2
    world.now += FIRST_DELAY
    world.want([one])
    await idle()
    assert len(world.begun) == 2  # the second pause is longer
    world.now += FIRST_DELAY
    world.result = Done(b"model", Figures())
    world.want([one])
    await idle()
    assert world.kept.records
    assert world.learner.troubled("n", one.standing).trouble == ""


async def test_a_refusal_is_kept_with_its_words(world: World) -> None:
    world.result = Refused(("line 3 is bad", "line 4, too"))
    world.let.set()
    world.want(world.due("p"))
    await idle()
    failed = world.kept.records["p/classifier/c"].failed
    assert failed is not None
    assert failed.message == "line 3 is bad; line 4, too"


async def test_of_a_long_mistake_a_log_has_no_more_than_a_status(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    world.result = Refused(("line 3: label: " + "x" * 100_000,))
    world.let.set()
    world.want(world.due("p"))
    await idle()
    (said,) = [record.getMessage() for record in caplog.records if "nothing can be learned" in record.getMessage()]
    assert "line 3" in said
    assert len(said) < 2000
