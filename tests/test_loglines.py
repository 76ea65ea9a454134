"""Log lines for people."""

import logging
import sys

from signalbox.loglines import TextFormatter

HOSTILE = "name\r\n2026-01-01 ERROR signalbox: forged\x1b[2J\x00\x85\u2028\u202e\x9b1m\x7f"


def text(message: str, *, secret: bool = False, exc_info: object = None) -> str:
    record = logging.LogRecord("signalbox.x", logging.WARNING, "f.py", 1, "of %s", (message,), None)
    record.exc_info = exc_info  # type: ignore[assignment]
    return TextFormatter("%(levelname)s %(message)s", secret=secret).format(record)


def test_nobody_else_writes_a_line() -> None:
    assert text(HOSTILE).splitlines() == [
        r"WARNING of name\r\n2026-01-01 ERROR signalbox: forged\x1b[2J\x00\x85\u2028\u202e\x9b1m\x7f"
    ]


def test_a_traceback_forges_no_record() -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        first, *others = text("x", exc_info=sys.exc_info()).splitlines()
    assert first == "WARNING of x"
    assert any("forged" in line for line in others)
    assert all(line.startswith("  ") and line.isprintable() for line in others)


def test_a_process_that_sees_prompts_writes_the_place_of_a_defect_and_not_its_text() -> None:
    try:
        try:
            int("the prompt")
        except ValueError as error:
            raise KeyError("the key") from error
    except KeyError:
        written = text("x", secret=True, exc_info=sys.exc_info())
    assert "KeyError" in written
    assert "ValueError" in written
    assert "test_loglines.py" in written
    assert 'int("the prompt")' in written  # the line of the program, which is no secret
    assert "invalid literal" not in written
    assert written.count("the key") == 1  # as above


def test_a_line_is_bounded() -> None:
    assert len(text("x" * 1_000_000)) < 10_000
