"""The operator is killed after every single write, one by one: what is there in the end is what an operator leaves that
was never disturbed, and then it rests."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from crashing import Run, Scene
from cutting import Cut, CuttingProxy
from ending import kopf_ended
from snapshot import Snapshot

from cluster.build import Say
from cluster.namespaces import create_namespace, delete_namespace
from cluster.running import Cluster

AT_ONCE = 6
PROCESSES = 3
STRIDE = 12  # of the short test; it begins elsewhere for each kind of cut


@pytest.fixture
async def proxy(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CuttingProxy]:
    made = CuttingProxy(cluster)
    await made.start()
    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig(tmp_path / "kubeconfig")))
    yield made
    await made.stop()
    await kopf_ended()


async def struck(
    cluster: Cluster, proxy: CuttingProxy, expected: list[Snapshot], cut: Cut, *, process: bool = False
) -> Run:
    namespace = await asyncio.to_thread(create_namespace, cluster)
    try:
        return await Scene(cluster, proxy, namespace, cut, process=process).compared(expected)
    finally:
        await asyncio.to_thread(delete_namespace, cluster, namespace)


async def every(cluster: Cluster, proxy: CuttingProxy, namespace: str, say: Say, stride: int) -> None:
    """Strike at each write, or at each ``stride``-th: the operator dies, or lives on without the answer. At a few of
    them it is a process that dies."""
    undisturbed = Cut()
    expected = await Scene(cluster, proxy, namespace, undisturbed).undisturbed()
    count = len(undisturbed.writes)
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(at: int, lives: bool, process: bool) -> Run:
        async with limit:
            return await struck(cluster, proxy, expected, Cut(at, lives), process=process)

    points = [(at, lives, False) for lives in (False, True) for at in range(1 + lives * stride // 2, count + 1, stride)]
    points += [(at, False, True) for at in range(2, count, count // PROCESSES)]
    runs = dict(zip(points, await asyncio.gather(*(one(*point) for point in points)), strict=True))
    reached = sum(run.struck for run in runs.values())
    wrong = {point: run for point, run in runs.items() if run.differences or run.later}
    say(f"of {count} writes {reached} points were struck; {len(wrong)} ended in another state\n")
    assert not wrong
    assert reached >= 0.9 * len(points), "the scenario has become shorter: too few points were reached"


async def test_some_writes(cluster: Cluster, proxy: CuttingProxy, namespace: str, say: Say) -> None:
    await every(cluster, proxy, namespace, say, STRIDE)


@pytest.mark.long
async def test_all_writes(cluster: Cluster, proxy: CuttingProxy, namespace: str, say: Say) -> None:
    await every(cluster, proxy, namespace, say, 1)
