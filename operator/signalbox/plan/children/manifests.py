"""All manifests of a router, in the order in which they are applied."""

import base64
from collections.abc import Mapping
from typing import Any

from signalbox.api.deployment import Deployment
from signalbox.plan.children import control
from signalbox.plan.children.mounted import CONFIG_MAP_BYTES, as_file
from signalbox.plan.children.names import ADMIN_PORT, CONFIG_FILE, CONFIG_HASH, PORT, labels_of, selector_of
from signalbox.plan.children.owners import owners
from signalbox.plan.children.pod import customized, grace_seconds, pod_template
from signalbox.plan.children.release import OPTIONS, RELEASE, options, release
from signalbox.plan.children.settings import OperatorSettings
from signalbox.plan.lastgood import Record, remembered
from signalbox.plan.outlines import PolicyOutline
from signalbox.plan.routers import PlannedRouter
from signalbox.routing.config import content_hash, encode

Manifest = dict[str, Any]


def children(
    router: PlannedRouter,
    policies: Mapping[str, PolicyOutline],
    secrets: Mapping[str, bytes],
    settings: OperatorSettings,
    replicas: int | None,
    last_good: Mapping[str, Mapping[str, Record]] | None = None,
) -> list[Manifest]:
    """Manifests in the order in which they are to be applied, all complete but for a number of replicas that is not
    ours to say.

    ``policies`` are the outlines of the router's members by name; ``secrets`` the content of every entry that the
    configuration names; ``replicas`` the number in force, where there is a Deployment; ``last_good`` is what the
    ConfigMap is to remember, by key and name. A sidecar has its configuration and nothing else: the rest is in the pods
    of its clients.
    """
    members = [policies[name] for name in router.members]
    name = router.config.name
    common: Manifest = {
        "name": name,
        "namespace": members[0].namespace,
        "labels": labels_of(name),
        "ownerReferences": owners(members),
    }
    data = {CONFIG_FILE: as_file(router.config).decode()}
    if settings.control is not None:
        data[control.AUTHORITIES] = settings.control.ca
    room = CONFIG_MAP_BYTES - sum(len(text.encode()) for text in data.values())
    rest = {"binaryData": remembered(last_good, room)} if last_good else {}
    named = {CONFIG_HASH: content_hash(encode(router.config))}
    files = [
        _manifest(
            "v1",
            "Secret",
            common,
            type="Opaque",
            data={entry: base64.b64encode(value).decode() for entry, value in sorted(secrets.items())},
        ),
        _manifest("v1", "ConfigMap", common | {"annotations": named}, data=data, **rest),
    ]
    if router.sidecar is not None:
        return files
    deployment = router.deployment
    grace = grace_seconds(router.config)
    template = pod_template(name, grace, settings, deployment)
    chosen = deployment.model_dump(mode="json", by_alias=True, exclude={"group", "service"})
    notes = {RELEASE: release(settings), OPTIONS: options(chosen, grace)}
    found = [
        _manifest("v1", "ServiceAccount", common, automountServiceAccountToken=False),
        *files,
        _manifest(
            "apps/v1", "Deployment", common | {"annotations": notes}, spec=_deployment(name, deployment, template)
        ),
        _service(common, deployment),
    ]
    in_force = replicas if deployment.replicas is None else deployment.replicas
    if in_force is None or in_force > 1:
        found.append(_manifest("policy/v1", "PodDisruptionBudget", common, spec=_budget(name)))
    return found


def _manifest(api_version: str, kind: str, metadata: Manifest, **rest: Any) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def _deployment(name: str, deployment: Deployment, template: dict[str, Any]) -> dict[str, Any]:
    return {
        **({} if deployment.replicas is None else {"replicas": deployment.replicas}),
        "selector": {"matchLabels": selector_of(name)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
        "template": customized(template, labels_of(name), deployment.pod_template),
    }


def _service(common: Manifest, deployment: Deployment) -> Manifest:
    service = deployment.service
    port_name = "https" if deployment.tls else "http"
    ports = [{"name": port_name, "port": service.port, "targetPort": PORT, "protocol": "TCP"}]
    if service.type == "ClusterIP" and service.port != ADMIN_PORT:
        ports.append({"name": "metrics", "port": ADMIN_PORT, "targetPort": ADMIN_PORT, "protocol": "TCP"})
    metadata = common | {"labels": {**(service.labels or {}), **common["labels"]}}
    if service.annotations:
        metadata["annotations"] = dict(service.annotations)
    spec = {"type": service.type, "selector": selector_of(common["name"]), "ports": ports}
    return _manifest("v1", "Service", metadata, spec=spec)


def _budget(name: str) -> dict[str, Any]:
    return {
        "maxUnavailable": 1,
        "selector": {"matchLabels": selector_of(name)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
