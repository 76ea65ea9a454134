"""The answer to an AdmissionReview: always "allowed", with a patch or a warning."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

Operation = Mapping[str, Any]


class NoReview(Exception):  # noqa: N818 - what was sent
    """What was sent is no AdmissionReview of a pod."""


def pod_of(review: Any) -> tuple[str, dict[str, Any]]:
    """The namespace and the pod in question. Raises ``NoReview``.

    A pod that is made by a controller has no namespace of its own yet; the request has it.
    """
    try:
        request = review["request"]
        namespace, pod = request["namespace"], request["object"]
        well_formed = isinstance(request["uid"], str) and pod["kind"] == "Pod" and isinstance(pod["spec"], dict)
    except (KeyError, TypeError, IndexError):
        well_formed = False
    if not well_formed:
        raise NoReview("no AdmissionReview of a pod")
    return namespace, pod


def allowed(review: Mapping[str, Any], patch: Sequence[Operation], warnings: Sequence[str] = ()) -> dict[str, Any]:
    """A pod is never refused: without its router it fails where a person looks for it, and nothing else is held up."""
    response: dict[str, Any] = {"uid": review["request"]["uid"], "allowed": True}
    if patch:
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(list(patch)).encode()).decode()}
    if warnings:
        response["warnings"] = list(warnings)
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
