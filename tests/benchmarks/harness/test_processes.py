"""Starting processes."""

import os
from pathlib import Path

import pytest

from benchmarks.harness import processes
from benchmarks.harness.errors import BenchError


def test_who_does_not_listen_in_time_is_told_with_the_time_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "START_SECONDS", 0.1)
    (port,) = processes.free_ports(1)
    command = ["sleep", "60"]
    with (
        pytest.raises(BenchError, match=r"did not listen on port \d+ .* had a core for 0\.\d s"),
        processes.running(command, frozenset(os.sched_getaffinity(0)), tmp_path / "log", [port]),
    ):
        pass
