"""What is said of the chart's values, in its README and in its schema: the comments of ``values.yaml``."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

HEAD = """\
# The chart signalbox

```
helm install signalbox charts/signalbox --namespace signalbox --create-namespace --set image.repository=WHERE/signalbox
```

More, with upgrades, rights and what stays behind: [docs/install.md](../../docs/install.md).

| value | default | meaning |
| --- | --- | --- |
"""


def readme(values: Path) -> str:
    """What to do with the chart, and a table. Raises ``ValueError`` for a value that no comment explains."""
    text = values.read_text()
    known = yaml.safe_load(text)
    rows = [f"| `{path}` | `{shown(at(known, path))}` | {meaning} |" for path, meaning in explained(text)]
    return HEAD + "\n".join(rows) + "\n"


def described(schema: str, values: Path) -> str:
    """The JSON schema of the values with the same words, for editors and for who is refused."""
    found = json.loads(schema)
    for path, meaning in explained(values.read_text()):
        node = found
        for key in path.split("."):
            node = node["properties"][key]
        node["description"] = meaning
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def explained(text: str) -> Iterator[tuple[str, str]]:
    """Path and meaning of every value: the comment above it. A map with comments inside is its members."""
    lines = text.splitlines()
    parent, comment = "", ""
    for number, line in enumerate(lines):
        if not line.strip():
            comment = ""
        elif line.lstrip().startswith("#"):
            comment = f"{comment} {line.lstrip(' #')}".strip()
        elif match := re.match(r"^( {0,2})([a-zA-Z]+):(.*)$", line):
            indent, key, rest = match.groups()
            following = lines[number + 1] if number + 1 < len(lines) else ""
            if indent and not parent:
                continue  # deeper in a value that was explained as a whole
            path = f"{parent}.{key}" if indent else key
            if not indent:
                parent = key if not rest.strip() and following.startswith("  #") else ""
                if parent:
                    comment = ""
                    continue
            if not comment:
                raise ValueError(f"values.yaml: no comment explains {path}")
            yield path, comment
            comment = ""


def at(values: object, path: str) -> object:
    """The value at a path."""
    for key in path.split("."):
        assert isinstance(values, dict)
        values = values[key]
    return values


def shown(value: object) -> str:
    """A default, on one line."""
    return json.dumps(value, ensure_ascii=False)
