"""Reserving a port."""

import errno
import socket

import pytest

from signalbox.router.process.ports import PortReservation


def test_free_port_is_held_for_those_who_share_it() -> None:
    reservation = PortReservation.take("127.0.0.1", 0)
    address = ("127.0.0.1", reservation.port)
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(address)
    with socket.socket() as worker:
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as asyncio and uvloop do
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        worker.bind(address)
        worker.listen()
        with socket.create_connection(address) as client:
            served, _ = worker.accept()
            assert served.getpeername() == client.getsockname()
            served.close()
        with pytest.raises(OSError, match="the port is in use") as caught:
            PortReservation.take(*address)
        assert caught.value.errno == errno.EADDRINUSE
    reservation.release()
    PortReservation.take(*address).release()


def test_localhost_is_every_loopback_address_with_one_port() -> None:
    reservation = PortReservation.take("localhost", 0)
    assert "127.0.0.1" in reservation.hosts
    reservation.release()


def test_all_addresses() -> None:
    reservation = PortReservation.take("", 0)
    assert "0.0.0.0" in reservation.hosts
    reservation.release()


def test_address_of_another_machine() -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:1234"):
        PortReservation.take("192.0.2.1", 1234)


def test_name_that_nobody_knows() -> None:
    with pytest.raises(OSError, match=r"cannot listen on nowhere\.invalid:1234"):
        PortReservation.take("nowhere.invalid", 1234)
