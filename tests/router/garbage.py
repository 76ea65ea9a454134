"""What is left when nobody looks for garbage."""

import gc
from collections import Counter

from harness import Router


def left(router: Router) -> Counter[str]:
    """Objects of routers that live, by type."""
    router.log.flush()
    found = (type(each) for each in gc.get_objects())
    return Counter(
        each.__name__ for each in found if str(each.__module__).startswith(("signalbox.router.", "httptools."))
    )
