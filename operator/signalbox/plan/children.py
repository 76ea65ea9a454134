"""What the cluster is to hold for each router: manifests, made from the plan alone."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from signalbox.api import RoutingPolicy
from signalbox.api.meta import API_VERSION
from signalbox.plan.compile import PlannedRouter
from signalbox.plan.pod import ADMIN_PORT, PORT, pod_template
from signalbox.routing.config import content_hash, encode

Manifest = dict[str, Any]

CONFIG_HASH = "signalbox.dev/config-hash"
SERVICE_PORT = 8080
# Applied once, when a Deployment is made, under another manager: from then on whoever scales owns the field.
FIRST_REPLICAS = 2


class OperatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator itself adds to the children."""

    image: str
    image_pull_policy: str = "IfNotPresent"


def children(
    router: PlannedRouter,
    policies: Mapping[str, RoutingPolicy],
    secrets: Mapping[str, bytes],
    settings: OperatorSettings,
    replicas: int | None,
) -> list[Manifest]:
    """Manifests in the order in which they are to be applied, all complete but for the number of replicas.

    ``policies`` are the router's members by name; ``secrets`` the content of every entry that the configuration names;
    ``replicas`` the number in force, where there is a Deployment.
    """
    members = [policies[name] for name in router.members]
    namespace = members[0].metadata.namespace
    name = router.config.name
    config = encode(router.config)
    labels = labels_of(name)
    selector = {key: labels[key] for key in ("app.kubernetes.io/name", "app.kubernetes.io/instance")}

    def manifest(api_version: str, kind: str, annotations: Mapping[str, str] | None = None, **rest: Any) -> Manifest:
        metadata: Manifest = {"name": name, "namespace": namespace, "labels": labels}
        if annotations:
            metadata["annotations"] = dict(annotations)
        metadata["ownerReferences"] = _owners(members)
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}

    template = pod_template(router, settings.image, settings.image_pull_policy, members[0].spec.deployment_in_force)
    template["metadata"] = {"labels": labels}
    found = [
        manifest("v1", "ServiceAccount", automountServiceAccountToken=False),
        manifest(
            "v1",
            "Secret",
            type="Opaque",
            data={entry: base64.b64encode(value).decode() for entry, value in sorted(secrets.items())},
        ),
        manifest("v1", "ConfigMap", {CONFIG_HASH: content_hash(config)}, data={"config.json": config.decode()}),
        manifest(
            "apps/v1",
            "Deployment",
            spec={
                "selector": {"matchLabels": selector},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
                "template": template,
            },
        ),
        manifest(
            "v1",
            "Service",
            spec={
                "type": "ClusterIP",
                "selector": selector,
                "ports": [
                    {"name": "http", "port": SERVICE_PORT, "targetPort": PORT, "protocol": "TCP"},
                    {"name": "metrics", "port": ADMIN_PORT, "targetPort": ADMIN_PORT, "protocol": "TCP"},
                ],
            },
        ),
    ]
    if replicas != 1:
        budget = {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }
        found.append(manifest("policy/v1", "PodDisruptionBudget", spec=budget))
    return found


def labels_of(router: str) -> dict[str, str]:
    """The labels of all children of a router."""
    return {
        "app.kubernetes.io/name": "signalbox-router",
        "app.kubernetes.io/instance": router,
        "app.kubernetes.io/component": "router",
        "app.kubernetes.io/part-of": "signalbox",
        "app.kubernetes.io/managed-by": "signalbox",
    }


def address(router: str, namespace: str) -> str:
    """Base URL for clients inside the cluster."""
    return f"http://{router}.{namespace}.svc:{SERVICE_PORT}/v1"


def _owners(members: Sequence[RoutingPolicy]) -> list[Manifest]:
    """Every member owns the children, the eldest is the controller: they go when the last member goes."""
    return [
        {
            "apiVersion": API_VERSION,
            "kind": "RoutingPolicy",
            "name": policy.metadata.name,
            "uid": policy.metadata.uid,
            **({"controller": True} if position == 0 else {}),
        }
        for position, policy in enumerate(members)
    ]
