"""Keys that were taken away: mounted files may hold their digests for a while, and must not let them in."""

from collections.abc import Callable, Iterable, Mapping

from signalbox.routing.config import RouterConfig

# Mounted files have followed by then, and nobody may be there to say that a key is good again.
KEEP_SECONDS = 300.0


class RevokedDigests:
    """The set that was heard last, for as long as it can matter. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._digests: frozenset[bytes] = frozenset()
        self._heard_at = 0.0

    def heard(self, digests: Iterable[str]) -> None:
        """These are all."""
        self._digests = frozenset(digest.lower().encode() for digest in digests)
        self._heard_at = self._clock()

    def held(self, config: RouterConfig, secrets: Mapping[str, bytes]) -> list[str]:
        """All digests of tenants' keys, also those that are revoked."""
        entries = {entry for policy in config.policies for tenant in policy.access.tenants for entry in tenant.keys}
        lines = {line.lower() for entry in entries for line in secrets.get(entry, b"").split()}
        return sorted(line.decode("ascii", "replace") for line in lines)

    def without(self, config: RouterConfig, secrets: Mapping[str, bytes]) -> dict[str, bytes]:
        """The secrets, the tenants' entries without what is revoked."""
        if self._clock() - self._heard_at >= KEEP_SECONDS:
            self._digests = frozenset()
        kept = dict(secrets)
        if self._digests:
            for policy in config.policies:
                for entry in (entry for tenant in policy.access.tenants for entry in tenant.keys):
                    lines = kept.get(entry, b"").split()
                    left = [line for line in lines if line.lower() not in self._digests]
                    if len(left) < len(lines):
                        kept[entry] = b"\n".join(left)
        return kept
