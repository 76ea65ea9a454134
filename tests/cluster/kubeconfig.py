"""Kubeconfig files: written for the components of a cluster, and read, whoever wrote them."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes import config
from kubernetes.config.config_exception import ConfigException

from cluster.certificates import Pair
from cluster.errors import ClusterError


@dataclass(frozen=True)
class Access:
    """What a kubeconfig says: where the API server is, and how its current user logs in."""

    server: str
    ca: Path | None  # None: the system's authorities
    token: str | None
    client: Pair | None


def write(
    file: Path, server: str, ca: Path, user: str, *, client: Pair | None = None, token: str | None = None
) -> Path:
    """A kubeconfig with one cluster and one user. It refers to files: for embedded ones, the official client would
    write keys to temporary files, which stay when it is killed."""
    credentials = {"token": token} if token else {}
    if client:
        credentials |= {
            "client-certificate": str(client.certificate),
            "client-key": str(client.key),
        }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(ca)}}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        "current-context": "test",
    }
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def read(file: Path) -> Access:
    """The current context of a kubeconfig, with whatever way to log in the official client knows."""
    try:
        settings = config.new_client_from_config(str(file)).configuration
    except (ConfigException, OSError) as error:
        raise ClusterError(f"{file} is no usable kubeconfig: {error}") from None
    if not settings.verify_ssl:
        raise ClusterError(f"{file} skips the verification of the API server: give it a certificate authority")
    bearer = settings.api_key.get("authorization") or ""
    client = Pair(Path(settings.cert_file), Path(settings.key_file)) if settings.cert_file else None
    ca = Path(settings.ssl_ca_cert) if settings.ssl_ca_cert else None
    return Access(settings.host, ca, bearer.removeprefix("Bearer ") or None, client)
