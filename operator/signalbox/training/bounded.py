"""``python -m signalbox.training.bounded BYTES SECONDS``: a training that cannot take more memory or processor time.

Of several processes that share the memory of a container, it is the first to go.
"""

import resource
import sys
from contextlib import suppress
from pathlib import Path

SACRIFICED = "1000"


def main() -> int:
    """Set the bounds, then learn."""
    memory, seconds = map(int, sys.argv[1:])
    with suppress(OSError, ValueError):  # another system may know no such bound, or a lower one is set
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))  # the first is told apart from other ends
    with suppress(OSError):  # there is none but on Linux
        Path("/proc/self/oom_score_adj").write_text(SACRIFICED)
    from signalbox.learning.__main__ import main as learn  # noqa: PLC0415 - what it needs counts, too

    return learn()


if __name__ == "__main__":
    sys.exit(main())
