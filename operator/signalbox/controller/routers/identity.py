"""Which router a token proves: asked of the API server at every step, and nothing taken on trust.

The token says which pod it was made for. What that pod may have follows from the objects that made it: its Deployment,
which must be one of our children, or its own injected container. Annotations and names that anybody may give to a pod
prove nothing.
"""

import time
from collections.abc import Callable
from typing import Any

from signalbox.control.peers import Peer, Refused, Router
from signalbox.controller.applying.apply import is_ours
from signalbox.controller.routers.claims import read
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import CONFIG_MAPS, DEPLOYMENTS, PODS, REPLICA_SETS, TOKEN_REVIEWS, Resource
from signalbox.plan.children.control import AUDIENCE
from signalbox.plan.sidecars.injection import INJECT, is_injected

_ACCOUNT = "system:serviceaccount:"
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"

# The router that serves a sidecar policy, by namespace and policy.
SidecarOf = Callable[[str, str], str | None]


class PodIdentity:
    """``children`` are the objects that we made; ``image`` is that of our routers."""

    def __init__(self, client: Client, children: Store, image: str, sidecar_of: SidecarOf) -> None:
        self._client, self._children, self._image, self._sidecar_of = client, children, image, sidecar_of

    def glance(self, token: str) -> None:
        """See ``control.server.Identity``."""
        self._at_home(read(token, time.time()).namespace)

    async def identify(self, token: str) -> Peer:
        """See ``control.server.Identity``."""
        try:
            review = await self._client.review(TOKEN_REVIEWS, {"token": token, "audiences": [AUDIENCE]})
        except ApiError as error:
            raise Refused(503, f"TokenReview: {error}") from None
        status = review.get("status") or {}
        if not status.get("authenticated") or AUDIENCE not in (status.get("audiences") or ()):
            raise Refused(401, str(status.get("error") or "not authenticated for this audience"))
        user = status.get("user") or {}
        namespace, account = _account(str(user.get("username", "")))
        extra = user.get("extra") or {}
        pod, uid = _only(extra.get(_POD_NAME)), _only(extra.get(_POD_UID))
        return Peer(await self._router(namespace, account, pod, uid), pod, uid, read(token, time.time()).expires)

    async def verify(self, peer: Peer) -> None:
        """See ``control.server.Identity``."""
        if await self._router(peer.router.namespace, None, peer.pod, peer.uid) != peer.router:
            raise Refused(403, "the pod belongs to another router now")

    async def _router(self, namespace: str, account: str | None, name: str, uid: str) -> Router:
        self._at_home(namespace)
        pod = await self._get(PODS, namespace, name, uid)
        running_as = pod["spec"].get("serviceAccountName", "default")
        if account is not None and account != running_as:
            raise Refused(403, f"the token is of ServiceAccount {account}, the pod runs as {running_as}")
        policy = (pod["metadata"].get("labels") or {}).get(INJECT)
        if policy is not None:
            return Router(namespace, self._injected(namespace, policy, pod))
        return Router(namespace, await self._deployed(namespace, running_as, pod))

    def _at_home(self, namespace: str) -> None:
        if not self._children.any(CONFIG_MAPS, namespace):  # and it may be one in which we have no rights
            raise Refused(403, f"no router is in namespace {namespace}")

    def _injected(self, namespace: str, policy: str, pod: Object) -> str:
        if not is_injected(pod, self._image):
            raise Refused(403, "the pod has the label of an injected one, but not our container with our image")
        router = self._sidecar_of(namespace, policy)
        if router is None:
            raise Refused(403, f"RoutingPolicy {policy} has no sidecars here")
        return router

    async def _deployed(self, namespace: str, account: str, pod: Object) -> str:
        owner = _controller(pod, REPLICA_SETS)
        owner = _controller(await self._get(REPLICA_SETS, namespace, *owner), DEPLOYMENTS)
        deployment = self._children.get(DEPLOYMENTS, namespace, owner[0])
        if deployment is None or deployment["metadata"]["uid"] != owner[1] or not is_ours(deployment):
            raise Refused(403, f"Deployment {owner[0]} is not of a router here")
        if account != deployment["spec"]["template"]["spec"].get("serviceAccountName"):
            raise Refused(403, f"ServiceAccount {account} is not the router's")
        return owner[0]

    async def _get(self, resource: Resource, namespace: str, name: str, uid: str) -> Object:
        try:
            live = await self._client.get(resource, namespace, name)
        except ApiError as error:
            raise Refused(503, f"{resource.kind} {name}: {error}") from None
        if live is None or live["metadata"]["uid"] != uid:
            raise Refused(403, f"{resource.kind} {name} is gone")
        return live


def _account(user: str) -> tuple[str, str]:
    namespace, _, name = user.removeprefix(_ACCOUNT).partition(":")
    if not user.startswith(_ACCOUNT) or not namespace or not name:
        raise Refused(403, f"{user} is no ServiceAccount")
    return namespace, name


def _only(values: Any) -> str:
    if not isinstance(values, list) or len(values) != 1 or not values[0]:
        raise Refused(403, "the token is not bound to a pod")
    return str(values[0])


def _controller(obj: Object, kind: Resource) -> tuple[str, str]:
    """Name and uid of the controller, which must be of a kind."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller") and (owner.get("apiVersion"), owner.get("kind")) == (kind.api_version, kind.kind):
            return str(owner["name"]), str(owner["uid"])
    raise Refused(403, f"{obj['metadata']['name']} belongs to no {kind.kind}")
