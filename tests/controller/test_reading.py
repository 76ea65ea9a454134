"""What is read and compiled once is not read again until it changes."""

import asyncio

import pytest
from world import backend, policy

from signalbox.controller.reconciling.reader import RECENT, Reader
from signalbox.controller.reconciling.together import Steps, all_of, in_turn
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Object
from signalbox.kube.resources import BACKENDS, POLICIES, Resource


class Filled:
    """A store with objects as the API server has them."""

    def __init__(self) -> None:
        self.store = Store(lambda *_: None)
        self._version = 0

    def put(self, resource: Resource, obj: Object, generation: int = 1) -> None:
        self._version += 1
        metadata = {
            "namespace": "n",
            "uid": obj["metadata"]["name"],
            "resourceVersion": str(self._version),
            "generation": generation,
        }
        self.store.changed(resource, "MODIFIED", obj | {"metadata": obj["metadata"] | metadata})


@pytest.fixture
def filled() -> Filled:
    made = Filled()
    made.put(BACKENDS, backend())
    made.put(POLICIES, policy())
    return made


async def test_a_status_is_no_new_generation(filled: Filled) -> None:
    reader = Reader(filled.store, Steps())
    before = (await reader.resources("n")).policies["chat"]
    filled.put(POLICIES, policy() | {"status": {"observedGeneration": 1}})
    after = (await reader.resources("n")).policies["chat"]
    assert (after.outline, after.version) == (before.outline, before.version)
    assert after.outline is before.outline
    filled.put(POLICIES, policy(model="other"), generation=2)
    changed = (await reader.resources("n")).policies["chat"]
    assert changed.outline.models == ("other",)
    assert changed.version != before.version
    assert (before.read().spec.models, changed.read().spec.models) == (["auto"], ["other"])


async def test_what_is_wrong_is_said_each_time(filled: Filled) -> None:
    reader = Reader(filled.store, Steps())
    filled.put(BACKENDS, backend("bad", basePath="/v1"))
    first, second = await reader.resources("n"), await reader.resources("n")
    assert set(second.backends) == {"a"}
    assert [problem.name for problem in second.problems] == ["bad"]
    assert first.problems == second.problems


async def test_what_is_gone_is_forgotten(filled: Filled) -> None:
    reader = Reader(filled.store, Steps())
    await reader.resources("n")
    for resource, name in ((POLICIES, "chat"), (BACKENDS, "a")):
        obj = filled.store.get(resource, "n", name)
        assert obj is not None
        filled.store.changed(resource, "DELETED", obj)
    seen = await reader.resources("n")
    assert not seen.policies
    assert not seen.backends
    assert not reader._known


async def test_of_very_many_most_are_read_again_when_they_are_needed(filled: Filled) -> None:
    names = [f"b{number}" for number in range(RECENT + 5)]
    for name in names:
        filled.put(BACKENDS, backend(name))
    reader = Reader(filled.store, Steps())
    seen = await reader.resources("n")
    assert len(reader._recent) == RECENT
    assert all(seen.backends[name].read().metadata.name == name for name in names)
    assert "chat" not in {model.metadata.name for model in reader._recent.values()}
    assert seen.policies["chat"].read().metadata.name == "chat"


async def test_one_that_fails_leaves_nothing_running() -> None:
    done: list[int] = []

    async def work(number: int) -> int:
        if number == 0:
            raise ValueError
        await asyncio.sleep(0)
        done.append(number)
        return number

    assert await all_of([work(1), work(2)]) == [1, 2]
    done.clear()
    with pytest.raises(ValueError):
        await all_of([work(0), work(1), work(2)])
    assert done == [1, 2]


async def test_of_very_many_only_some_are_there_at_a_time() -> None:
    begun, done, most = 0, 0, 0

    async def work(number: int) -> int:
        nonlocal begun, done, most
        begun += 1
        most = max(most, begun - done)
        await asyncio.sleep(0)
        done += 1
        if number == 3:
            raise ValueError
        return number

    assert await in_turn((work(number) for number in (0, 1, 2)), 2) == [0, 1, 2]
    with pytest.raises(ValueError):
        await in_turn((work(number) for number in range(10)), 2)
    assert (begun, done, most) == (13, 13, 2)


async def test_of_all_work_in_steps_one_step_is_done_between_two_turns_of_everything_else() -> None:
    steps, done, most = Steps(), 0, 0

    async def work() -> None:
        nonlocal done
        for _ in range(10):
            done += 1
            await steps.next()

    async def everything_else() -> None:
        nonlocal most
        while done < 50:
            before = done
            await asyncio.sleep(0)
            most = max(most, done - before)

    workers = [asyncio.create_task(work()) for _ in range(5)]
    await asyncio.sleep(0)  # each begins with a step
    await everything_else()
    await asyncio.gather(*workers)
    assert most == 1
