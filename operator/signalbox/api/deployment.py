"""What runs a policy: a Deployment of its own, or a container in the pods of its clients."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from signalbox.api.base import ApiModel
from signalbox.api.rules import Rule, Rules, Schema
from signalbox.api.types import NameRef, Quantity

RFC1035 = "^[a-z]([a-z0-9-]*[a-z0-9])?$"
"""A name that can become the first part of a Service's name."""

DEFAULT_SERVICE_PORT = 8080
DEFAULT_SIDECAR_PORT = 15080

Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)]
Annotations = Annotated[dict[str, Annotated[str, Field(max_length=16384)]], Field(max_length=64)]
_DOMAIN = "[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
_NAME = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
Amounts = Annotated[
    dict[str, Quantity],
    Field(max_length=16),
    Rules(
        Rule(
            "self.all(name, name in ['cpu', 'memory', 'ephemeral-storage'] || name.matches('^hugepages-[0-9]+[KMG]i$')"
            f" || (!name.startsWith('requests.') && name.matches('^{_DOMAIN}/{_NAME}$')))",
            "names what is no compute resource of a container: write cpu, memory, ephemeral-storage, hugepages-2Mi, or "
            "another one with its domain, such as nvidia.com/gpu",
        )
    ),
]
"""Of compute resources, by the names that the API server takes for a container."""


class Resources(ApiModel):
    """Compute resources of the router's container."""

    requests: Amounts | None = None
    """What the scheduler keeps free for it, such as cpu: 500m and memory: 256Mi."""
    limits: Amounts | None = None
    """What it may not exceed. A limit of CPU makes the slowest requests slower."""


class ServiceOptions(ApiModel):
    """The Service in front of the routers."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """How it is reached. The metrics port is there with ClusterIP only, so that nothing outside reaches it."""
    port: Annotated[int, Field(ge=1, le=65535)] = DEFAULT_SERVICE_PORT
    """Port for clients."""
    annotations: Annotations | None = None
    """Annotations of the Service, such as those that a cloud's load balancer reads."""
    labels: Labels | None = None
    """Labels of the Service, beside Signalbox's own."""


class ServingTls(ApiModel):
    """HTTPS for clients."""

    secret_ref: NameRef
    """A Secret of type kubernetes.io/tls with certificate and key. A new one is in force without a restart, within two
    minutes; one that is no good is not used."""


class _Free:
    """Fields that this API does not know: the schema keeps them all."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler(source)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


PodSpec = Annotated[dict[str, Any], _Free]
"""A pod spec, or a part of one. The API server knows its fields, and says what is wrong with them."""


class PodMetadata(ApiModel):
    """Labels and annotations of the routers' pods."""

    labels: Labels | None = None
    """Labels of the pods, beside Signalbox's own."""
    annotations: Annotations | None = None
    """Annotations of the pods."""


class PodTemplate(ApiModel):
    """Changes to the routers' pods, merged strategically into the template that Signalbox makes."""

    metadata: PodMetadata | None = None
    """Labels and annotations."""
    spec: PodSpec | None = None
    """A part of a pod spec, merged as kubectl patch does: maps by field, containers, volumes and env by name,
    volumeMounts by mountPath, ports by containerPort; other lists are replaced. A null takes a field away,
    $patch: delete an item. The router's container is named router."""


class Deployment(ApiModel):
    """A router of its own, as a Deployment."""

    replicas: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Number of pods. Default: 2 at first, and then whatever kubectl scale or an autoscaler says; taking the field away
    keeps the number."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes per replica that share the port: about one for each CPU core."""
    group: (
        Annotated[
            str,
            Field(min_length=1, max_length=52),
            Rules(
                Rule(
                    f"self.matches('{RFC1035}')",
                    "must be lower-case letters, digits and -, with a letter first and no - last",
                )
            ),
        ]
        | None
    ) = None
    """Policies of a namespace with the same group share one router and URL; the model of a request says which policy
    serves it. Default: a router for this policy alone."""
    resources: Resources | None = None
    """Compute resources of the router's container. Default: requests of 100m CPU and 128Mi memory, no limits."""
    service: ServiceOptions = ServiceOptions()
    """The Service in front of the routers."""
    tls: ServingTls | None = None
    """HTTPS for clients. Default: plain HTTP."""
    pod_template: PodTemplate | None = None
    """Changes to the routers' pods: node selection, tolerations, more containers."""


class Sidecar(ApiModel):
    """A router inside each pod that has the label signalbox.dev/inject with the name of the policy."""

    port: Annotated[int, Field(ge=1024, le=65535)] = DEFAULT_SIDECAR_PORT
    """Port on 127.0.0.1 at which the pod's containers find it."""

    rules: ClassVar = (Rule("self.port != 15090", "is the port of the probes: choose another one", field="port"),)


# Field by field, server-side apply would make null, which is not valid, of a map that had fields and is applied as {}.
_WHOLE = Schema((("x-kubernetes-map-type", "atomic"),))


class Router(ApiModel):
    """What runs the policy. Exactly one of deployment and sidecar."""

    deployment: Annotated[Deployment, _WHOLE] | None = None
    """A router of its own: deployment: {}."""
    sidecar: Annotated[Sidecar, _WHOLE] | None = None
    """A router in the clients' own pods, reached over localhost: sidecar: {}."""

    rules: ClassVar = (
        Rule(
            "has(self.deployment) || has(self.sidecar)",
            "says nothing about what runs the policy: write deployment: {} or sidecar: {}",
            reason="FieldValueRequired",
        ),
        Rule(
            "!(has(self.deployment) && has(self.sidecar))",
            "deployment and sidecar are both there: remove one",
            field="sidecar",
            reason="FieldValueForbidden",
        ),
    )
