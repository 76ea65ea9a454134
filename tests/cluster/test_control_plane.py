"""What tests may rely on: RBAC is in force, controllers work, requests are on record."""

import pytest

from cluster.api import Api, ApiError
from cluster.kubeconfig import Access
from cluster.running import Cluster
from cluster.waiting import eventually

RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def account(cluster: Cluster, namespace: str) -> Api:
    """A client as a ServiceAccount without any right."""
    cluster.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}, namespace)
    return Api(Access(cluster.server, cluster.ca, cluster.api.token("nobody", namespace), None))


def test_rights_are_checked_and_requests_recorded(cluster: Cluster, namespace: str, account: Api) -> None:
    with pytest.raises(ApiError) as refused:
        account.list("signalbox.dev/v1alpha1", "RoutingPolicy", namespace)
    assert refused.value.code == 403
    rules = [{"apiGroups": ["signalbox.dev"], "resources": ["routingpolicies"], "verbs": ["list"]}]
    cluster.api.create({"apiVersion": RBAC, "kind": "Role", "metadata": {"name": "r"}, "rules": rules}, namespace)
    cluster.api.create(
        {
            "apiVersion": RBAC,
            "kind": "RoleBinding",
            "metadata": {"name": "b"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [{"kind": "ServiceAccount", "name": "nobody", "namespace": namespace}],
        },
        namespace,
    )

    def listed() -> bool:
        try:
            return account.list("signalbox.dev/v1alpha1", "RoutingPolicy", namespace) == []
        except ApiError:
            return False

    assert eventually(listed)
    account.close()
    if cluster.control_plane:
        events = cluster.requests(f"system:serviceaccount:{namespace}:nobody")
        lists = [each for each in events if each.get("objectRef", {}).get("resource") == "routingpolicies"]
        assert {each["verb"] for each in lists} == {"list"}
        assert {each["responseStatus"]["code"] for each in lists} == {200, 403}


def test_controllers_collect_garbage(cluster: Cluster, namespace: str) -> None:
    if not cluster.controllers:
        pytest.skip("this cluster has no controllers: KUBEBUILDER_ASSETS holds etcd and kube-apiserver only")
    owner = cluster.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}, namespace)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    child = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "child", "ownerReferences": [reference]}}
    cluster.api.create(child, namespace)
    cluster.api.delete("v1", "ConfigMap", "owner", namespace)

    def gone() -> bool:
        return "child" not in [each["metadata"]["name"] for each in cluster.api.list("v1", "ConfigMap", namespace)]

    assert eventually(gone)


def test_a_deployment_gets_a_pod_that_waits_for_a_node(cluster: Cluster, namespace: str) -> None:
    if not cluster.controllers:
        pytest.skip("this cluster has no controllers: KUBEBUILDER_ASSETS holds etcd and kube-apiserver only")
    labels = {"app": "a"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec}
    cluster.api.create(deployment, namespace)
    assert eventually(lambda: len(cluster.api.list("v1", "Pod", namespace)) == 1)
