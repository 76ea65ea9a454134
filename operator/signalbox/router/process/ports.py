"""Finding out that a port is taken, which SO_REUSEPORT would hide, and keeping it for the workers."""

import errno
import os
import socket


class PortReservation:
    """A port held by bound sockets that do not listen: workers share it, others cannot take it.

    Connections go to listening sockets only, so the reservation receives none.
    """

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets

    @property
    def port(self) -> int:
        """The number, also where any free one was asked for."""
        return int(self._sockets[0].getsockname()[1])

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses that are held."""
        return tuple(str(held.getsockname()[0]) for held in self._sockets)

    @classmethod
    def take(cls, host: str, port: int) -> "PortReservation":
        """Reserve a port on every address of a host ("" is all addresses); 0 is any free port.

        Raises ``OSError`` when somebody listens there already or no address of the host is one of this machine.
        """
        held: list[socket.socket] = []
        failure: OSError | None = None
        for family, address in _addresses(host, port):
            wanted = held[0].getsockname()[1] if held else port
            try:
                if wanted:
                    _bound(family, (address, wanted), share=False).close()
                held.append(_bound(family, (address, wanted), share=True))
            except OSError as error:
                failure = error
                # "localhost" also means ::1 where the machine has no IPv6: that address is left out.
                if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                    break
        else:
            if held:
                return cls(held)
        for taken in held:
            taken.close()
        number = failure.errno if failure else errno.EADDRNOTAVAIL
        reason = "the port is in use" if number == errno.EADDRINUSE else os.strerror(number or 0)
        raise OSError(number, f"cannot listen on {host or '*'}:{port}: {reason}")

    def release(self) -> None:
        """Let others have the port."""
        for taken in self._sockets:
            taken.close()


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise OSError(errno.EADDRNOTAVAIL, f"cannot listen on {host}:{port}: {error.strerror}") from None
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _bound(family: socket.AddressFamily, address: tuple[str, int], share: bool) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
