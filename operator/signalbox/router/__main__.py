"""The worker process, as the supervisor starts it: ``python -m signalbox.router CONTROL_DESCRIPTOR``."""

import sys

from signalbox.router.process.worker import run
from signalbox.router.serving.proxy import Proxy

run(Proxy, sys.argv[1:])
