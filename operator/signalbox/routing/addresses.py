"""Addresses as people write them."""

from signalbox.routing.config import Address


class AddressError(Exception):
    """An address that cannot be used; the message shows a good one."""


def read_address(text: str, least_port: int = 1) -> Address:
    """HOST:PORT, with [::1]:9101 for IPv6. Raises ``AddressError``."""
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not least_port <= int(port) <= 65535:
        raise AddressError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:9101")
    return Address(host=host, port=int(port))
