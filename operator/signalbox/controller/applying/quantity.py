"""Amounts as Kubernetes writes them: "0.5" and "500m" are the same, and the API server keeps only one spelling."""

import re
from decimal import Decimal

_SUFFIXED = re.compile(r"^([+-]?[0-9.]+)(m|u|n|[kMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def amount(text: str | int | float) -> Decimal | None:
    """What a quantity stands for; None for what is none."""
    found = _SUFFIXED.match(str(text))
    if found is None:
        return None
    number, suffix = found.groups()
    try:
        value = Decimal(number)
        if not suffix:
            return value
        if suffix in _DECIMAL:
            return value.scaleb(_DECIMAL[suffix])
        if suffix in _BINARY:
            return value * (1 << _BINARY[suffix])
        return value.scaleb(int(suffix[1:]))
    except (ArithmeticError, ValueError):  # more digits than there are numbers for
        return None
