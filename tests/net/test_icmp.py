"""aiosipreg/net/icmp.py: which reports of the system mean that a datagram will not arrive."""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING

import pytest

from aiosipreg.net.icmp import ErrorQueue, Undelivered
from tests.free_ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux keeps ICMP messages for unconnected sockets"
)


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


@pytest.fixture
def queue(sock: socket.socket) -> Iterator[ErrorQueue]:
    queue = ErrorQueue.of(sock, 4)
    assert queue is not None
    yield queue
    queue.close()


def report(origin: int, kind: int, code: int, errno: int = 111) -> bytes:
    return struct.pack("=IBBBBII", errno, origin, kind, code, 0, 0, 0)


def test_TRA_12_a_closed_port_is_reported_with_the_datagram(sock: socket.socket, queue: ErrorQueue) -> None:
    sock.sendto(b"REGISTER " + b"x" * 400, ("127.0.0.1", free_port()))
    assert queue.read() == [Undelivered(b"REGISTER " + b"x" * 400, "Connection refused")]
    assert queue.read() == []


def test_TRA_12_a_closed_port_over_ipv6() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        queue = ErrorQueue.of(sock, 6)
        assert queue is not None
        sock.sendto(b"x", ("::1", free_port("::1")))
        assert queue.read() == [Undelivered(b"x", "Connection refused")]
        queue.close()


@pytest.mark.parametrize(("kind", "code"), [(3, 0), (3, 1), (3, 2), (3, 3), (3, 13), (12, 0)])
def test_TRA_12_unreachable_and_parameter_problem_are_final(queue: ErrorQueue, kind: int, code: int) -> None:
    assert queue._cause(report(2, kind, code)) == "Connection refused"


@pytest.mark.parametrize(
    ("origin", "kind", "code"), [(2, 11, 0), (2, 4, 0), (2, 3, 4), (1, 3, 3), (3, 3, 3), (0, 3, 3)]
)
def test_TRA_12_time_exceeded_and_source_quench_are_not(queue: ErrorQueue, origin: int, kind: int, code: int) -> None:
    assert queue._cause(report(origin, kind, code)) is None


@pytest.mark.parametrize(("kind", "final"), [(1, True), (4, True), (2, False), (3, False)])
def test_TRA_12_the_types_of_ipv6_are_others(kind: int, final: bool) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        queue = ErrorQueue(sock.fileno(), 6)
        assert (queue._cause(report(3, kind, 0)) is not None) is final
        queue.close()


def test_reading_takes_what_is_there_and_no_more_than_a_share(
    sock: socket.socket, queue: ErrorQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiosipreg.net.icmp._MOST_AT_ONCE", 2)
    port = free_port()
    sent = 0
    while sent < 3:
        try:
            sock.sendto(b"x", ("127.0.0.1", port))
        except ConnectionRefusedError:
            continue  # what the system tells of the one before
        sent += 1
    assert len(queue.read()) == 2
    assert len(queue.read()) == 1


def test_a_transport_without_a_socket_has_no_queue() -> None:
    assert ErrorQueue.of(None, 4) is None


def test_where_the_system_has_no_queue(sock: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert ErrorQueue.of(sock, 4) is None
