"""What one request may use of other models, and what it has used."""


class Spent:
    """Sums over the calls on behalf of one request; ``cost`` in 10⁻¹² of the currency unit. ``target`` was the last."""

    __slots__ = ("cached", "calls", "cost", "input", "output", "target", "tries")

    def __init__(self) -> None:
        self.calls = 0
        self.tries = 0
        self.input = 0
        self.cached = 0
        self.output = 0
        self.cost = 0
        self.target = ""

    def add(self, input_tokens: int, cached: int, output: int, cost: int) -> None:
        """Count what a call used."""
        self.input += input_tokens
        self.cached += cached
        self.output += output
        self.cost += cost


class Budget:
    """Calls and cost that are left. Calls under way count with what they are expected to cost: several may start at
    once, and none of them must be the one too many.
    """

    __slots__ = ("_calls", "_cost", "_max_calls", "_max_cost")

    def __init__(self, max_calls: int, max_cost: int | None) -> None:
        self._max_calls = max_calls
        self._max_cost = max_cost
        self._calls = 0
        self._cost = 0

    @property
    def bounds_cost(self) -> bool:
        """Whether it matters what calls cost."""
        return self._max_cost is not None

    def short_of(self, cost: int) -> str:
        """What is used up for another call that is expected to cost so much: "" where nothing is."""
        if self._calls >= self._max_calls:
            return "maxCalls"
        if self._max_cost is not None and self._cost + cost > self._max_cost:
            return "maxCost"
        return ""

    def begin(self, cost: int) -> None:
        """A call starts that is expected to cost so much."""
        self._calls += 1
        self._cost += cost

    def end(self, expected: int, actual: int) -> None:
        """It has ended and cost this."""
        self._cost += actual - expected
