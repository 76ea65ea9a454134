"""The router inside a client's pod: a JSON patch for the pod as the API server shows it to a webhook.

The router is the first init container, with ``restartPolicy: Always``: it serves before any other container begins, and
until the last has ended. What is there already is left as it is, so that a second call changes nothing. Of the policy
only the name is in the pod: what it says arrives through mounted files.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from signalbox.plan.children import control
from signalbox.plan.children.names import CONFIG_DIRECTORY, SECRETS_DIRECTORY, USER
from signalbox.plan.children.pod import REQUESTS, RESTRICTED, probe
from signalbox.plan.children.settings import OperatorSettings

INJECT = "signalbox.dev/inject"
"""Label of a pod: the name of its policy."""
CONTAINER = "signalbox-router"
PROBE_PORT = 15090
BASE_URL = "OPENAI_BASE_URL"
DRAIN_SECONDS = 15
"""The clients are in the pod and have ended before it: little can be left to wait for."""

Operation = dict[str, Any]
Pod = Mapping[str, Any]


class PlannedSidecar(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` is that of the ConfigMap and the Secret, ``port`` where the pod's containers find the router."""

    name: str
    port: int


def injection(pod: Pod, sidecar: PlannedSidecar | None, settings: OperatorSettings) -> list[Operation]:
    """The patch (RFC 6902); empty where nothing is to be done, as without a ``sidecar``."""
    if sidecar is None:
        return []
    spec = pod.get("spec") or {}
    return [
        *_container(spec, _router(sidecar, settings)),
        *_added(spec, "volumes", _volumes(sidecar, settings)),
        *_environment(spec, {"name": BASE_URL, "value": f"http://127.0.0.1:{sidecar.port}/v1"}),
    ]


def warnings(pod: Pod, patch: Iterable[Operation]) -> list[str]:
    """What whoever makes the pod should know: what ``envFrom`` sets cannot be seen here, and the patch hides it."""
    containers = (pod.get("spec") or {}).get("containers") or []
    return [
        f"container {container.get('name')}: {BASE_URL} leads to the router now, also where envFrom sets it; "
        "to keep another, set it in env"
        for position, container in enumerate(containers)
        if container.get("envFrom")
        and any(each["path"].startswith(f"/spec/containers/{position}/env") for each in patch)
    ]


def is_injected(pod: Pod, image: str) -> bool:
    """Whether a pod has our label and our container, of this release or another. Annotations prove nothing: anybody
    can write them.
    """
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return bool(labels.get(INJECT)) and any(
        container.get("name") == CONTAINER
        and repository(str(container.get("image"))) == repository(image)
        and container.get("restartPolicy") == "Always"
        for container in (pod.get("spec") or {}).get("initContainers") or ()
    )


def repository(image: str) -> str:
    """The name of an image without tag and digest."""
    name = image.partition("@")[0]
    head, _, last = name.rpartition("/")
    last = last.partition(":")[0]
    return f"{head}/{last}" if head else last


def _container(spec: Pod, router: Operation) -> Iterator[Operation]:
    """First of all, unless it is there; another one of its name is not the router and gives way."""
    there = spec.get("initContainers") or []
    for position, container in enumerate(there):
        if container.get("name") == CONTAINER:
            if not _has(container, router):
                yield {"op": "replace", "path": f"/spec/initContainers/{position}", "value": router}
            return
    if there:
        yield {"op": "add", "path": "/spec/initContainers/0", "value": router}
    else:
        yield {"op": "add", "path": "/spec/initContainers", "value": [router]}


def _has(container: Pod, router: Operation) -> bool:
    """Whether it is the router; the API server and other webhooks may have added to it."""
    return all(container.get(field) == router[field] for field in ("image", "args", "restartPolicy"))


def _added(spec: Pod, field: str, wanted: list[Operation]) -> Iterator[Operation]:
    there = {item.get("name"): position for position, item in enumerate(spec.get(field) or ())}
    if not there:
        yield {"op": "add", "path": f"/spec/{field}", "value": wanted}
        return
    for item in wanted:
        position = there.get(item["name"])
        if position is None:
            yield {"op": "add", "path": f"/spec/{field}/-", "value": item}
        elif not _within(item, spec[field][position]):
            yield {"op": "replace", "path": f"/spec/{field}/{position}", "value": item}


def _within(wanted: Any, there: Any) -> bool:
    """Whether all that is wanted is there, beside what the API server fills in."""
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(_within(value, there.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(there, list) and len(wanted) == len(there) and all(map(_within, wanted, there))
    return bool(wanted == there)


def _environment(spec: Pod, variable: Operation) -> Iterator[Operation]:
    """Where a container does not say itself where its models are."""
    for position, container in enumerate(spec.get("containers") or ()):
        there = container.get("env") or []
        if any(each.get("name") == variable["name"] for each in there):
            continue
        path = f"/spec/containers/{position}/env"
        if there:
            yield {"op": "add", "path": f"{path}/-", "value": variable}
        else:
            yield {"op": "add", "path": path, "value": [variable]}


def _volumes(sidecar: PlannedSidecar, settings: OperatorSettings) -> list[Operation]:
    """Optional, so that the pod is not held up: the router waits by itself for what is not there yet."""
    found: list[Operation] = [
        {"name": _own("config"), "configMap": {"name": sidecar.name, "optional": True}},
        {"name": _own("secrets"), "secret": {"secretName": sidecar.name, "optional": True}},
        {"name": _own("tmp"), "emptyDir": {}},
    ]
    if settings.control is not None:
        token = control.volume()
        found.append(token | {"name": _own(token["name"])})
    return found


def _router(sidecar: PlannedSidecar, settings: OperatorSettings) -> Operation:
    options = [
        ("--config-dir", CONFIG_DIRECTORY),
        ("--secrets-dir", SECRETS_DIRECTORY),
        ("--listen", f"127.0.0.1:{sidecar.port}"),
        ("--admin", f"0.0.0.0:{PROBE_PORT}"),
        ("--grace", "0"),
        ("--drain-timeout", str(DRAIN_SECONDS)),
        *(("--allow-cidr", network) for network in settings.allow_cidrs),
    ]
    arguments = ["router", *(part for option in options for part in option)]
    mounts: list[Operation] = [
        {"name": _own("config"), "mountPath": CONFIG_DIRECTORY, "readOnly": True},
        {"name": _own("secrets"), "mountPath": SECRETS_DIRECTORY, "readOnly": True},
        {"name": _own("tmp"), "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
    ]
    if settings.control is not None:
        arguments += control.arguments(settings.control, CONFIG_DIRECTORY)
        mount = control.mount()
        mounts.append(mount | {"name": _own(mount["name"])})
    return {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "restartPolicy": "Always",
        "args": arguments,
        "ports": [{"name": "sb-probes", "containerPort": PROBE_PORT, "protocol": "TCP"}],
        "resources": REQUESTS,
        "startupProbe": probe("/readyz", period=1, failures=120, port=PROBE_PORT),
        "readinessProbe": probe("/readyz", period=2, failures=2, port=PROBE_PORT),
        "securityContext": {
            **RESTRICTED,
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": mounts,
    }


def _own(name: str) -> str:
    """A name that no volume of the client's has."""
    return f"signalbox-{name}"
