"""How fresh what we know is: when each kind was listed last, and why it could not be."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from signalbox.kube.errors import ApiError
from signalbox.kube.resources import Resource


@dataclass
class Listing:
    """One kind in one namespace (None: in all), as one reader lists it; times by the clock of ``Listings``.

    ``longest`` is how long it may take from one list to the next. It ``failed`` to be read since then.
    """

    resource: Resource
    namespace: str | None
    longest: float
    tried_at: float
    listed_at: float | None = None
    failed: ApiError | None = None
    _clock: Callable[[], float] = time.monotonic

    def listed(self) -> None:
        """It has been read."""
        self.tried_at = self.listed_at = self._clock()
        self.failed = None

    def tried(self) -> None:
        """Its reader is at work."""
        self.tried_at = self._clock()

    def heard(self) -> None:
        """The server answers, if only by saying that nothing has changed."""
        self.tried_at = self._clock()

    def refused(self, error: ApiError) -> None:
        """It could not be read."""
        self.tried_at = self._clock()
        self.failed = error


class Listings:
    """All that is listed. Whoever lists something begins with ``expect``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: list[Listing] = []

    def expect(self, resource: Resource, namespace: str | None, longest: float) -> Listing:
        """To be told of every attempt."""
        made = Listing(resource, namespace, longest, self._clock(), _clock=self._clock)
        self._all.append(made)
        return made

    def ages(self) -> dict[Resource, float]:
        """Seconds since each kind was listed, the oldest counting; without those that never were."""
        found: dict[Resource, float] = {}
        for each in self._all:
            if each.listed_at is not None:
                found[each.resource] = max(found.get(each.resource, 0.0), self._clock() - each.listed_at)
        return found

    def missing(self) -> list[str]:
        """What keeps us from knowing all there is, in words, with the remedy; empty where we are ready."""
        return list(dict.fromkeys(reason for each in self._all if (reason := self._missing(each)) is not None))

    def stuck(self) -> list[str]:
        """The kinds for which nobody has even tried for too long: their reader hangs."""
        late = {each.resource.plural for each in self._all if self._clock() - each.tried_at > 2 * each.longest}
        return sorted(late)

    def _missing(self, each: Listing) -> str | None:
        error, name = each.failed, each.resource.plural
        where = f" in namespace {each.namespace}" if each.namespace else ""
        if error is not None and (each.listed_at is None or error.status in {401, 403, 404}):
            return f"cannot list {name}{where}: {error}{_remedy(each, error)}"
        if each.listed_at is None:
            return f"{name}{where} not listed yet"
        age = self._clock() - each.listed_at
        if age > 2 * each.longest:
            why = f": {error}" if error is not None else ""
            return f"cannot list {name}{where}: not for {age:.0f} s{why}"
        return None


def _remedy(each: Listing, error: ApiError) -> str:
    resource = each.resource
    group = resource.api_version.rpartition("/")[0] if "/" in resource.api_version else ""
    if error.status == 403:
        role = f"a Role in namespace {each.namespace}" if each.namespace else "a ClusterRole"
        return f'; grant list and watch on {resource.plural} (apiGroup "{group}") to the operator by {role}'
    if error.status == 404:
        return f"; install the CustomResourceDefinition {resource.plural}.{group}"
    return ""
