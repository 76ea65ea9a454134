"""What one API can say and the other cannot."""


class Untranslatable(ValueError):  # noqa: N818 - a difference, not only a fault
    """``field`` is where it is in the client's own body, ``why`` says what is missing and what to do."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why
