"""Ask a policy, and print which route and target answered, and what: ask.py [--stream] [-H "NAME: VALUE"] QUERY."""

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable


def main() -> int:
    """Ask once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("query")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("-H", dest="headers", action="append", default=[], metavar="NAME: VALUE")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    asked = parser.parse_args()
    body = {"model": "auto", "stream": asked.stream, "messages": [{"role": "user", "content": asked.query}]}
    headers = {"Content-Type": "application/json"}
    headers.update(header.split(": ", 1) for header in asked.headers)
    request = urllib.request.Request(f"{asked.url}/v1/chat/completions", json.dumps(body).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 (the reader's own router)
            route, target = response.headers["x-signalbox-route"], response.headers["x-signalbox-target"]
            text = streamed(response) if asked.stream else json.load(response)["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as error:
        print(f"{error.code}: {json.load(error)['error']['message']}")
        return 1
    print(f"{route} → {target}: {text}")
    return 0


def streamed(lines: Iterable[bytes]) -> str:
    """The text of a stream."""
    events = [line.removeprefix(b"data: ").strip() for line in lines if line.startswith(b"data: {")]
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


if __name__ == "__main__":
    sys.exit(main())
