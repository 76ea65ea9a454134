"""The kinds that Signalbox touches, and their paths."""

from typing import NamedTuple


class Resource(NamedTuple):
    """A kind: ``api`` is "api/v1" or "apis/GROUP/VERSION"."""

    api: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """As in ``apiVersion``."""
        return self.api.partition("/")[2]

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of an object, or of all of a namespace, or of all."""
        parts = [self.api, *(("namespaces", namespace) if namespace else ()), self.plural, name, subresource]
        return "/" + "/".join(part for part in parts if part)


BACKENDS = Resource("apis/signalbox.dev/v1alpha1", "modelbackends", "ModelBackend")
POLICIES = Resource("apis/signalbox.dev/v1alpha1", "routingpolicies", "RoutingPolicy")
CONFIG_MAPS = Resource("api/v1", "configmaps", "ConfigMap")
SECRETS = Resource("api/v1", "secrets", "Secret")
SERVICES = Resource("api/v1", "services", "Service")
SERVICE_ACCOUNTS = Resource("api/v1", "serviceaccounts", "ServiceAccount")
ENDPOINT_SLICES = Resource("apis/discovery.k8s.io/v1", "endpointslices", "EndpointSlice")
DEPLOYMENTS = Resource("apis/apps/v1", "deployments", "Deployment")
DISRUPTION_BUDGETS = Resource("apis/policy/v1", "poddisruptionbudgets", "PodDisruptionBudget")
REPLICA_SETS = Resource("apis/apps/v1", "replicasets", "ReplicaSet")
PODS = Resource("api/v1", "pods", "Pod")
LEASES = Resource("apis/coordination.k8s.io/v1", "leases", "Lease")
EVENTS = Resource("apis/events.k8s.io/v1", "events", "Event")
TOKEN_REVIEWS = Resource("apis/authentication.k8s.io/v1", "tokenreviews", "TokenReview")
SUBJECT_ACCESS_REVIEWS = Resource("apis/authorization.k8s.io/v1", "subjectaccessreviews", "SubjectAccessReview")
MUTATING_WEBHOOKS = Resource(
    "apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration"
)

CHILDREN = (SERVICE_ACCOUNTS, CONFIG_MAPS, SECRETS, SERVICES, DEPLOYMENTS, DISRUPTION_BUDGETS)
_WRITTEN = (BACKENDS, POLICIES, ENDPOINT_SLICES, LEASES, EVENTS, MUTATING_WEBHOOKS, *CHILDREN)
BY_KIND = {resource.kind: resource for resource in _WRITTEN}
