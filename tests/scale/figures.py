"""What processes use, and what was asked of the API server."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cluster.api import Object

TICKS = os.sysconf("SC_CLK_TCK")
WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def megabytes(pid: int, field: str = "VmRSS") -> float:
    """Resident memory now, or with ``VmHWM`` at its peak."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


class Requests:
    """Those of one user, from the audit log; each call of ``news`` reads what came since the last one."""

    def __init__(self, log: Path, user: str) -> None:
        self._log, self._user, self._offset = log, user, 0

    def news(self) -> Counter[tuple[str, str]]:
        """Requests by verb and resource, Leases apart from the rest."""
        return Counter((event["verb"], _resource(event)) for event in self._events())

    def _events(self) -> Iterator[Object]:
        with self._log.open() as file:
            file.seek(self._offset)
            while line := file.readline():
                if not line.endswith("\n"):
                    break
                self._offset += len(line.encode())
                event = json.loads(line)
                if event["user"].get("username") == self._user and event["stage"] != "ResponseStarted":
                    yield event


def _resource(event: Object) -> str:
    reference = event.get("objectRef") or {}
    part = reference.get("subresource")
    return f"{reference.get('resource', 'other')}{f'/{part}' if part else ''}"


def writes(requests: Counter[tuple[str, str]]) -> Counter[str]:
    """The writes among requests, by resource, without those of the Lease."""
    found: Counter[str] = Counter()
    for (verb, resource), count in requests.items():
        if verb in WRITES and resource != "leases":
            found[f"{verb} {resource}"] += count
    return found
