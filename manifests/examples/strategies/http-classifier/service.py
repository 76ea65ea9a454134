"""A classifier as a service, with a model of one's own: service.py MODEL [--listen 127.0.0.1:9200].

MODEL is a file that `signalbox train` wrote. Any model can stand in its place: what a router sends and expects is all
that there is to the contract (docs/classifiers.md).
"""

import argparse
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from signalbox.routing.classifiers.trained import TrainedModel


class Classify(BaseHTTPRequestHandler):
    """Answers POST /classify. Connections stay open: routers use them again."""

    protocol_version = "HTTP/1.1"
    model: TrainedModel

    def do_POST(self) -> None:
        """One query."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = self.model.predict(asked["query"])
        answer: dict[str, object] = {"label": said.label, "confidence": said.confidence, "score": said.score}
        if said.qualities:  # learned from scores: how well each target is expected to answer this query
            answer["scores"] = said.qualities
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gave it
        """Queries are nobody's business."""


def main() -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--listen", default="127.0.0.1:9200")
    asked = parser.parse_args()
    Classify.model = TrainedModel.of(asked.model.read_bytes())
    host, _, port = asked.listen.rpartition(":")
    with ThreadingHTTPServer((host, int(port)), Classify) as server:
        print(f"classifier at http://{host}:{server.server_port}/classify", flush=True)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
