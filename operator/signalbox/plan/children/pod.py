"""The pod of a router: restricted, with configuration and secrets as mounted files.

Nothing of the configuration is in the template, so that no edit of a policy restarts a pod: the files change under it.
"""

from typing import Any

from signalbox.api.routingpolicy import Deployment
from signalbox.plan.children import control
from signalbox.plan.children.settings import OperatorSettings
from signalbox.plan.compile import PlannedRouter

PORT = 8080
ADMIN_PORT = 9090
CONFIG_DIRECTORY = "/etc/signalbox/config"
SECRETS_DIRECTORY = "/etc/signalbox/secrets"
# Beyond the longest time-out of a request: readiness fails first, and the endpoints must hear of it.
EXTRA_GRACE_SECONDS = 15
LONGEST_GRACE_SECONDS = 3600
USER = 65532


def pod_template(router: PlannedRouter, settings: OperatorSettings, deployment: Deployment) -> dict[str, Any]:
    """The template, its metadata left out."""
    name = router.config.name
    grace = grace_seconds(router)
    options = [
        ("--config-dir", CONFIG_DIRECTORY),
        ("--secrets-dir", SECRETS_DIRECTORY),
        ("--listen", f"0.0.0.0:{PORT}"),
        ("--admin", f"0.0.0.0:{ADMIN_PORT}"),
        ("--workers", str(deployment.workers)),
        ("--drain-timeout", str(grace - EXTRA_GRACE_SECONDS)),
        *(("--allow-cidr", network) for network in settings.allow_cidrs),
    ]
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
    if settings.control is not None:
        arguments += control.arguments(settings.control, CONFIG_DIRECTORY)
        mounts.append(control.mount())
        volumes.append(control.volume())
    container = {
        "name": "router",
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "args": arguments,
        "ports": [
            {"name": "http", "containerPort": PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": ADMIN_PORT, "protocol": "TCP"},
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "startupProbe": _probe("/readyz", period=1, failures=120),
        "readinessProbe": _probe("/readyz", period=2, failures=2),
        "livenessProbe": _probe("/healthz", period=10, failures=3),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
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


def grace_seconds(router: PlannedRouter) -> int:
    """How long a pod may take to end: the longest request, and some more; an hour at most."""
    longest = max((backend.timeouts.request_ms for backend in router.config.backends), default=0)
    return min(-(-longest // 1000) + EXTRA_GRACE_SECONDS, LONGEST_GRACE_SECONDS)


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    get = {"path": path, "port": "metrics", "scheme": "HTTP"}
    return {"httpGet": get, "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 2}
