"""Whether an object already is what a manifest says: only then is nothing written."""

from collections.abc import Mapping, Sequence
from typing import Any

MANAGER = "signalbox"


def holds(live: Any, wanted: Any) -> bool:
    """Whether ``live`` has all that is wanted; what the API server or somebody else has added beside it is no matter.

    Lists must have the same length. What an object says under ``data`` must be all of it: a key too many there is a
    credential that should be gone.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return False
        for key, value in wanted.items():
            if key == "data":
                if (live.get(key) or {}) != value:
                    return False
            elif not (key in live and holds(live[key], value)) and value not in ({}, []):
                return False
        return True
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        same = isinstance(live, Sequence) and len(live) == len(wanted)
        return same and all(holds(one, other) for one, other in zip(live, wanted, strict=True))
    return bool(live == wanted)


def applied(live: Mapping[str, Any], manager: str = MANAGER) -> bool:
    """Whether a manager has applied the object, so that what it no longer wants will go."""
    return any(
        entry.get("manager") == manager and entry.get("operation") == "Apply"
        for entry in live["metadata"].get("managedFields") or ()
    )


def handed_over(live: Mapping[str, Any], manager: str = MANAGER) -> list[dict[str, Any]]:
    """The managed fields with what a manager has created or updated as if it had applied it.

    Its next apply then takes away what it no longer wants, defaults that the server added to the POST included: those
    are set again, but belong to nobody. (Without any managed fields, the server would give them to
    "before-first-apply", for ever.)
    """
    entries = [dict(entry) for entry in live["metadata"].get("managedFields") or ()]
    for entry in entries:
        if entry.get("manager") == manager and entry.get("operation") == "Update" and not entry.get("subresource"):
            entry["operation"] = "Apply"
    return entries


def replica_owners(live: Mapping[str, Any]) -> set[str]:
    """Who says how many replicas there are: a scaler, a person, or the first number that we gave."""
    return {
        str(entry.get("manager"))
        for entry in live["metadata"].get("managedFields") or ()
        if entry.get("subresource") != "status" and "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    }
