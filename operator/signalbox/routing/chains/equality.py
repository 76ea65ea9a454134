"""When two answers are equal: by a key that equal answers share."""

import re
import unicodedata
from collections.abc import Hashable
from decimal import Decimal, InvalidOperation
from typing import Final

from signalbox.routing.chains.answers import Answer
from signalbox.routing.config import Equality

# A number keeps its sign and its point: without punctuation, -5 were 5 and 3.14 were 314.
_PARTS: Final = re.compile(r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*|[^\W_]+|[^\w\s]")
# Up to 30 digits in groups: without an end, a list of thousands of groups were read again from each of them.
_NUMBER: Final = re.compile(r"(?<![\w.)])[-+]?(?:\d{1,3}(?:,\d{3}){1,9}(?![,\d])|\d+)(?:[.,]\d+)?(?:[eE][-+]?\d{1,4})?")
_MINUS: Final = str.maketrans("−‒–", "---")
MAX_DIGITS: Final = 400


def key_of(answer: Answer, equality: Equality) -> Hashable:
    """The key; None where the answer has nothing to be compared by, which is equal to no other.

    Calls of tools are compared as they are. What judges find equal is settled by ``normalized`` first.
    """
    if answer.tools:
        return ("tools", answer.called, answer.text)
    if equality == "Exact":
        return answer.text or None
    if equality == "Numeric":
        return last_number(answer.text)
    return normalized(answer.text) or None


def normalized(text: str) -> str:
    """Without case, white space and punctuation; symbols such as < and + stay."""
    folded = unicodedata.normalize("NFKC", text).translate(_MINUS).casefold()
    parts = [part for part in _PARTS.findall(folded) if _counts(part)]
    return " ".join(parts) or folded.strip()


def _counts(part: str) -> bool:
    return part[-1].isalnum() or (part != "`" and unicodedata.category(part).startswith("S"))


def last_number(text: str) -> Decimal | None:
    """The last number that is written in digits; 1,234.5 is one, and so is 3,14."""
    found = None
    for match in _NUMBER.finditer(text.translate(_MINUS)):
        found = match[0]
    if found is None or len(found) > MAX_DIGITS:
        return None
    whole = (
        re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", found) if re.match(r"[-+]?\d{1,3}(?:,\d{3})+(?!\d)", found) else found
    )
    try:
        return Decimal(whole.replace(",", ".")).normalize() + 0
    except InvalidOperation:
        return None
