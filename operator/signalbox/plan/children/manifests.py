"""All manifests of a router, in the order in which they are applied."""

import base64
from collections.abc import Mapping
from typing import Any

from signalbox.api import RoutingPolicy
from signalbox.plan.children import control
from signalbox.plan.children.names import CONFIG_HASH, SERVICE_PORT, labels_of, selector_of
from signalbox.plan.children.owners import owners
from signalbox.plan.children.pod import ADMIN_PORT, PORT, grace_seconds, pod_template
from signalbox.plan.children.release import OPTIONS, RELEASE, options, release
from signalbox.plan.children.settings import OperatorSettings
from signalbox.plan.compile import PlannedRouter
from signalbox.routing.config import content_hash, encode

Manifest = dict[str, Any]

# Applied once, when a Deployment is made, under another manager: from then on whoever scales owns the field.
FIRST_REPLICAS = 2


def children(
    router: PlannedRouter,
    policies: Mapping[str, RoutingPolicy],
    secrets: Mapping[str, bytes],
    settings: OperatorSettings,
    replicas: int | None,
    last_good: Mapping[str, str] | None = None,
) -> list[Manifest]:
    """Manifests in the order in which they are to be applied, all complete but for the number of replicas.

    ``policies`` are the router's members by name; ``secrets`` the content of every entry that the configuration names;
    ``replicas`` the number in force, where there is a Deployment; ``last_good`` is what the ConfigMap is to remember.
    """
    members = [policies[name] for name in router.members]
    namespace = members[0].metadata.namespace
    name = router.config.name
    config = encode(router.config)
    data = {"config.json": config.decode()}
    if settings.control is not None:
        data[control.AUTHORITIES] = settings.control.ca
    labels, selector = labels_of(name), selector_of(name)

    def manifest(api_version: str, kind: str, annotations: Mapping[str, str] | None = None, **rest: Any) -> Manifest:
        metadata: Manifest = {"name": name, "namespace": namespace, "labels": labels}
        if annotations:
            metadata["annotations"] = dict(annotations)
        metadata["ownerReferences"] = owners(members)
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}

    deployment = members[0].spec.deployment_in_force
    template = pod_template(router, settings, deployment)
    template["metadata"] = {"labels": labels}
    found = [
        manifest("v1", "ServiceAccount", automountServiceAccountToken=False),
        manifest(
            "v1",
            "Secret",
            type="Opaque",
            data={entry: base64.b64encode(value).decode() for entry, value in sorted(secrets.items())},
        ),
        manifest("v1", "ConfigMap", {CONFIG_HASH: content_hash(config)}, data={**data, **(last_good or {})}),
        manifest(
            "apps/v1",
            "Deployment",
            {
                RELEASE: release(settings),
                OPTIONS: options(deployment.model_dump(mode="json", by_alias=True), grace_seconds(router)),
            },
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
