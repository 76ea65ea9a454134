"""The real Prometheus server, on this machine, and its API."""

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from cluster import build
from cluster.build import Say
from cluster.processes import Component, free_ports

SECONDS = 10.0
RULES = build.HERE.parents[1] / "charts" / "signalbox" / "files" / "monitoring" / "rules.yaml"


class Prometheus:
    """It scrapes these jobs once a second, and has the alerts of the chart."""

    def __init__(self, place: Path, jobs: list[dict[str, Any]], say: Say) -> None:
        program = build.prometheus(say)
        place.mkdir()
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": jobs,
        }
        (place / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [program, f"--config.file={place / 'prometheus.yml'}", f"--storage.tsdb.path={place / 'data'}"]
        self._process = Component(
            "prometheus", [*command, f"--web.listen-address=127.0.0.1:{port}"], place / "prometheus.log"
        )
        self._process.start()

    def stop(self) -> None:
        self._process.stop()

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=SECONDS) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series now."""
        found = self.get("query", query=expression)
        assert found["resultType"] == "vector", expression
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]

    def down(self) -> list[str]:
        """Errors of targets that cannot be scraped."""
        return [each["lastError"] for each in self.get("targets")["activeTargets"] if each["health"] != "up"]

    def selectors(self, expression: str) -> list[list[dict[str, str]]]:
        """The matchers of each selector in an expression, as its own parser reads it."""
        found: list[list[dict[str, str]]] = []

        def walk(node: Any) -> None:
            if isinstance(node, list):
                for each in node:
                    walk(each)
            elif isinstance(node, dict):
                if node.get("type") in {"vectorSelector", "matrixSelector"}:
                    found.append(node["matchers"])
                for each in node.values():
                    walk(each)

        walk(self.get("parse_query", query=expression))
        return found
