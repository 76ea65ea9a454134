"""The harness keeps its promises: nothing outlives a run, nothing is built twice, a failure says why."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster import cache, golang, programs, workdir
from cluster.build import DNS, KUBERNETES, Progress
from cluster.errors import ClusterError
from cluster.node import product
from cluster.processes import Component, free_ports, wait_until

TESTS = Path(__file__).parents[1]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_a_component_dies_with_a_killed_run(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom cluster.processes import Component\n"
        f"each = Component('sleep', ['sleep', '600'], Path({str(tmp_path / 'sleep.log')!r}))\n"
        "each.start()\ntime.sleep(0.3)\nprint(each.pid, flush=True)\ntime.sleep(600)"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    with run:
        assert run.stdout
        component = int(run.stdout.readline())
        os.kill(component, 0)
        run.kill()
    deadline = time.monotonic() + 10
    while alive(component):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_component_that_ends_is_named_with_what_it_said(tmp_path: Path) -> None:
    component = Component("bad", ["sh", "-c", "echo I1124 fine; echo no such flag; exit 3"], tmp_path / "bad.log")
    component.start()
    with pytest.raises(ClusterError, match=r"not ready: bad ended with status 3\n(.|\n)*no such flag"):
        wait_until("not ready", lambda: False, 10, [component])


def test_a_component_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.processes.STOP_SECONDS", 0.2)
    component = Component("deaf", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"], tmp_path / "l")
    component.start()
    wait_until("not ready", lambda: "ready" in component.tail(), 10, [component])
    component.stop()
    assert component.status == -signal.SIGKILL


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_run_that_was_killed_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(workdir, "SETTLED_SECONDS", 0.0)
    live, killed = workdir.Workdir(), workdir.Workdir()
    (killed.sub("etcd") / "data").touch()
    killed.lock.close()
    workdir.sweep()
    assert [live.path] == list(tmp_path.iterdir())
    (live.sub("logs") / "etcd.log").touch()
    live.remove(keep_logs=True)
    workdir.sweep()
    assert list(tmp_path.rglob("*.log")) == [live.path / "logs" / "etcd.log"]
    monkeypatch.setattr(workdir, "KEPT_SECONDS", 0.0)
    workdir.sweep()
    assert list(tmp_path.iterdir()) == []


def test_what_is_cached_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_CACHE", str(tmp_path))
    made: list[Path] = []

    def make(place: Path) -> None:
        made.append(place)
        place.write_text("it")

    assert cache.made("bin/a-1", make, print) == cache.made("bin/a-1", make, print) == tmp_path / "bin" / "a-1"
    assert len(made) == 1


def test_what_failed_halfway_is_not_taken_for_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_CACHE", str(tmp_path))

    def fail(place: Path) -> None:
        place.write_text("half")
        raise ClusterError("disk full")

    with pytest.raises(ClusterError, match="disk full"):
        cache.made("bin/a-1", fail, print)
    assert cache.made("bin/a-1", lambda place: place.write_text("whole"), print).read_text() == "whole"


def test_only_old_versions_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_CACHE", str(tmp_path))
    for name in ("bin/a-old", "bin/a-recent", "bin/b-old"):
        cache.made(name, lambda place: place.touch(), print)
    for name in ("a-old", "b-old"):
        os.utime(tmp_path / "bin" / name, (0, 0))
    cache.made("bin/a-new", lambda place: place.touch(), print)
    names = {file.name for file in (tmp_path / "bin").iterdir() if not file.name.startswith(".")}
    assert names == {"a-recent", "a-new", "b-old"}


def test_what_a_killed_build_of_the_image_left_goes(tmp_path: Path) -> None:
    for name in (".signalbox-1.new.store", ".signalbox-2.new.store"):
        (tmp_path / name / "root").mkdir(parents=True)
    for name in ("signalbox-1", "signalbox-2", "signalbox-3", "signalbox-4", ".signalbox-1.lock"):
        (tmp_path / name).touch()
    two_hours_ago = time.time() - 7200
    for name in (".signalbox-1.new.store", "signalbox-1", ".signalbox-1.lock"):
        os.utime(tmp_path / name, (two_hours_ago, two_hours_ago))
    product.drop_old(tmp_path / "signalbox-4")
    assert {place.name for place in tmp_path.iterdir()} == {
        *(".signalbox-2.new.store", "signalbox-2", "signalbox-3", "signalbox-4", ".signalbox-1.lock")
    }


def test_versions_of_go() -> None:
    assert golang.numbers("go1.26.8") == (1, 26, 8) > golang.numbers("1.26") > golang.numbers("go1.9.7-custom")
    for module in (KUBERNETES, DNS):
        assert golang.needs(module) <= golang.numbers(golang.PYPI.partition("==")[2])


def test_progress_tells_the_phase() -> None:
    progress = Progress("kubernetes")
    progress.last.append("k8s.io/api/core/v1")
    progress.packages = 7
    assert progress.line().endswith("7 packages compiled  k8s.io/api/core/v1")
    progress.last.append("signalbox.dev/tests/kubernetes")
    assert progress.line().endswith("linking")


def test_assets_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    (tmp_path / "etcd").touch()
    with pytest.raises(ClusterError, match="kube-apiserver not in it"):
        programs.find(print)
    (tmp_path / "kube-apiserver").touch()
    found = programs.find(print)
    assert found["etcd"] == (tmp_path / "etcd",)
    assert "kube-scheduler" not in found
