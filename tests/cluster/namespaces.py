"""Namespaces, one for each test: what tests leave behind does not meet the next test."""

import secrets
import time
from contextlib import suppress

from cluster.api import ApiError
from cluster.errors import ClusterError
from cluster.running import Cluster

READY_SECONDS = 30.0


def create_namespace(cluster: Cluster, **labels: str) -> str:
    """A new namespace, in which pods can be made where there are controllers; its name."""
    name = f"test-{secrets.token_hex(5)}"
    cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    if cluster.controllers:
        deadline = time.monotonic() + READY_SECONDS
        while not has_account(cluster, name):
            if time.monotonic() > deadline:
                raise ClusterError(f"namespace {name} has no ServiceAccount after {READY_SECONDS:.0f} s")
            time.sleep(0.01)
    return name


def has_account(cluster: Cluster, namespace: str) -> bool:
    """Whether a controller has made the ServiceAccount that pods need."""
    try:
        cluster.api.get("v1", "ServiceAccount", "default", namespace)
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return True


def delete_namespace(cluster: Cluster, name: str) -> None:
    """Delete a namespace without waiting for it: its contents go in the background."""
    with suppress(ApiError):
        cluster.api.delete("v1", "Namespace", name)
