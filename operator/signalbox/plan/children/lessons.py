"""The ConfigMap that keeps what was learned: whoever leads next, or starts anew, need not learn it again."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from signalbox.plan.children.manifests import Manifest
from signalbox.plan.children.names import labels_of
from signalbox.plan.children.owners import owners
from signalbox.plan.learned import Kept, Record
from signalbox.plan.outlines import PolicyOutline

LESSON: Final = "signalbox.dev/lesson"
RECORD: Final = "signalbox.dev/learned"
MODEL: Final = "model"


def lesson_name(policy: str, key: str) -> str:
    """The name of the ConfigMap. Names of classifiers and routes need not be names of objects."""
    return f"{policy}-learned-{hashlib.sha256(key.encode()).hexdigest()[:10]}"


def lesson_manifest(policy: PolicyOutline, key: str, record: Record, model: bytes) -> Manifest:
    """It goes with its policy. The model can be taken out of it and given elsewhere as a finished one."""
    name = lesson_name(policy.name, key)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": policy.namespace,
            "labels": labels_of(name),
            "annotations": {LESSON: key, RECORD: msgspec.json.encode(record).decode()},
            "ownerReferences": owners([policy]),
        },
        **({"binaryData": {MODEL: base64.b64encode(model).decode()}} if model else {}),
    }


def kept_lesson(config_map: Mapping[str, Any]) -> Kept:
    """What such a ConfigMap keeps; nothing, where nobody can read it."""
    notes = config_map["metadata"].get("annotations") or {}
    try:
        record = msgspec.json.decode(notes.get(RECORD, ""), type=Record)
        model = base64.b64decode((config_map.get("binaryData") or {}).get(MODEL, ""), validate=True)
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        return Kept()
    return Kept(record, model).sound
