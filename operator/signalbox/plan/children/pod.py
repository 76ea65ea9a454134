"""The pod of a router: restricted, with configuration and secrets as mounted files.

Nothing of the configuration is in the template, so that no edit of a policy restarts a pod: the files change under it.
"""

from collections.abc import Mapping
from typing import Any

from signalbox.api.deployment import Deployment, PodTemplate, Resources
from signalbox.plan.children import control
from signalbox.plan.children.names import (
    ADMIN_PORT,
    CONFIG_DIRECTORY,
    PORT,
    SECRETS_DIRECTORY,
    SERVING_CERTIFICATE,
    SERVING_KEY,
    TLS_DIRECTORY,
    USER,
)
from signalbox.plan.children.settings import OperatorSettings
from signalbox.plan.children.strategic import merge
from signalbox.routing.config import Chain, RouterConfig

CONTAINER = "router"
# Of several containers, the one whose logs are meant.
_DEFAULT_CONTAINER = {"kubectl.kubernetes.io/default-container": CONTAINER}
# Beyond the longest time-out of a request: readiness fails first, and the endpoints must hear of it.
EXTRA_GRACE_SECONDS = 15
LONGEST_GRACE_SECONDS = 3600
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
REQUESTS = {"requests": {"cpu": "100m", "memory": "128Mi"}}


def pod_template(name: str, grace: int, settings: OperatorSettings, deployment: Deployment) -> dict[str, Any]:
    """The template as Signalbox makes it, its labels left out; ``grace`` is how many seconds a pod may take to end."""
    options = [
        ("--config-dir", CONFIG_DIRECTORY),
        ("--secrets-dir", SECRETS_DIRECTORY),
        ("--listen", f"0.0.0.0:{PORT}"),
        ("--admin", f"0.0.0.0:{ADMIN_PORT}"),
        ("--workers", str(deployment.workers)),
        ("--drain-timeout", str(max(grace - EXTRA_GRACE_SECONDS, 0))),
        *(("--allow-cidr", network) for network in settings.allow_cidrs),
    ]
    if deployment.tls is not None:
        options.append(("--tls-dir", TLS_DIRECTORY))
    arguments = ["router", *(part for option in options for part in option)]
    mounts: list[dict[str, Any]] = [
        {"name": "config", "mountPath": CONFIG_DIRECTORY, "readOnly": True},
        {"name": "secrets", "mountPath": SECRETS_DIRECTORY, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": name}},
        {"name": "secrets", "secret": {"secretName": name}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if deployment.tls is not None:
        mounts.append({"name": "tls", "mountPath": TLS_DIRECTORY, "readOnly": True})
        items = [{"key": SERVING_CERTIFICATE, "path": "tls.crt"}, {"key": SERVING_KEY, "path": "tls.key"}]
        volumes.append({"name": "tls", "secret": {"secretName": name, "items": items}})
    if settings.control is not None:
        arguments += control.arguments(settings.control, CONFIG_DIRECTORY)
        mounts.append(control.mount())
        volumes.append(control.volume())
    container = {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": arguments,
        "ports": [
            {"name": "https" if deployment.tls else "http", "containerPort": PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": ADMIN_PORT, "protocol": "TCP"},
        ],
        "resources": resources_of(deployment.resources),
        "startupProbe": probe("/readyz", period=1, failures=120),
        "readinessProbe": probe("/readyz", period=2, failures=2),
        "livenessProbe": probe("/healthz", period=10, failures=3),
        "securityContext": RESTRICTED,
        "volumeMounts": mounts,
    }
    return {
        "spec": {
            "serviceAccountName": name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": grace,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": volumes,
        }
    }


def customized(made: dict[str, Any], labels: Mapping[str, str], template: PodTemplate | None) -> dict[str, Any]:
    """The template with its labels and with what the policy changes. Raises ``PatchError``."""
    metadata = template.metadata if template else None
    spec = template.spec if template else None
    return {
        "metadata": {
            "labels": {**((metadata.labels if metadata else None) or {}), **labels},
            "annotations": {**_DEFAULT_CONTAINER, **((metadata.annotations if metadata else None) or {})},
        },
        "spec": merge(made["spec"], spec or {}),
    }


def resources_of(resources: Resources | None) -> dict[str, Any]:
    """As a container has them."""
    return REQUESTS if resources is None else resources.model_dump(mode="json", by_alias=True, exclude_none=True)


def grace_seconds(config: RouterConfig) -> int:
    """How long a pod may take to end: the longest request or chain, with its classifier, and some more; an hour at
    most."""
    chains = (strategy for policy in config.policies for strategy in (route.strategy for route in policy.routes))
    asked = (each.timeout_ms for policy in config.policies for each in policy.classifiers)
    longest = max(
        (
            *(backend.timeouts.request_ms for backend in config.backends),
            *(chain.limits.timeout_ms for chain in chains if isinstance(chain, Chain)),
        ),
        default=0,
    ) + max(asked, default=0)
    return min(-(-longest // 1000) + EXTRA_GRACE_SECONDS, LONGEST_GRACE_SECONDS)


def probe(path: str, *, period: int, failures: int, port: int | str = "metrics") -> dict[str, Any]:
    """A question to the admin port."""
    get = {"path": path, "port": port, "scheme": "HTTP"}
    return {"httpGet": get, "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 2}
