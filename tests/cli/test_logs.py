"""Log lines for programs."""

import json
import logging
import sys

from signalbox.cli.logs import JsonFormatter


def line(**given: object) -> dict[str, object]:
    record = logging.LogRecord("signalbox.x", logging.WARNING, "f.py", 1, "in %s", ("ns",), None)
    for key, value in given.items():
        setattr(record, key, value)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


def test_a_line_is_an_object_with_the_fields_that_were_given() -> None:
    found = line(namespace="team", level_of="x")
    time = str(found.pop("time"))
    assert time.endswith("+00:00")
    assert found == {
        "level": "warning",
        "logger": "signalbox.x",
        "message": "in ns",
        "namespace": "team",
        "level_of": "x",
    }


def test_a_traceback_stays_on_the_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        found = line(exc_info=sys.exc_info())
    assert "ValueError: two\nlines" in str(found["exception"])


def test_a_line_for_programs_is_one_line_for_every_reader() -> None:
    message = "a\r\nb\x00\x85\u2028\u202e\x7f"
    written = JsonFormatter().format(logging.LogRecord("x", logging.INFO, "f", 1, message, (), None))
    assert written.isascii()
    assert written.splitlines() == [written]
    assert json.loads(written)["message"] == message
