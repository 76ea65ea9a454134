"""What the feedback loop said last of each namespace, for who writes statuses."""

from collections.abc import Callable

from signalbox.plan.status.said import Said, news


class Heard:
    """``changed`` is called with a namespace where a status may have to be written."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._newest: dict[str, Said] = {}
        self._told: dict[str, Said] = {}

    def take(self, namespace: str, said: Said) -> None:
        """After a step of the loop."""
        self._newest[namespace] = said
        if news(self._told.get(namespace), said):
            self._told[namespace] = said
            self._changed(namespace)

    def of(self, namespace: str) -> Said | None:
        """The newest; None before there was a step."""
        return self._newest.get(namespace)

    def forget(self, namespace: str | None = None) -> None:
        """Of a namespace where nothing is followed any more, or of all: who leads no more hears nothing."""
        for known in (self._newest, self._told):
            known.clear() if namespace is None else known.pop(namespace, None)
