"""What was planned for one router: everything that its children are made from."""

import msgspec

from signalbox.api.deployment import Deployment
from signalbox.plan.credentials import Entry
from signalbox.routing.config import RouterConfig


class PlannedRouter(msgspec.Struct, frozen=True, kw_only=True):
    """One router: its configuration, where each secret entry that it names comes from, and whose it is.

    ``members`` are the names of its policies, the eldest first. ``deployment`` is the eldest's; ``sidecar``, where
    there is no Deployment at all, the port in the pods of its clients.
    """

    config: RouterConfig
    entries: dict[str, Entry]
    members: tuple[str, ...] = ()
    deployment: Deployment = Deployment()
    sidecar: int | None = None
