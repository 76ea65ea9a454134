"""What is installed, said for machines; and what an audit says that could not ask."""

import importlib.util
import json
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_that_signalbox_needs_is_in_the_bill_and_nothing_of_its_tests() -> None:
    bill = script("sbom").document()
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["purl"] == f"pkg:pypi/signalbox@{version('signalbox')}"
    names = [each["name"] for each in bill["components"]]
    assert names == sorted(set(names))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {line.partition(">")[0] for line in project["dependencies"]}
    assert wanted <= set(names)
    assert {"yarl", "multidict"} <= set(names)  # what those need themselves
    assert not {"pytest", "ruff", "mypy", "pip"} & set(names)
    known = {bill["metadata"]["component"]["bom-ref"], *(each["bom-ref"] for each in bill["components"])}
    assert {each["ref"] for each in bill["dependencies"]} == known
    assert all(set(each["dependsOn"]) <= known for each in bill["dependencies"])
    assert all(each["version"] == version(each["name"]) for each in bill["components"])
    licensed = [each for each in bill["components"] if "licenses" in each]
    assert len(licensed) > len(names) / 2


def test_the_same_installation_gives_the_same_bill(tmp_path: Path) -> None:
    for name in ("one", "two"):
        subprocess.run([sys.executable, ROOT / "scripts" / "sbom.py", tmp_path / name / "bill.json"], check=True)
    one, two = ((tmp_path / name / "bill.json").read_bytes() for name in ("one", "two"))
    assert one == two
    assert json.loads(one)["serialNumber"].startswith("urn:uuid:")


def test_an_audit_that_could_not_ask_does_not_pass() -> None:
    judged = script("audit").judged
    clean = {"name": "a", "version": "1", "vulns": []}
    bad = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
    unknown = {"name": "c", "skip_reason": "Dependency not found on PyPI"}
    assert judged({"dependencies": [clean]}) == (0, ["1 of 1 pinned versions were looked up; 0 known vulnerabilities"])
    code, lines = judged({"dependencies": [clean, bad]})
    assert (code, lines[0]) == (1, "b 2: PYSEC-1, fixed in 3")
    assert "2 of 2" in lines[1]
    assert "; 1 known" in lines[1]
    code, lines = judged({"dependencies": [clean, unknown]})
    assert code == 2
    assert "NOT AUDITED" in lines[-1]
    assert judged({"dependencies": []})[0] == 2
    assert judged({"dependencies": [bad, unknown]})[0] == 1
