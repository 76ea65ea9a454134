"""The worker process, as the supervisor starts it: ``python -m signalbox.router CONTROL_DESCRIPTOR``."""

import sys

from signalbox.router.proxy import Proxy
from signalbox.router.worker import run

run(Proxy, sys.argv[1:])
