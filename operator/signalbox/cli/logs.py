"""How a long-running command logs: lines for people, or one JSON object a line for programs."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from signalbox.loglines import TextFormatter

Format = Literal["text", "json"]

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# What every record has; the rest was given as ``extra``.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Time, level, logger and message, the fields of ``extra``, and a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _USUAL and key not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)  # ASCII: some readers end a line at U+0085 or U+2028, too


def set_up(kind: Format, *, verbose: bool) -> None:
    """Log to standard error from now on: what happens, and with ``verbose`` also what is usual."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if kind == "json" else TextFormatter(_TEXT, secret=False))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("signalbox").setLevel(logging.DEBUG if verbose else logging.INFO)
    for noisy in ("kopf", "aiohttp.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # kopf runs in a thread of its own and says at each start that it does not see signals there.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
