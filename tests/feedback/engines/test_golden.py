"""One pair of files for each form in which engines tell their load: ENGINE-….in.txt is the text, ENGINE-….out.yaml what
it says, for a backend whose model is ``m``. After a change that is meant, ``pytest tests/feedback --regenerate``
writes the readings; read the difference.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from signalbox.feedback.engines import reader
from signalbox.feedback.plan import Engine, Selectors

OF_THE_LOOK = ("at", "source")
"""What no text says."""
GOLDEN = Path(__file__).parent / "golden"
SELECTORS = {
    "Custom-text-generation-inference": Selectors(
        running="tgi_batch_current_size", waiting="tgi_queue_size", generated_tokens="tgi_request_generated_tokens_sum"
    )
}
NAMES = sorted(file.name.removesuffix(".in.txt") for file in GOLDEN.glob("*.in.txt"))


@pytest.mark.parametrize("name", NAMES)
def test_the_reading_of_a_text(name: str, request: pytest.FixtureRequest) -> None:
    engine = msgspec.convert(name.partition("-")[0], Engine)
    reading = reader(engine, SELECTORS.get(name), "m").read((GOLDEN / f"{name}.in.txt").read_bytes(), at=0.0)
    made: dict[str, Any] = {k: v for k, v in msgspec.structs.asdict(reading).items() if k not in OF_THE_LOOK}
    file = GOLDEN / f"{name}.out.yaml"
    if request.config.getoption("--regenerate", default=False):
        file.write_text(yaml.safe_dump(made, sort_keys=False))
    assert made == yaml.safe_load(file.read_text())
