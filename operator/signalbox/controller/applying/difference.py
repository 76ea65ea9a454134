"""Whether an object already is what a manifest says: only then is nothing written."""

from collections.abc import Mapping, Sequence
from typing import Any

from signalbox.controller.applying.ownership import Fields, fields_of, item_of, keyed, surplus
from signalbox.controller.applying.quantity import amount

MANAGER = "signalbox"
QUANTITIES = frozenset({"limits", "requests", "sizeLimit", "divisor"})
"""Fields with amounts, or maps of amounts."""


def holds(live: Any, wanted: Any) -> bool:
    """Whether ``live`` is what is wanted; what the API server or somebody else has added beside it is no matter.

    What we own there and no longer want makes a difference. What an object says under ``data`` must be all of it: a key
    too many there is a credential that should be gone.
    """
    fields = fields_of(live, MANAGER) or {}
    return _has(live, wanted, fields) and not surplus(fields, wanted)


def _has(live: Any, wanted: Any, fields: Fields, name: str = "") -> bool:
    """Whether ``live`` has all that is wanted. ``fields`` tells which lists others may add to; all else is whole."""
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return False
        for key, value in wanted.items():
            if key == "data":
                if (live.get(key) or {}) != value:
                    return False
            elif key in live:
                below = fields.get(f"f:{key}", {})
                if not _has(live[key], value, below, name if name in QUANTITIES else key):
                    return False
            elif value not in ({}, []):
                return False
        return True
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        if not isinstance(live, Sequence) or isinstance(live, str):
            return False
        if keyed(fields):
            return _has_items(live, wanted, fields)
        return len(live) == len(wanted) and all(_has(one, other, {}) for one, other in zip(live, wanted, strict=True))
    if name in QUANTITIES and live != wanted:
        return amount(live) is not None and amount(live) == amount(wanted)
    return bool(live == wanted)


def _has_items(live: Sequence[Any], wanted: Sequence[Any], fields: Fields) -> bool:
    """Every item that is wanted, in the order in which it is wanted. The others' may stand between."""
    places: dict[int, int] = {}
    for key, below in keyed(fields).items():
        mine, theirs = item_of(wanted, key), item_of(live, key)
        if mine is not None and theirs is not None and _has(live[theirs], wanted[mine], below):
            places[mine] = theirs
    order = [places[position] for position in sorted(places)]
    return len(places) == len(wanted) and order == sorted(order)


def applied(live: Mapping[str, Any], manager: str = MANAGER) -> bool:
    """Whether a manager has applied the object, so that what it no longer wants will go."""
    return fields_of(live, manager) is not None


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


def only_applied(live: Mapping[str, Any], manager: str = MANAGER) -> list[dict[str, Any]]:
    """The managed fields without what a manager has updated beside what it has applied."""
    entries = live["metadata"].get("managedFields") or ()
    return [dict(entry) for entry in entries if (entry.get("manager"), entry.get("operation")) != (manager, "Update")]


def replica_owners(live: Mapping[str, Any]) -> set[str]:
    """Who says how many replicas there are: a scaler, a person, or the first number that we gave."""
    return {
        str(entry.get("manager"))
        for entry in live["metadata"].get("managedFields") or ()
        if entry.get("subresource") != "status" and "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    }
