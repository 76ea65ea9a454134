"""The last valid specs of a router's policies and backends, as its ConfigMap keeps them.

So an invalid edit takes nothing away, also from an operator that starts after it was made.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

POLICIES_KEY = "policies.json"
BACKENDS_KEY = "backends.json"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One valid spec, as it was written. The uid tells an object from a later one of its name."""

    uid: str
    generation: int
    spec: dict[str, Any]


def record_of(obj: Mapping[str, Any]) -> Record:
    """What is to be kept of an object as the API server holds it."""
    metadata = obj["metadata"]
    return Record(uid=metadata["uid"], generation=metadata.get("generation", 0), spec=obj["spec"])


def encode(records: Mapping[str, Record]) -> str:
    """Records by name, as text; equal records give equal text."""
    return msgspec.json.encode(records, order="sorted").decode()


def decode(text: str) -> dict[str, Record]:
    """Records by name; none where the text is not what ``encode`` makes."""
    try:
        return msgspec.json.decode(text, type=dict[str, Record])
    except msgspec.MsgspecError:
        return {}
