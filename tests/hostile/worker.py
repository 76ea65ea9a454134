"""A worker as it is, but for its patience with a handshake, which has no option: the tests have less of it."""

import sys

from signalbox.router.process import worker
from signalbox.router.serving.proxy import Proxy

worker.HANDSHAKE_SECONDS = float(sys.argv[1])
worker.run(Proxy, sys.argv[2:])
