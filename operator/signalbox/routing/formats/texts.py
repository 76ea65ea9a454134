"""Texts in what engines say, who may put anything in their places."""


def text(value: object) -> str | None:
    """None for what is no text: no client of either API reads another type there."""
    return value if isinstance(value, str) else None
