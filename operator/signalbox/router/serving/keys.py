"""Who calls: keys as SHA-256 digests, compared in constant time.

The table holds digests only, and is asked by digest (``heads.Head.digest``; that of no key is empty and opens nothing).
"""

import hmac
from collections.abc import Iterable, Mapping

from signalbox.routing.config import Policy, Tenant

DIGEST_HEX_LENGTH = 64


class _Owner:
    """What one digest opens."""

    __slots__ = ("digest", "models", "tenants")

    def __init__(self, digest: bytes) -> None:
        self.digest = digest
        self.tenants: dict[str, Tenant] = {}
        self.models: tuple[str, ...] = ()


class KeyTable:
    """Digests of every key of a configuration and what they open."""

    __slots__ = ("_open_models", "_owners")

    def __init__(self, owners: dict[bytes, _Owner], open_models: tuple[str, ...]) -> None:
        self._owners = owners
        self._open_models = open_models

    @classmethod
    def build(cls, policies: Iterable[Policy], secrets: Mapping[str, bytes]) -> "KeyTable":
        """Read the digests of all tenants: one lower- or upper-case hex SHA-256 a line.

        Raises ``ValueError`` naming the entry that is missing or unreadable. A key listed for two tenants of one
        policy belongs to the first.
        """
        policies = tuple(policies)
        owners: dict[bytes, _Owner] = {}
        for policy in policies:
            for tenant in policy.access.tenants:
                for entry in tenant.keys:
                    for digest in _digests(entry, secrets):
                        owner = owners.setdefault(digest, _Owner(digest))
                        owner.tenants.setdefault(policy.name, tenant)
        for owner in owners.values():
            owner.models = tuple(
                model
                for policy in policies
                if policy.access.anonymous or policy.name in owner.tenants
                for model in policy.models
            )
        open_models = tuple(model for policy in policies if policy.access.anonymous for model in policy.models)
        return cls(owners, open_models)

    def __bool__(self) -> bool:
        """Whether there is any key at all."""
        return bool(self._owners)

    def tenant(self, policy_name: str, digest: bytes) -> Tenant | None:
        """The tenant of a policy that the key with this digest proves, or None."""
        owner = self._find(digest)
        return None if owner is None else owner.tenants.get(policy_name)

    def known(self, digest: bytes) -> bool:
        """Whether any tenant of any policy has the key with this digest."""
        return self._find(digest) is not None

    def models(self, digest: bytes) -> tuple[str, ...]:
        """Models that a caller with this key may see; those of anonymous policies always."""
        owner = self._find(digest)
        return self._open_models if owner is None else owner.models

    def _find(self, digest: bytes) -> _Owner | None:
        owner = self._owners.get(digest)
        # The lookup compares digests, which a caller cannot steer byte by byte; the second comparison makes the
        # decision itself independent of where two digests differ.
        if owner is None or not hmac.compare_digest(owner.digest, digest):
            return None
        return owner


def _digests(entry: str, secrets: Mapping[str, bytes]) -> Iterable[bytes]:
    try:
        lines = secrets[entry].split()
    except KeyError:
        raise ValueError(f"secret entry {entry} is missing") from None
    for number, line in enumerate(lines, start=1):
        # The text itself stays out of the message: a key put here by mistake must not reach a log.
        if len(line) != DIGEST_HEX_LENGTH:
            raise ValueError(f"secret entry {entry}, line {number}: not a SHA-256 in hexadecimal")
        try:
            yield bytes.fromhex(line.decode("ascii"))
        except ValueError:
            raise ValueError(f"secret entry {entry}, line {number}: not a SHA-256 in hexadecimal") from None
