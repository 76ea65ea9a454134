"""The worker process, as the supervisor starts it: ``python -m signalbox.router CONTROL_DESCRIPTOR``."""

import gc
import sys

gc.disable()  # what modules define lives for good: looking for garbage among it again and again is a tenth of the start

from signalbox.router.process.worker import run  # noqa: E402
from signalbox.router.serving.proxy import Proxy  # noqa: E402

run(Proxy, sys.argv[1:])
