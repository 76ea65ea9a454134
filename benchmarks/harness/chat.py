"""The requests that clients send: chat completions of about one kilobyte, as the official Python client writes them."""

import json
from typing import Any

CLIENT_KEY = "bench-client-key-0123456789abcdef"
MODEL = "auto"
HEADERS = (
    "Accept: application/json",
    "Content-Type: application/json",
    "User-Agent: OpenAI/Python 3.54.0",
    "X-Stainless-Lang: python",
    "X-Stainless-OS: Linux",
    "X-Stainless-Retry-Count: 0",
    f"Authorization: Bearer {CLIENT_KEY}",
)
TEXT = (
    "Our support team gets long letters from customers, and most of them ask for several things at once. Read the "
    "letter below, list what the writer wants in the order of urgency, name the department that can help with each "
    "point, and draft a short and friendly reply that promises nothing which we could not keep. The letter: last week "
    "the parcel came two days late and the box was open on one side, so that the lamp inside had a scratch "
    "along its foot. I "
    "would like to keep it if the price can be lowered, or else send it back at your cost. My invoice also shows the "
    "old address, although I changed it in March, and the discount for regular buyers was not taken off. Please "
    "tell me whether the matching table is still made in oak, and how long it would take to arrive in the north of the "
    "country. I can be reached by telephone in the evening, or at any time by mail. "
)


def body(*, stream: bool = False, **fields: Any) -> bytes:
    """A chat completion of about 1 KB; further fields replace or extend its own."""
    request: dict[str, Any] = {
        "messages": [{"role": "system", "content": "You help a support team."}, {"role": "user", "content": TEXT}],
        "model": MODEL,
        "max_tokens": 256,
        "temperature": 0.7,
        "stream": stream,
        **fields,
    }
    return json.dumps(request, separators=(",", ":")).encode()
