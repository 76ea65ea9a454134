"""The translators of ``routing.formats`` as functions of one case, and the files that hold the cases."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from signalbox.routing.formats.anthropic_backend import answer as backend_answer
from signalbox.routing.formats.anthropic_backend import request as backend_request
from signalbox.routing.formats.anthropic_backend.events import Chunks
from signalbox.routing.formats.anthropic_client import answer as client_answer
from signalbox.routing.formats.anthropic_client import request as client_request
from signalbox.routing.formats.anthropic_client.events import Events, OutOfOrderError
from signalbox.routing.formats.untranslatable import Untranslatable

GOLDEN = Path(__file__).parent / "formats" / "golden"
FILES = sorted(GOLDEN.glob("*/*.in.yaml"))
CREATED = 1_764_000_000


def to_backend(case: Any) -> Any:
    try:
        return backend_request.translate(case)
    except Untranslatable as difference:
        return {"untranslatable": {"field": difference.field, "why": difference.why}}


def from_client(case: Any) -> Any:
    made = client_request.translate(case)
    out: dict[str, Any] = {"chat": made.chat, "thinking": made.thinking}
    if made.obstacle is not None:
        out["obstacle"] = {"field": made.obstacle.field, "why": made.obstacle.why}
    return out


def chunks(case: Any) -> Any:
    wrapped = case if isinstance(case, dict) else {"events": case}
    stream = Chunks(CREATED, with_usage=wrapped.get("usage", False))
    out = [chunk for event in wrapped["events"] for chunk in stream.feed(event)]
    return {"chunks": out, "complete": stream.complete, "usage": stream.usage}


def events(case: Any) -> Any:
    wrapped = case if isinstance(case, dict) else {"chunks": case}
    stream = Events(thinking=wrapped.get("thinking", False))
    out: list[Any] = []
    try:
        for chunk in wrapped["chunks"]:
            out += stream.feed(chunk)
    except OutOfOrderError:
        return [*out, "out of order"]
    return out + stream.end()


TRANSLATORS: dict[str, Callable[[Any], Any]] = {
    "backend-request": to_backend,
    "backend-answer": lambda case: backend_answer.translate(case, CREATED),
    "backend-error": backend_answer.error,
    "backend-events": chunks,
    "client-request": from_client,
    "client-answer": lambda case: client_answer.translate(case["body"], thinking=case.get("thinking", False)),
    "client-events": events,
}
