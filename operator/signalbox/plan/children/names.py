"""Names that a router's children share: labels, annotations, ports, and where clients find it."""

CONFIG_HASH = "signalbox.dev/config-hash"
SERVICE_PORT = 8080


def labels_of(router: str) -> dict[str, str]:
    """The labels of all children of a router."""
    return {
        "app.kubernetes.io/name": "signalbox-router",
        "app.kubernetes.io/instance": router,
        "app.kubernetes.io/component": "router",
        "app.kubernetes.io/part-of": "signalbox",
        "app.kubernetes.io/managed-by": "signalbox",
    }


def selector_of(router: str) -> dict[str, str]:
    """The labels by which the pods of a router are found."""
    labels = labels_of(router)
    return {key: labels[key] for key in ("app.kubernetes.io/name", "app.kubernetes.io/instance")}


def address(router: str, namespace: str) -> str:
    """Base URL for clients inside the cluster."""
    return f"http://{router}.{namespace}.svc:{SERVICE_PORT}/v1"
