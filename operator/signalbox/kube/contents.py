"""What a Secret or ConfigMap holds."""

import base64

from signalbox.kube.client import Object
from signalbox.kube.resources import SECRETS, Resource


def values(resource: Resource, obj: Object) -> dict[str, bytes]:
    """Every value by its key."""
    data = obj.get("data") or {}
    if resource is SECRETS:
        return {key: base64.b64decode(value) for key, value in data.items()}
    binary = {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}
    return binary | {key: value.encode() for key, value in data.items()}
