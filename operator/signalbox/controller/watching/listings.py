"""How fresh what we know is: when each kind was listed last, and why it could not be."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from signalbox.kube.errors import ApiError
from signalbox.kube.resources import Resource


@dataclass
class Listing:
    """One kind in one namespace (None: in all), as one reader lists it; times by the clock of ``Listings``.

    ``longest`` is how long it may take from one list to the next. It ``failed`` to be read since then. ``own`` is the
    name of one object of the operator's own, of which nothing is to be known but that. ``verbs`` are what takes rights.
    """

    resource: Resource
    namespace: str | None
    longest: float
    tried_at: float
    own: str = ""
    verbs: tuple[str, ...] = ("list", "watch")
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

    def expect(
        self,
        resource: Resource,
        namespace: str | None,
        longest: float,
        own: str = "",
        verbs: tuple[str, ...] = ("list", "watch"),
    ) -> Listing:
        """To be told of every attempt. Of something expected already, by who begins again, it is the same one."""
        for known in self._all:
            if own and (known.resource, known.namespace, known.own) == (resource, namespace, own):
                return known
        made = Listing(resource, namespace, longest, self._clock(), own, verbs, _clock=self._clock)
        self._all.append(made)
        return made

    def ages(self) -> dict[Resource, float]:
        """Seconds since each kind was listed, the oldest counting; without those that never were."""
        found: dict[Resource, float] = {}
        for each in self._all:
            if each.listed_at is not None:
                found[each.resource] = max(found.get(each.resource, 0.0), self._clock() - each.listed_at)
        return found

    def missing(self, *, own: bool = True) -> list[str]:
        """What keeps us from knowing all there is, in words, with the remedy; empty where we are ready. Without our
        ``own`` objects: then what users and routers need is known."""
        reasons = (self._missing(each) for each in self._all if own or not each.own)
        return list(dict.fromkeys(reason for reason in reasons if reason is not None))

    def unknown(self) -> dict[Resource, int]:
        """By kind, how many of its lists are missing: see ``missing``."""
        found = {each.resource: 0 for each in self._all}
        for each in self._all:
            found[each.resource] += self._missing(each) is not None
        return found

    def stuck(self) -> list[str]:
        """The kinds for which nobody has even tried for too long: their reader hangs."""
        late = {each.resource.plural for each in self._all if self._clock() - each.tried_at > 2 * each.longest}
        return sorted(late)

    def _missing(self, each: Listing) -> str | None:
        error, name = each.failed, "/".join(filter(None, (each.resource.plural, each.own)))
        where = f" in namespace {each.namespace}" if each.namespace else ""
        verb = each.verbs[0]
        if error is not None and (each.listed_at is None or error.status in {401, 403, 404}):
            return f"cannot {verb} {name}{where}: {error}{_remedy(each, error)}"
        if each.listed_at is None:
            return f"{name}{where} not {'read' if verb == 'get' else 'listed'} yet"
        age = self._clock() - each.listed_at
        if age > 2 * each.longest:
            why = f": {error}" if error is not None else ""
            return f"cannot {verb} {name}{where}: not for {age:.0f} s{why}"
        return None


def _remedy(each: Listing, error: ApiError) -> str:
    resource = each.resource
    group = resource.api_version.rpartition("/")[0] if "/" in resource.api_version else ""
    if error.status == 403 and " is forbidden" in str(error) and resource.plural not in str(error):
        return ""  # on the way to it something else was asked for, and the server's words say what
    if error.status == 403:
        role = f"a Role in namespace {each.namespace}" if each.namespace else "a ClusterRole"
        verbs = f"{', '.join(each.verbs[:-1])} and {each.verbs[-1]}"
        return f'; grant {verbs} on {resource.plural} (apiGroup "{group}") to the operator by {role}'
    if error.status == 404:
        return f"; install the CustomResourceDefinition {resource.plural}.{group}"
    return ""
