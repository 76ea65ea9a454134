"""The last valid specs of a router's policies and backends, as its ConfigMap keeps them.

So an invalid edit takes nothing away, also from an operator that starts after it was made. They are compressed: the
configuration needs the room.
"""

import base64
import binascii
import gzip
import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

POLICIES_KEY = "policies.json"
BACKENDS_KEY = "backends.json"
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of each text before it is compressed; somebody may have written another."""

_COMPRESSED = ".gz"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One valid spec, as it was written. The uid tells an object from a later one of its name."""

    uid: str
    generation: int
    spec: dict[str, Any]


def record_of(obj: Mapping[str, Any]) -> Record:
    """What is to be kept of an object as the API server holds it."""
    metadata = obj["metadata"]
    return Record(uid=metadata["uid"], generation=metadata.get("generation", 0), spec=obj["spec"])


def remembered(records: Mapping[str, Mapping[str, Record]], room: int) -> dict[str, str]:
    """The ``binaryData`` that remembers ``records``, which are by key and name. Equal records give equal data.

    Where they do not fit into ``room`` bytes, or are far too many, the largest are left out: better than nothing.
    """
    data = {key: _compressed(each) for key, each in records.items()}
    if sum(map(len, data.values())) > room or any(len(encode(each)) > MAX_BYTES for each in records.values()):
        data = {key: _compressed(_smallest(each, room // len(records))) for key, each in records.items()}
    return {f"{key}{_COMPRESSED}": base64.b64encode(content).decode() for key, content in data.items()}


def kept(config_map: Mapping[str, Any], key: str) -> dict[str, Record]:
    """The records in a ConfigMap by name; none where nobody can read them. They were plain text once."""
    compressed = (config_map.get("binaryData") or {}).get(f"{key}{_COMPRESSED}")
    if compressed is None:
        return decode((config_map.get("data") or {}).get(key, ""))
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        text = stream.decompress(base64.b64decode(compressed), MAX_BYTES)
    except (binascii.Error, ValueError, zlib.error):
        return {}
    return decode(text) if stream.eof else {}


def encode(records: Mapping[str, Record]) -> bytes:
    """Records by name, as JSON; equal records give equal text."""
    return msgspec.json.encode(records, order="sorted")


def decode(text: bytes | str) -> dict[str, Record]:
    """Records by name; none where the text is not what ``encode`` makes."""
    try:
        return msgspec.json.decode(text, type=dict[str, Record])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _compressed(records: Mapping[str, Record]) -> bytes:
    return gzip.compress(encode(records), mtime=0)


def _smallest(records: Mapping[str, Record], room: int) -> dict[str, Record]:
    """As many as have room even if they cannot be compressed at all."""
    taken, left = dict[str, Record](), room - room // 100
    for size, name in sorted((len(encode({name: record})), name) for name, record in records.items()):
        left -= size
        if left < 0:
            break
        taken[name] = records[name]
    return taken
