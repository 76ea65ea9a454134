"""The mutating webhook: pods that opt in get a router beside them.

Every replica answers, from what it has seen and without asking anybody: pods of other people wait for it.
"""

import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from signalbox.api import RoutingPolicy
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Object
from signalbox.kube.resources import POLICIES
from signalbox.plan.children import OperatorSettings
from signalbox.plan.outlines import router_name
from signalbox.plan.sidecars.admission import NoReview, allowed, pod_of
from signalbox.plan.sidecars.injection import INJECT, PlannedSidecar, injection, warnings

PATH = "/mutate-pods"

_log = logging.getLogger(__name__)


class Webhook:
    """``store`` holds the policies; ``settings`` are asked for each time."""

    def __init__(self, store: Store, settings: Callable[[], OperatorSettings]) -> None:
        self._store, self._settings = store, settings

    async def handle(self, request: web.Request) -> web.Response:
        """Answer the API server. Whoever else asks learns nothing that is not public in the cluster."""
        try:
            return web.json_response(self.review(await request.json()))
        except (ValueError, NoReview) as error:
            return web.json_response({"error": str(error)}, status=400)

    def review(self, review: Any) -> Object:
        """The answer to an AdmissionReview. Raises ``NoReview``."""
        namespace, pod = pod_of(review)
        name = ((pod.get("metadata") or {}).get("labels") or {}).get(INJECT)
        if not name:
            return allowed(review, [])
        sidecar, why = self._sidecar(namespace, str(name))
        if sidecar is None:
            return allowed(review, [], [f"no router is added to this pod: {why}"])
        patch = injection(pod, sidecar, self._settings())
        return allowed(review, patch, warnings(pod, patch))

    def _sidecar(self, namespace: str, name: str) -> tuple[PlannedSidecar | None, str]:
        """What the label asks for, or why there is none."""
        obj = self._store.get(POLICIES, namespace, name)
        if obj is None:
            return None, f"its label {INJECT} names RoutingPolicy {name}, which does not exist in this namespace"
        try:
            policy = RoutingPolicy.model_validate({key: value for key, value in obj.items() if key != "status"})
        except ValidationError:
            return None, f"RoutingPolicy {name} is not valid: see its conditions"
        if policy.spec.sidecar is None:
            return (
                None,
                f"RoutingPolicy {name} has a Deployment: call that, or write router: {{sidecar: {{}}}}",
            )
        return PlannedSidecar(name=router_name(policy), port=policy.spec.sidecar.port), ""
