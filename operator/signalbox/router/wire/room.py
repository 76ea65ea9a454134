"""How much the bodies of all requests of a worker may take together."""

from signalbox.router.wire.errors import Refusal

# Larger bodies leave a quarter of the room to those up to this size: whoever fills it with large ones keeps no small
# one out.
SMALL_BYTES = 64 << 10
# While all together are no larger than this, nobody asks what they take once they are decoded, which is 50 times as
# much at most.
UNWEIGHED_BYTES = 1 << 20


class Room:
    """Of one worker. ``held`` is the size of the bodies that are being read, wait or are served, with what the latter
    take beyond it once they are decoded.

    A body of a known length takes its room before it is read, so that what was begun can end: nobody waits for room,
    and so nobody waits for each other. One in chunks takes it as it comes. ``scarce``: somebody was turned away since
    the last look at slow clients.
    """

    __slots__ = ("_large", "_most", "held", "scarce")

    def __init__(self, most: int) -> None:
        self._most = most
        self._large = most - most // 4
        self.held = 0
        self.scarce = False

    def take(self, size: int, whole: int) -> Refusal | None:
        """Take room for a part of a body that is ``whole`` with it, or say that there is none."""
        held = self.held + size
        if held > (self._most if whole <= SMALL_BYTES else self._large):
            self.scarce = True
            return Refusal(
                503, "too_many_bodies", "The router holds too many request bodies.", retry_after=1, close=True
            )
        self.held = held
        return None
