"""One pair of files for each thing that is translated: NAME.in.yaml and what comes out, NAME.out.yaml, in a folder for
each translator; several documents are several cases. After a change that is meant, ``pytest tests/routing/formats
--regenerate`` writes the outputs; read the difference.

A case of events is the list of a stream's events, or of its chunks; the answer of a client may say
``{thinking: true, body: ...}``, the chunks of a backend ``{usage: true, events: ...}``.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from translators import FILES, TRANSLATORS


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name.removesuffix('.in.yaml')}")
def test_translation(file: Path, request: pytest.FixtureRequest) -> None:
    translate = TRANSLATORS[file.parent.name]
    made = [translate(case) for case in yaml.safe_load_all(file.read_text())]
    output = file.with_name(file.name.replace(".in.", ".out."))
    if request.config.getoption("--regenerate", default=False):
        output.write_text(yaml.dump_all(made, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120))
    assert made == list(yaml.safe_load_all(output.read_text()))


class _Plain(yaml.SafeDumper):
    """Writes a value twice rather than a reference to it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def test_every_translator_has_cases() -> None:
    assert {file.parent.name for file in FILES} == TRANSLATORS.keys()
