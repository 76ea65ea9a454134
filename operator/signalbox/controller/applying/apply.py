"""Making children what their manifests say, and never touching what is not ours."""

from collections.abc import Callable
from typing import Any

from signalbox.controller.applying.difference import (
    MANAGER,
    applied,
    handed_over,
    holds,
    only_applied,
    replica_owners,
)
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client, Object
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import BY_KIND, CHILDREN, DEPLOYMENTS, SERVICES, Resource
from signalbox.plan.children import FIRST_REPLICAS, labels_of

REPLICAS_MANAGER = "signalbox-replicas"
HAND_OVER_TRIES = 5
NEW = "signalbox.dev/new"


class NameTaken(Exception):  # noqa: N818 - a state of the cluster
    """An object of a child's name is there and is not ours."""


async def ensure(client: Client, store: Store, manifest: Object) -> bool:
    """Create or correct one child; whether anything had to be written. Raises ``NameTaken`` and ``ApiError``.

    A child is created by POST, which fails where a foreign object has the name. What POST has made is then handed to
    server-side apply: else fields that we no longer want would stay for ever.
    """
    resource = BY_KIND[manifest["kind"]]
    metadata = manifest["metadata"]
    live = store.get(resource, metadata["namespace"], metadata["name"])
    wrote = False
    if live is None or not _made_by_us(live):  # we know by labels, which anybody can write, and take away
        live = await _create(client, manifest)
        wrote = True
    if live.get("immutable"):  # somebody froze it: the API server takes no change of it any more
        await client.delete(resource, metadata["namespace"], metadata["name"], live["metadata"]["uid"])
        live = await _create(client, manifest)
        wrote = True
    if taken := not applied(live):
        await _settle(client, resource, live, handed_over)
        wrote = True
    if resource is DEPLOYMENTS and "replicas" not in manifest["spec"]:
        given = await _give_replicas_away(client, manifest, live)
        live, wrote = given or live, wrote or given is not None
    if taken or NEW in _annotations(live) or not holds(live, manifest):
        live = await _corrected(client, resource, manifest, live)
        wrote = True
    if wrote:
        store.changed(resource, "MODIFIED", live)
    return wrote


async def _create(client: Client, manifest: Object) -> Object:
    """By POST. A Deployment begins with the first number of replicas, not with the server's."""
    resource, metadata = BY_KIND[manifest["kind"]], manifest["metadata"]
    new = _new(manifest)
    if resource is DEPLOYMENTS:
        new["spec"] = {"replicas": FIRST_REPLICAS, **manifest["spec"]}
    try:
        return await client.create(new, MANAGER)
    except ApiError as error:
        if not error.already_exists:
            raise
    live = await client.get(resource, metadata["namespace"], metadata["name"])
    if live is None or not _made_by_us(live):
        kind, name = manifest["kind"], metadata["name"]
        raise NameTaken(f"{kind} {name} exists and is not Signalbox's: delete or rename it")
    return live


async def _give_replicas_away(client: Client, manifest: Object, live: Object) -> Object | None:
    """Where the number of replicas is ours or nobody's but no longer ours to say: under another manager it stays as it
    is, until somebody scales.
    """
    owners = replica_owners(live)
    if owners and MANAGER not in owners:
        return None
    number = live["spec"].get("replicas", FIRST_REPLICAS) if owners else FIRST_REPLICAS
    scale = {key: manifest[key] for key in ("apiVersion", "kind")}
    scale["metadata"] = {key: manifest["metadata"][key] for key in ("name", "namespace")}
    return await client.apply(scale | {"spec": {"replicas": number}}, REPLICAS_MANAGER)


def _new(manifest: Object) -> Object:
    """With a mark that the first apply takes away: while it is there, that apply is still due, whatever happened."""
    return manifest | {"metadata": manifest["metadata"] | {"annotations": _annotations(manifest) | {NEW: "true"}}}


def _annotations(obj: Object) -> Object:
    return obj["metadata"].get("annotations") or {}


async def _settle(
    client: Client, resource: Resource, live: Object, fields: Callable[[Object], list[dict[str, Any]]]
) -> None:
    """Write its managed fields anew. Controllers write into an object at any time: that its version is no longer the
    newest is normal."""
    namespace, name, uid = (live["metadata"][key] for key in ("namespace", "name", "uid"))
    for _ in range(HAND_OVER_TRIES):
        version = live["metadata"]["resourceVersion"]
        change = {"metadata": {"managedFields": fields(live), "resourceVersion": version}}
        try:
            await client.patch(resource, namespace, name, change, MANAGER)
        except ApiError as error:
            newest = await client.get(resource, namespace, name) if error.conflict else None
            if newest is None or newest["metadata"]["uid"] != uid:
                raise
            live = newest
        else:
            return
    raise ApiError(409, "Conflict", f"{resource.kind} {name} is changed all the time")


async def _corrected(client: Client, resource: Resource, manifest: Object, live: Object) -> Object:
    """By apply, which leaves what others have added. Where that cannot be, what they added goes: a key too many among
    a router's files, and a port of its Service that keeps ours from being there.
    """
    if strays := (live.get("data") or {}).keys() - manifest.get("data", {}).keys():
        live = await _patch(client, resource, live, {"data": dict.fromkeys(strays)})
    try:
        return await _apply(client, manifest, live)
    except ApiError as error:
        if resource is not SERVICES or not error.invalid:
            raise
    live = await _patch(client, resource, live, {"spec": {"ports": manifest["spec"]["ports"]}})
    # Else the ports would be ours twice, and the next apply could not take them away.
    await _settle(client, resource, live, only_applied)
    return await _apply(client, manifest, live)


async def _patch(client: Client, resource: Resource, live: Object, change: Object) -> Object:
    """With the uid, so that nothing is done to an object made anew meanwhile."""
    namespace, name, uid = (live["metadata"][key] for key in ("namespace", "name", "uid"))
    return await client.patch(resource, namespace, name, change | {"metadata": {"uid": uid}}, MANAGER)


async def _apply(client: Client, manifest: Object, live: Object) -> Object:
    """With the uid, so that an object made anew meanwhile is not taken over."""
    metadata = manifest["metadata"] | {"uid": live["metadata"]["uid"]}
    return await client.apply(manifest | {"metadata": metadata}, MANAGER)


async def prune(client: Client, store: Store, namespace: str, keep: set[tuple[str, str]]) -> None:
    """Delete our children that are not among ``keep`` (kind and name). Raises ``ApiError``, after having tried all."""
    refused: list[ApiError] = []
    for resource in CHILDREN:
        for name, kept in sorted(store.kept(resource, namespace).items()):
            if (resource.kind, name) not in keep and is_ours(live := kept.object):
                try:
                    await client.delete(resource, namespace, name, kept.uid)
                except ApiError as error:
                    refused.append(error)
                else:
                    store.changed(resource, "DELETED", live)
    if refused:
        raise refused[0]


def _made_by_us(live: Object) -> bool:
    """Also where somebody took away its labels or its owner: nobody else applies as we do."""
    return is_ours(live) or applied(live)


def is_ours(live: Object) -> bool:
    """Whether Signalbox made it: our labels, and a RoutingPolicy as its controller. Labels alone prove nothing."""
    labels = live["metadata"].get("labels") or {}
    wanted = labels_of(live["metadata"]["name"])
    owned = any(
        owner.get("kind") == "RoutingPolicy" and owner.get("apiVersion", "").startswith("signalbox.dev/")
        for owner in live["metadata"].get("ownerReferences") or ()
    )
    return owned and all(labels.get(key) == value for key, value in wanted.items())
