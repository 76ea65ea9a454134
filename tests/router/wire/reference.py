"""Requests as RFC 9112 has them, read from whole bytes in the plainest way: nothing here is shared with the router.

It stops at the first byte that the standard does not allow, but for what the router's parser lets pass and nobody can
read otherwise: line ends of any kind before a request, more than one space in its line.
"""

import re
from typing import NamedTuple

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_LINE = re.compile(rb"(" + _TOKEN + rb") +([\x21-\x7e\x80-\xff]+) +HTTP/1\.([01])\Z")
_HEADER = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\Z")
_CHUNK = re.compile(rb"([0-9A-Fa-f]+)(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILERS = re.compile(rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n")


class Reading(NamedTuple):
    """A request. Names of headers are in lower case, repeated ones joined."""

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes


def requests(data: bytes) -> list[Reading]:
    """All whole requests before the first that is none, or is the last by its own word."""
    found: list[Reading] = []
    at = 0
    while True:
        while data[at : at + 1] in {b"\r", b"\n"}:
            at += 1
        end = data.find(b"\r\n\r\n", at)
        head = None if end < 0 else _head(data[at:end])
        if head is None:
            return found
        method, target, minor, headers = head
        body = _body(data, end + 4, minor, headers)
        if body is None:
            return found
        content, at = body
        found.append(Reading(method, target, headers, content))
        tokens = {token.strip().lower() for token in headers.get(b"connection", b"").split(b",")}
        if b"close" in tokens or (minor == b"0" and b"keep-alive" not in tokens):
            return found


def _head(head: bytes) -> tuple[bytes, bytes, bytes, dict[bytes, bytes]] | None:
    first, *lines = head.split(b"\r\n")
    line = _LINE.match(first)
    if line is None:
        return None
    headers: dict[bytes, bytes] = {}
    for each in lines:
        header = _HEADER.match(each)
        if header is None:
            return None
        name = header[1].lower()
        if name in headers and name in {b"content-length", b"transfer-encoding", b"host"}:
            return None
        headers[name] = headers[name] + b", " + header[2] if name in headers else header[2]
    if line[3] == b"1" and b"host" not in headers:
        return None
    return line[1], line[2], line[3], headers


def _body(data: bytes, at: int, minor: bytes, headers: dict[bytes, bytes]) -> tuple[bytes, int] | None:
    """The body, and where it ends."""
    coding, length = headers.get(b"transfer-encoding"), headers.get(b"content-length")
    if coding is not None:
        return None if length is not None or coding.lower() != b"chunked" or minor == b"0" else _chunks(data, at)
    if length is None:
        return b"", at
    if re.fullmatch(rb"[0-9]+", length) is None or len(data) < at + int(length):
        return None
    return data[at : at + int(length)], at + int(length)


def _chunks(data: bytes, at: int) -> tuple[bytes, int] | None:
    content = b""
    while True:
        size = _CHUNK.match(data, at)
        if size is None:
            return None
        start, end = size.end(), size.end() + int(size[1], 16)
        if end == start:
            trailers = _TRAILERS.match(data, start)
            return None if trailers is None else (content, trailers.end())
        if data[end : end + 2] != b"\r\n":
            return None
        content += data[start:end]
        at = end + 2
