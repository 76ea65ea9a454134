"""The configuration of what runs on a node."""

from pathlib import Path
from typing import Any

from cluster.node.enclosure import ADDRESS
from cluster.node.images import PAUSE

NAME = "node-1"
PODS = "10.244.0.0/16"
DOMAIN = "cluster.local"
SOCKET = Path("/run/containerd/containerd.sock")  # of the node's own /run; paths of sockets must be short
CTR = ("ctr", f"--address={SOCKET}", "--namespace=k8s.io")

CNI: dict[str, Any] = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def containerd(directory: Path, cni: Path) -> str:
    """For containerd 1.6 and later. Machines without AppArmor or huge pages will do."""
    return f"""\
version = 2
root = "{directory}"
state = "{SOCKET.parent}"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  disable_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
"""


def kubelet(ca: Path, cgroup: str) -> dict[str, Any]:
    """A kubelet that works with either version of control groups, with swap, and on a disk that is nearly full."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(ca)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "1Mi"},
        "resolvConf": "",
        "clusterDNS": [ADDRESS],
        "clusterDomain": DOMAIN,
        "oomScoreAdj": 0,
    }


def proxy(kubeconfig: Path) -> dict[str, Any]:
    """kube-proxy; settings of connection tracking belong to the machine, and are left alone."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "mode": "iptables",
        "hostnameOverride": NAME,
        "clusterCIDR": PODS,
        "conntrack": {"maxPerCore": 0, "min": 0},
    }


def corefile(kubeconfig: Path) -> str:
    """CoreDNS, for names of the cluster only: there is no way out of it."""
    return f"""\
.:53 {{
  bind {ADDRESS}
  errors
  kubernetes {DOMAIN} {{
    kubeconfig {kubeconfig}
  }}
}}
"""


DNS_ROLE: list[dict[str, Any]] = [
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns"},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:coredns"}],
    },
]
