"""A control plane as processes of this machine: etcd, API server and, where there are programs for them, the rest."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from cluster import kubeconfig
from cluster.api import Api, ApiError
from cluster.certificates import Authority, Pair, write_secret
from cluster.processes import Component, free_ports, wait_until
from cluster.programs import CONTROLLERS, Programs
from cluster.workdir import Workdir

READY_SECONDS = 90.0
SERVICE_ADDRESS = "10.96.0.1"  # the first of --service-cluster-ip-range: Service "kubernetes"

# What a test may ask about requests: all of them but those of Kubernetes' own components.
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
        {"level": "None", "users": ["system:apiserver", *(f"system:{name}" for name in CONTROLLERS)]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True)
class Reach:
    """Where the API server listens, and under which address pods find it (None: there are no pods)."""

    bind: str = "127.0.0.1"
    advertise: str | None = None


class ControlPlane:
    """Its files are in a directory that goes away with it; its components can be stopped and started by name."""

    def __init__(self, programs: Programs, workdir: Workdir, reach: Reach | None = None) -> None:
        self.programs, self.workdir, self.reach = programs, workdir, reach or Reach()
        self.logs, self.pki = workdir.sub("logs"), workdir.sub("pki")
        self.audit = self.logs / "audit.jsonl"
        self.authority = Authority(self.pki)
        self.components: dict[str, Component] = {}
        self.token = secrets.token_urlsafe(24)

    def start(self) -> None:
        """Start everything, and return when it serves. Raises ``ClusterError``."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        clients, peers, port = free_ports(3)
        self.server = f"https://127.0.0.1:{port}"
        self.run("etcd", *self._etcd(f"http://127.0.0.1:{clients}", f"http://127.0.0.1:{peers}"))
        accounts = self.authority.service_account_keys()
        self.run("kube-apiserver", *self._apiserver(f"http://127.0.0.1:{clients}", port, accounts))
        self.kubeconfig = self.config_for("admin", group="system:masters", token=self.token)
        self.api = Api(kubeconfig.read(self.kubeconfig))
        self.wait("the API server is not ready", self.serves)
        if all(name in self.programs for name in CONTROLLERS):
            self.run("kube-controller-manager", *self._controllers(accounts))
            scheduler = ("--kubeconfig", self.config_for("system:kube-scheduler"))
            self.run("kube-scheduler", *scheduler, "--leader-elect=false", "--secure-port=0")
            self.wait("the controllers do not work", lambda: self.has_account("default"))

    def stop(self) -> None:
        """Stop everything, the API server before its store."""
        for component in reversed(self.components.values()):
            component.stop()
        if hasattr(self, "api"):
            self.api.close()

    def run(self, name: str, *arguments: str | Path) -> Component:
        """Start one component."""
        component = Component(name, [*self.programs[name], *arguments], self.logs / f"{name}.log")
        self.components[name] = component
        component.start()
        return component

    def wait(self, problem: str, ready: Callable[[], bool]) -> None:
        """Wait for a condition while all components run."""
        wait_until(problem, ready, READY_SECONDS, list(self.components.values()))

    def config_for(self, user: str, group: str | None = None, token: str | None = None) -> Path:
        """A kubeconfig for a user."""
        file = self.workdir.path / f"{user.replace(':', '-')}.kubeconfig"
        client = self.authority.client(user, group)
        return kubeconfig.write(file, self.server, self.authority.certificate, user, client=client, token=token)

    def serves(self) -> bool:
        """Whether the API server is ready."""
        with suppress(httpx.HTTPError):
            return self.api.http.get("/readyz").is_success
        return False

    def has_account(self, namespace: str) -> bool:
        """Whether pods can be made in a namespace: a controller has to make their ServiceAccount first."""
        try:
            self.api.get("v1", "ServiceAccount", "default", namespace)
        except ApiError:
            return False
        return True

    def _etcd(self, clients: str, peers: str) -> list[str]:
        return [
            "--name=test",
            f"--data-dir={self.workdir.sub('etcd')}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=test={peers}",
            "--unsafe-no-fsync",  # nobody needs the data after a crash of the machine
            "--log-level=warn",
        ]

    def _apiserver(self, store: str, port: int, accounts: Pair) -> list[str]:
        serving = self.authority.server(
            "kube-apiserver", "127.0.0.1", "localhost", SERVICE_ADDRESS, self.reach.advertise or "127.0.0.1",
            "kubernetes.default.svc",
        )  # fmt: skip
        tokens, policy = self.pki / "tokens.csv", self.workdir.path / "audit.yaml"
        write_secret(tokens, f'{self.token},admin,admin,"system:masters"\n'.encode())
        policy.write_text(yaml.safe_dump(AUDIT))
        if self.reach.advertise:
            kubelet = self.authority.client("kube-apiserver-kubelet-client", "system:masters")
            published = [
                f"--advertise-address={self.reach.advertise}",
                "--allow-privileged",
                f"--kubelet-client-certificate={kubelet.certificate}",
                f"--kubelet-client-key={kubelet.key}",
            ]
        else:
            published = ["--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"]
        return [
            f"--etcd-servers={store}",
            f"--bind-address={self.reach.bind}",
            f"--secure-port={port}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={self.authority.certificate}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=Node,RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={accounts.certificate}",
            f"--service-account-signing-key-file={accounts.key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--cert-dir={self.pki}",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit}",
            "--audit-log-maxsize=2000",
            "--kubelet-preferred-address-types=InternalIP",
            *published,
        ]

    def _controllers(self, accounts: Pair) -> list[str | Path]:
        return [
            "--kubeconfig",
            self.config_for("system:kube-controller-manager"),
            f"--service-account-private-key-file={accounts.key}",
            f"--root-ca-file={self.authority.certificate}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            "--horizontal-pod-autoscaler-sync-period=1s",  # a test that waits for one would wait for 15 s
        ]
