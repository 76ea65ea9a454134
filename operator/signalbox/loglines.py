"""Log lines for people, of which others write no character: neither who sends requests nor who writes resources."""

import logging
import traceback
from collections.abc import Iterator
from typing import Any

MOST = 8 << 10
"""Characters of a line: some collectors drop longer ones."""
_CAUSES = 8


class TextFormatter(logging.Formatter):
    """What begins at the margin is one record each, and nothing acts on a terminal.

    ``secret``: of an exception the place and the type, not the text, which may quote what was being worked on. A
    process that sees prompts and keys must not write them down because of a defect.
    """

    def __init__(self, form: str, *, secret: bool) -> None:
        super().__init__(form)
        self._secret = secret

    def format(self, record: logging.LogRecord) -> str:
        """A record, whatever another formatter has left in it."""
        record.exc_text = None
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The line itself."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        """The lines below it."""
        text = "".join(_places(ei[1])) if self._secret else super().formatException(ei)
        return "\n".join("  " + printable(line) for line in text.splitlines())


def to_standard_error(form: str, level: int, *, secret: bool) -> None:
    """Log there from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(TextFormatter(form, secret=secret))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def printable(text: str) -> str:
    """The text with nothing in it that ends a line, moves a cursor or turns the direction of writing."""
    if len(text) > MOST:
        text = text[: MOST - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _places(error: BaseException | None) -> Iterator[str]:
    for _ in range(_CAUSES):
        if error is None:
            return
        yield f"{type(error).__qualname__}\n"
        yield from traceback.format_tb(error.__traceback__)
        error = error.__cause__ or error.__context__
