"""Does a text contain source code? A fence, or two lines that look like statements of a common language."""

from typing import Final

from signalbox.routing.regex import Pattern

FENCE: Final = "```"

# What a line of code looks like after its indentation: the documentation lists these with the explanation of each.
LINE_PATTERNS: Final[tuple[tuple[str, str], ...]] = (
    (r".*[;{}][ \t]*$", "ends with `;`, `{` or `}`"),
    (r"(?:async )?def \w+\(", "a Python function: `def name(`"),
    (r"class \w+[ \t]*[:({]", "a class: `class Name:`"),
    (r"(?:from [\w.]+ )?import [\w.{*]", "an import: `import name`, `from name import …`"),
    (r"(?:if|elif|for|while|with|except|else|try)\b[^.?!]*:$", "a Python block: `if …:`, `for …:`"),
    (r"(?:func|fn|function) \w+[(<]", "a function of Go, Rust or JavaScript: `func name(`"),
    (r"(?:const|let|var|val) (?:mut )?\w+(?:: ?\w+)? ?=", "a declaration: `let name =`"),
    (r"#include ?[<\"]", "`#include <`"),
    (r"return [\w\"'(\[{]", "`return value`"),
    (r"\w[\w.\[\]]* ?(?:[-+*/|&]|:|\|\|)?= ?[\w\"'(\[{-]", "an assignment: `name = value`"),
    (r"\w[\w.]*\(.*\)$", "a call alone on its line: `name(…)`"),
    (r"(?i:select) .* (?i:from) \w", "SQL: `SELECT … FROM name`"),
    (r"</?[a-zA-Z][\w-]*(?: [^<>]*)?>", "a tag of HTML or XML: `<name>`"),
    (r"(?:\$|>>>) \w", "a prompt: `$ command`, `>>> statement`"),
)

_LINE: Final = r"^[ \t]*(?:" + "|".join(f"(?:{pattern})" for pattern, _ in LINE_PATTERNS) + ")"
_TWO_LINES: Final = Pattern(f"(?m)(?:{_LINE}).*\n(?s:.*)(?:{_LINE})")


def has_code(text: str, utf8: bytes) -> bool:
    """``utf8`` is ``text`` encoded; the caller keeps it for other patterns."""
    if "`" in text and FENCE in text:  # a single character is found a hundred times faster
        return True
    return "\n" in text and _TWO_LINES.found_in(utf8)
