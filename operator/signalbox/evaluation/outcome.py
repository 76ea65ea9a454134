"""What would have come of one query: the ways that it may go, each with its share of such requests."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Way:
    """``target`` is whose answer is returned, ``quality`` how good that is (0 to 1). ``cost`` and ``latency_ms`` are of
    all calls together. None is what is not known; ``why`` says it of the quality."""

    share: float
    target: str
    quality: float | None
    cost: float | None
    latency_ms: float | None
    calls: float = 1.0
    estimated: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one line under one policy. ``lacks`` says what it needs that the line does not tell; ``refused`` what the
    router would answer by itself; with neither there are ``ways``.

    ``urge`` tells how much the query asks for a stronger target, where a classifier or a confidence decided it: of
    queries that go the same way, those with more would be the first to go on, were the cut another.
    """

    route: str = ""
    strategy: str = ""
    ways: tuple[Way, ...] = ()
    lacks: str = ""
    refused: str = ""
    urge: float = 0.0
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def evaluable(self) -> bool:
        """Whether it is known what becomes of it, and that is an answer."""
        return bool(self.ways)

    @property
    def shares(self) -> dict[str, float]:
        """By target whose answer is returned."""
        found: dict[str, float] = {}
        for way in self.ways:
            found[way.target] = found.get(way.target, 0.0) + way.share
        return found

    @property
    def quality(self) -> float | None:
        return self._mean([way.quality for way in self.ways])

    @property
    def cost(self) -> float | None:
        return self._mean([way.cost for way in self.ways])

    @property
    def latency_ms(self) -> float | None:
        return self._mean([way.latency_ms for way in self.ways])

    @property
    def calls(self) -> float | None:
        return self._mean([way.calls for way in self.ways])

    @property
    def estimated(self) -> bool:
        """Whether any of the costs is an estimate."""
        return any(way.estimated for way in self.ways)

    def _mean(self, values: list[float | None]) -> float | None:
        """Expected over the ways; None as soon as one of them is not known."""
        known = [value for value in values if value is not None]
        if not values or len(known) < len(values):
            return None
        return sum(way.share * value for way, value in zip(self.ways, known, strict=True))
