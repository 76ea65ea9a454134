"""What decides about a router's pods, noted at its Deployment: the operator's part and the user's.

By these an upgrade of the operator, which concerns every router, is told from what a user changes at one of them.
"""

import hashlib
from typing import Any

import msgspec

from signalbox.plan.children.settings import OperatorSettings

RELEASE = "signalbox.dev/release"
OPTIONS = "signalbox.dev/options"


def release(settings: OperatorSettings) -> str:
    """Names all that the operator itself puts into a pod template; authorities are no part of it, they are files."""
    control = settings.control.url if settings.control else ""
    return _digest((settings.image, settings.image_pull_policy, control, settings.allow_cidrs))


def options(*parts: Any) -> str:
    """Names what users decide about a pod template."""
    return _digest(parts)


def _digest(parts: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:16]
