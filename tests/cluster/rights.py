"""The operator's rights: exactly those that the chart gives, and a comparison of them with what was used."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cluster import helm, kubeconfig
from cluster.api import Object
from cluster.running import Cluster

TEMPLATES = ("serviceaccount", "rbac", "webhook")
ANY = "any-namespace"


class Right(NamedTuple):
    """One verb on one resource, such as ``pods/log``; with a ``name``, on that object only."""

    group: str
    resource: str
    verb: str
    name: str = ""


def give(cluster: Cluster, namespace: str, directory: Path) -> Path:
    """Make the operator's account with the chart's rules for one namespace, and what these name; a kubeconfig."""
    for each in rendered(namespace):
        cluster.api.apply(each)
    account = account_of(namespace)
    token = cluster.api.token(account, namespace)
    assert cluster.ca, "the API server of an existing cluster has an authority of its own"
    return kubeconfig.write(directory / f"{account}.kubeconfig", cluster.server, cluster.ca, account, token=token)


def take(cluster: Cluster, namespace: str) -> None:
    """Remove what would outlive the namespace."""
    for each in rendered(namespace):
        if "namespace" not in each["metadata"]:
            cluster.api.delete(each["apiVersion"], each["kind"], each["metadata"]["name"])


def account_of(namespace: str) -> str:
    """The name of all that ``give`` makes."""
    return f"{namespace}-signalbox"


def user_of(namespace: str) -> str:
    """As the audit log names it."""
    return f"system:serviceaccount:{namespace}:{account_of(namespace)}"


def rendered(namespace: str) -> list[Object]:
    """Account, roles, bindings and webhook of a release that is named like its namespace, and serves it alone."""
    return helm.parsed(_text().replace(ANY, namespace))


@cache
def _text() -> str:
    """Of a release named ``ANY``: nearly every test wants one, and Helm takes a good part of a second."""
    only = [f"--show-only=templates/{name}.yaml" for name in TEMPLATES]
    return helm.helm(None, "template", ANY, helm.CHART, "--namespace", ANY, f"--set=namespaces={{{ANY}}}", *only).stdout


def granted(manifests: Iterable[Object]) -> set[Right]:
    """All that the roles among some manifests allow."""
    return {
        Right(group, resource, verb, name)
        for each in manifests
        if each["kind"] in {"Role", "ClusterRole"}
        for rule in each["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def used(events: Sequence[Object]) -> set[Right]:
    """What an audit log shows as done, once with the object's name and once without."""
    found = set()
    for event in events:
        ref = event.get("objectRef", {})
        if event["responseStatus"].get("code") == 403 or "resource" not in ref:
            continue
        resource = "/".join(part for part in (ref["resource"], ref.get("subresource")) if part)
        verbs = {event["verb"]} | ({"create"} if event["responseStatus"].get("code") == 201 else set())  # by apply
        for verb in verbs:
            for name in {"", ref.get("name", "")}:
                found.add(Right(ref.get("apiGroup", ""), resource, verb, name))
    return found


def refused(events: Sequence[Object]) -> set[str]:
    """What an audit log shows as forbidden."""
    return {f"{each['verb']} {each['requestURI']}" for each in events if each["responseStatus"].get("code") == 403}
