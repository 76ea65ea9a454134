"""What the README shows is true."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_its_resources_are_valid(tmp_path: Path, block: str) -> None:
    (tmp_path / "readme.yaml").write_text(block)
    command = [sys.executable, "-m", "signalbox.cli", "check", "-f", str(tmp_path), "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["policies"]
