"""Who is at the other end of a stream, and why somebody is not served."""

from typing import NamedTuple


class Router(NamedTuple):
    """A router as a whole: all its pods get the same."""

    namespace: str
    name: str


class Peer(NamedTuple):
    """One pod of a router. ``expires`` is when its token does, in seconds since the epoch."""

    router: Router
    pod: str
    uid: str
    expires: float


class Refused(Exception):  # noqa: N818 - an answer
    """``status`` of HTTP: 401 for a token that is not good, 403 for who it proves, 503 where nobody can tell now."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
