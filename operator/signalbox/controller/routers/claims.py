"""What a token says of itself. It proves nothing before the API server has looked at it, but most of what a stranger
sends need not be shown to it."""

import base64
import json
import math
from typing import Any, NamedTuple

from signalbox.control.peers import Refused
from signalbox.plan.children.control import AUDIENCE


class Claims(NamedTuple):
    """The pod that a token says it was made for, and when it ends in seconds since the epoch."""

    namespace: str
    pod: str
    uid: str
    expires: float


def read(token: str, now: float) -> Claims:
    """Raises ``Refused``."""
    claims = _payload(token)
    audiences = claims.get("aud")
    if AUDIENCE not in (audiences if isinstance(audiences, list) else [audiences]):
        raise Refused(401, f"the token does not say that it is for {AUDIENCE}")
    expires = _number(claims.get("exp"))
    if not expires > now:
        raise Refused(401, "the token does not say that it is still good")
    bound = claims.get("kubernetes.io")
    pod = bound.get("pod") if isinstance(bound, dict) else None
    if not isinstance(bound, dict) or not isinstance(pod, dict):
        raise Refused(403, "the token is not bound to a pod")
    found = Claims(_text(bound.get("namespace")), _text(pod.get("name")), _text(pod.get("uid")), expires)
    if not all(found[:3]):
        raise Refused(403, "the token does not say to which pod it is bound")
    return found


def _payload(token: str) -> dict[str, Any]:
    try:
        _, payload, _ = token.encode("ascii").split(b".")
        claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise Refused(401, "what came is no token of a ServiceAccount")
    return claims


def _number(value: Any) -> float:
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.nan


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
