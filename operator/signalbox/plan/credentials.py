"""Secret entries: what a configuration names, and which object each comes from."""

from collections.abc import Callable, Collection
from typing import Literal

import msgspec

from signalbox.plan.observed import Observed
from signalbox.plan.problems import Problem

Report = Callable[[Problem], None]

_GOOD = {
    "Secret": "put a certificate and its key there, in PEM",
    "ConfigMap": "put the certificates of the authorities there, in PEM",
}
_READABLE = "see why the API server does not let the operator read it; it is tried again"


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the bytes of an entry come from.

    With ``key``, that one value, white space around it cut off; without, the SHA-256 hex digest of every value of the
    Secret, one a line.
    """

    kind: Literal["Secret", "ConfigMap"]
    name: str
    key: str = ""


class Credentials:
    """Finds the entries of one object and reports those that are missing, or no good.

    ``kept`` are the entries that have a last good content. ``still_good`` is told instead of what is no good now, but
    has one, which goes on serving.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        observed: Observed,
        report: Report,
        kept: Collection[str],
        still_good: Report | None = None,
    ) -> None:
        self._kind, self._name, self._observed, self._report, self._kept = kind, name, observed, report, kept
        self._still_good = still_good or report
        self._faulty: set[str] = set()
        self.entries: dict[str, Entry] = {}

    def value(self, entry: str, source: Entry, path: str) -> str | None:
        """The entry's name if its one value exists; else None, with a problem about the field ``path``."""
        objects = self._observed.secrets if source.kind == "Secret" else self._observed.config_maps
        keys = objects.get(source.name)
        if self._unreadable(source):
            return self._last_good(entry, source, path)
        if keys is not None and source.key in keys:
            fault = self._observed.faults.get(f"{source.kind}/{source.name}/{source.key}")
            if fault:
                return self._last_good(entry, source, path, fault)
            self.entries[entry] = source
            return entry
        if keys is None:
            message, fix = f"{source.kind} {source.name} does not exist", f"create it, with the key {source.key}"
        else:
            message = f'{source.kind} {source.name} has no usable key "{source.key}"'
            fix = f"it has: {', '.join(sorted(keys))}" if keys else "it has no usable key at all"
        self._problem(f"{source.kind}{'Key' if keys is not None else ''}NotFound", path, message, fix)
        return None

    def _unreadable(self, source: Entry) -> str:
        return self._observed.faults.get(f"{source.kind}/{source.name}/", "")

    def _last_good(self, entry: str, source: Entry, path: str, fault: str = "") -> str | None:
        """Says, once for a pair, what is wrong; the entry's name if there is a content from before."""
        kept = entry in self._kept
        if path not in self._faulty:
            self._faulty.add(path)
            after = "; the last good one goes on serving" if kept else ""
            reason, fix = ("InvalidCertificate", _GOOD[source.kind]) if fault else ("SourceUnreadable", _READABLE)
            message = f"{source.kind} {source.name}: {fault or self._unreadable(source)}{after}"
            self._problem(reason, path, message, fix, self._still_good if kept else self._report)
        if not kept:
            return None
        self.entries[entry] = source
        return entry

    def digests(self, entry: str, secret: str, path: str) -> str | None:
        """The entry's name if the Secret exists and holds any value; else None, with a problem."""
        keys, source = self._observed.secrets.get(secret), Entry(kind="Secret", name=secret)
        if self._unreadable(source):
            return self._last_good(entry, source, path)
        if keys:
            self.entries[entry] = source
            return entry
        if keys is None:
            self._problem("SecretNotFound", path, f"Secret {secret} does not exist", "create it, one key a value")
        else:
            message = f"Secret {secret} holds no usable key: nobody can call with it"
            self._problem("SecretKeyNotFound", path, message, "give it a value of at least 16 bytes")
        return None

    def _problem(self, reason: str, path: str, message: str, fix: str, report: Report | None = None) -> None:
        problem = Problem(
            kind=self._kind,
            name=self._name,
            reason=reason,
            path=path,
            message=message,
            fix=fix,
            condition="ResolvedRefs",
        )
        (report or self._report)(problem)
