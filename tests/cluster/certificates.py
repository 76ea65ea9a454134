"""Keys and certificates of one cluster: an authority of its own, made anew for each start."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs for servers and clients. Kubernetes reads a client's user from the common name, its group from the
    organization."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = trustme.CA()
        self.certificate = directory / "ca.crt"
        self.ca.cert_pem.write_to_path(self.certificate)

    def server(self, name: str, *addresses: str) -> Pair:
        """A certificate for DNS names and addresses."""
        return self._write(name, self.ca.issue_cert(*addresses, common_name=name))

    def client(self, user: str, group: str | None = None) -> Pair:
        """A certificate for a user of the API server."""
        issued = self.ca.issue_cert(f"{user.replace(':', '.')}.invalid", common_name=user, organization_name=group)
        return self._write(user.replace(":", "-"), issued)

    def service_account_keys(self) -> Pair:
        """The keys that sign and verify tokens of ServiceAccounts: no certificate, a bare public key."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public, private = self.directory / "service-accounts.pub", self.directory / "service-accounts.key"
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        write_secret(private, key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
        return Pair(public, private)

    def _write(self, name: str, issued: trustme.LeafCert) -> Pair:
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        write_secret(key, issued.private_key_pem.bytes())
        return Pair(certificate, key)


def write_secret(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read."""
    file.touch(mode=0o600)
    file.write_bytes(content)
