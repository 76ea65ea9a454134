"""What is read and compiled once is not read again until it changes."""

import asyncio

import pytest
from world import backend, policy

from signalbox.api import RoutingPolicy
from signalbox.controller.reconciling.decide import RouteMemory
from signalbox.controller.reconciling.observe import Reader
from signalbox.controller.reconciling.together import all_of
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
    reader = Reader(filled.store)
    before = (await reader.resources("n")).policies["chat"]
    filled.put(POLICIES, policy() | {"status": {"observedGeneration": 1}})
    assert (await reader.resources("n")).policies["chat"] is before
    filled.put(POLICIES, policy(model="other"), generation=2)
    assert (await reader.resources("n")).policies["chat"].spec.models == ["other"]


async def test_what_is_wrong_is_said_each_time(filled: Filled) -> None:
    reader = Reader(filled.store)
    filled.put(BACKENDS, backend("bad", basePath="/v1"))
    first, second = await reader.resources("n"), await reader.resources("n")
    assert set(second.backends) == {"a"}
    assert [problem.name for problem in second.problems] == ["bad"]
    assert first.problems == second.problems


async def test_what_is_gone_is_forgotten(filled: Filled) -> None:
    reader = Reader(filled.store)
    await reader.resources("n")
    for resource, name in ((POLICIES, "chat"), (BACKENDS, "a")):
        obj = filled.store.get(resource, "n", name)
        assert obj is not None
        filled.store.changed(resource, "DELETED", obj)
    seen = await reader.resources("n")
    assert not seen.policies
    assert not seen.backends
    assert not reader._known


def test_routes_are_compiled_once() -> None:
    metadata = {"name": "chat", "namespace": "n"}
    one, same = (RoutingPolicy.model_validate(policy() | {"metadata": metadata}) for _ in range(2))
    memory = RouteMemory()
    assert memory.learn(one)
    assert not memory.learn(one)
    assert memory.of(one) is memory.of(one)
    assert memory.of(same) == memory.of(one)
    memory.keep("n", [same])
    assert memory.learn(one)
    memory.keep("n", [])
    assert not memory._known


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
