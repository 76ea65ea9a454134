"""Usage: python scripts/audit.py: ask for known vulnerabilities of every version that constraints.txt pins.

pip-audit alone says that it found none where it could not ask. Exits with 0 if all are known to be free of them, 1 if
some have any, 2 if not all could be asked about.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PINS = Path(__file__).parents[1] / "constraints.txt"


def judged(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[int, list[str]]:
    """The exit code, and what to say."""
    each = found["dependencies"]
    unknown = [one for one in each if "skip_reason" in one]
    lines = [
        f"{one['name']} {one['version']}: {bad['id']}, fixed in {', '.join(bad['fix_versions']) or 'no version yet'}"
        for one in each
        for bad in one.get("vulns", ())
    ]
    asked = len(each) - len(unknown)
    code = 1 if lines else 0
    lines.append(f"{asked} of {len(each)} pinned versions were looked up; {len(lines)} known vulnerabilities")
    if unknown or not each:
        code = code or 2
        names = ", ".join(one["name"] for one in unknown[:3])
        lines.append(
            f"NOT AUDITED: no advisory data could be reached for {len(unknown)} versions ({names}, …): nothing is "
            "known of them. Run this where advisories can be read."
        )
    return code, lines


def main() -> int:
    """Ask."""
    command = ["-m", "pip_audit", "--requirement", str(PINS), "--no-deps", "--disable-pip", "--format", "json"]
    run = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, *command, "--progress-spinner", "off"], capture_output=True, text=True, check=False
    )
    try:
        code, lines = judged(json.loads(run.stdout))
    except (ValueError, KeyError):
        code, lines = 2, [run.stderr.strip()[-2000:], "NOT AUDITED: pip-audit gave no answer; is there a network?"]
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
