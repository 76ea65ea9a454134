"""Endings and beginnings that aiohttp does not offer."""

import socket
import struct
from typing import Any

from aiohttp import web

_LINGER_ZERO = struct.pack("ii", 1, 0)


def reset(transport: Any) -> None:
    """Close with RST, as the kernel does for a process that died."""
    if transport is None or transport.is_closing():
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


def json_response(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    """A response from JSON that is encoded already."""
    return web.Response(status=status, body=body, headers=headers, content_type="application/json")


async def open_stream(request: web.Request) -> web.StreamResponse:
    """Send the head of an event stream at once, as real engines do before they have begun."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    return response
