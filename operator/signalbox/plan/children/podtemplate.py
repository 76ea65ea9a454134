"""What a ``podTemplate`` may not do: take away what makes the pod a router of its policy.

Whether the rest is a pod at all is the API server's to say.
"""

from typing import Any

from signalbox.api import RoutingPolicy
from signalbox.plan.children.names import labels_of
from signalbox.plan.children.pod import CONTAINER, pod_template
from signalbox.plan.children.settings import Control, OperatorSettings
from signalbox.plan.children.strategic import PatchError, merge
from signalbox.plan.outlines import router_name
from signalbox.plan.problems import Problem
from signalbox.plan.routes import KIND, Report

PATH = "spec.router.deployment.podTemplate"
# The rest of the settings are no matter: what is compared is the same on both sides.
_SETTINGS = OperatorSettings(image="image", control=Control(url="url", ca="ca"))
_OURS = ("command", "args")
_API_SERVER = frozenset({"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"})
"""What the cluster tells every container: by it a router refuses to take the API server for a backend."""
_FIX = "leave it out"


def check_template(policy: RoutingPolicy, report: Report) -> None:
    """Report what is wrong with the template of a policy, and with the labels that it gives."""
    deployment = policy.spec.deployment_in_force
    ours = labels_of(router_name(policy))
    template = deployment.pod_template
    metadata = template.metadata if template else None
    for path, labels in (
        (f"{PATH}.metadata.labels", metadata.labels if metadata else None),
        ("spec.router.deployment.service.labels", deployment.service.labels),
    ):
        for key in sorted(ours.keys() & (labels or {}).keys()):
            report(_problem(policy, f'{path}["{key}"]', "is a label of Signalbox's own", "choose another name"))
    if template is None or template.spec is None:
        return
    made = pod_template(router_name(policy), 0, _SETTINGS, deployment)["spec"]
    path = f"{PATH}.spec"
    try:
        merged = merge(made, template.spec, path)
    except PatchError as error:
        report(_problem(policy, error.path, error.message, "see kubectl patch --type=strategic"))
        return
    names = list(_named(template.spec, "containers"))
    container = f"containers[{names.index(CONTAINER)}]" if CONTAINER in names else "containers"
    for where, message in _losses(made, merged, container):
        report(_problem(policy, f"{path}.{where}", message, _FIX))


def _losses(made: dict[str, Any], merged: dict[str, Any], container: str) -> list[tuple[str, str]]:
    """What is no longer as it must be, each as field and message; ``container`` is where the patch speaks of it."""
    (before,), after = made["containers"], _named(merged, "containers").get(CONTAINER)
    if after is None:
        return [(container, f"takes away the container {CONTAINER}, which is the router itself")]
    found = [
        (f"{container}.{field}", "is what makes it a router of this policy")
        for field in _OURS
        if after.get(field) != before.get(field)
    ]
    variables = sorted(_API_SERVER & _named(after, "env").keys())
    found += [(f"{container}.env", f"changes {name}, which it needs") for name in variables]
    if after.get("envFrom"):
        found.append((f"{container}.envFrom", f"may change {', '.join(sorted(_API_SERVER))}, which it needs"))
    mounts = _named(after, "volumeMounts", "mountPath")
    found += [
        (f"{container}.volumeMounts", f"changes {mount['mountPath']}, which it needs")
        for mount in before["volumeMounts"]
        if mounts.get(mount["mountPath"]) != mount
    ]
    volumes = _named(merged, "volumes")
    found += [
        ("volumes", f"changes {volume['name']}, which the router needs")
        for volume in made["volumes"]
        # Where it may write for itself is anybody's choice.
        if volume["name"] != "tmp" and volumes.get(volume["name"]) != volume
    ]
    if merged.get("serviceAccountName") != made["serviceAccountName"]:
        found.append(("serviceAccountName", "is how the operator knows the router"))
    return found


def _named(parent: dict[str, Any], field: str, key: str = "name") -> dict[Any, dict[str, Any]]:
    items = parent.get(field)
    return {item.get(key): item for item in items if isinstance(item, dict)} if isinstance(items, list) else {}


def _problem(policy: RoutingPolicy, path: str, message: str, fix: str) -> Problem:
    return Problem(
        kind=KIND, name=policy.metadata.name, reason="InvalidPodTemplate", path=path, message=message, fix=fix
    )
