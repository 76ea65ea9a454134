"""What the API server refuses, by what follows from it."""

SILENT = "Silent"


class ApiError(Exception):
    """A request that failed; ``status`` is the HTTP status, 0 where the server could not be reached.

    ``retry_after`` is in seconds, as the server asked.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after

    @property
    def not_found(self) -> bool:
        """The object, or its kind, does not exist."""
        return self.status == 404

    @property
    def already_exists(self) -> bool:
        """An object of that name is there."""
        return self.reason == "AlreadyExists"

    @property
    def conflict(self) -> bool:
        """The object is no longer the version that was read."""
        return self.status == 409 and not self.already_exists

    @property
    def invalid(self) -> bool:
        """The object itself is refused: sending it again is of no use."""
        return self.status in {400, 422}

    @property
    def silent(self) -> bool:
        """A stream that began and then said nothing for long. Perhaps there was nothing to say."""
        return self.reason == SILENT

    @property
    def gone(self) -> bool:
        """The resource version is too old: list again."""
        return self.status == 410 or self.reason in {"Expired", "Gone"}
