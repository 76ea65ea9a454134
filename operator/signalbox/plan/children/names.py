"""What a router's children, and those who look for them, must agree on: names, labels, ports, addresses."""

from signalbox.plan.routers import PlannedRouter

CONFIG_HASH = "signalbox.dev/config-hash"
# Applied once, when a Deployment is made, under another manager: from then on whoever scales owns the field.
FIRST_REPLICAS = 2

CONFIG_FILE = "config.json"
PORT = 8080
ADMIN_PORT = 9090
CONFIG_DIRECTORY = "/etc/signalbox/config"
SECRETS_DIRECTORY = "/etc/signalbox/secrets"
TLS_DIRECTORY = "/etc/signalbox/tls"
USER = 65532
LABEL_CHARACTERS = 63  # of a value, by the rules of Kubernetes; names of what was learned may be longer

SERVING_CERTIFICATE = "serving.certificate"
SERVING_KEY = "serving.key"
"""Entries of the composed Secret that the configuration does not name: the router has them from a directory."""


def labels_of(router: str) -> dict[str, str]:
    """The labels of all children of a router."""
    return {
        "app.kubernetes.io/name": "signalbox-router",
        "app.kubernetes.io/instance": router[:LABEL_CHARACTERS],
        "app.kubernetes.io/component": "router",
        "app.kubernetes.io/part-of": "signalbox",
        "app.kubernetes.io/managed-by": "signalbox",
    }


def selector_of(router: str) -> dict[str, str]:
    """The labels by which the pods of a router are found."""
    labels = labels_of(router)
    return {key: labels[key] for key in ("app.kubernetes.io/name", "app.kubernetes.io/instance")}


def address(router: PlannedRouter, namespace: str) -> dict[str, str]:
    """Where clients find it: base URL and what answers there."""
    if router.sidecar is not None:
        return {"type": "Sidecar", "url": f"http://127.0.0.1:{router.sidecar}/v1"}
    deployment = router.deployment
    scheme = "https" if deployment.tls else "http"
    url = f"{scheme}://{router.config.name}.{namespace}.svc:{deployment.service.port}/v1"
    return {"type": "Service", "url": url}
