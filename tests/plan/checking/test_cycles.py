"""Why no policy can send a request in circles."""

from typing import Any

from pydantic import BaseModel

from signalbox.api import ModelBackend
from signalbox.api.routes import Route
from signalbox.api.routingpolicy import RoutingPolicy


def inside(model: Any, seen: set[Any]) -> set[Any]:
    """All models of the API that a model is made of, itself left out."""
    found: set[Any] = set()
    pending = [field.annotation for field in model.model_fields.values()]
    while pending:
        kind = pending.pop()
        pending.extend(getattr(kind, "__args__", ()))
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
            found.add(kind)
            pending.extend(field.annotation for field in kind.model_fields.values())
    return found | seen


def test_strategies_name_targets_and_targets_name_backends() -> None:
    """No strategy holds a route, and a ModelBackend names no policy: whatever is called calls nothing further."""
    parts = inside(Route, set())
    assert len(parts) > 20
    assert Route not in parts
    assert RoutingPolicy not in parts
    backend = inside(ModelBackend, set())
    assert not {Route, RoutingPolicy} & backend
    named = {name for part in backend for name in part.model_fields if "policy" in name or "route" in name}
    assert not named
