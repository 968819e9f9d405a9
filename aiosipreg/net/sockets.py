"""Local ends of sockets (floor 3)."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Final

__all__ = [
    "Address",
    "any_host",
    "bound_socket",
    "duplicate",
    "give_up_after",
    "local_address",
    "make_room",
    "mark",
    "plain_host",
    "version_of",
]

Address = tuple[str, int]

_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_TRAFFIC_CLASS: Final = {4: (socket.IPPROTO_IP, socket.IP_TOS), 6: (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)}
_ROOM: Final = 4 << 20
_ANY: Final = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - the socket listens; what is written in messages is looked up


def version_of(host: str) -> int:
    """4 or 6, of an IP literal."""
    return 6 if ":" in host else 4


def any_host(version: int) -> str:
    """The address that stands for every local one."""
    return _ANY[version]


def plain_host(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """The host of a socket address, without the zone of a link-local one."""
    return address[0].partition("%")[0]


def local_address(host: str) -> str:
    """The address that the system would use toward a host (REG-11).

    Args:
        host: An IP address without brackets.

    Raises:
        OSError: There is no way to it.
    """
    with socket.socket(_FAMILIES[version_of(host)], socket.SOCK_DGRAM) as probe:
        # Connecting a datagram socket sends nothing; it only makes the system choose a route.
        probe.connect((host, 9))
        return plain_host(probe.getsockname())


def bound_socket(version: int, kind: socket.SocketKind, local: Address, *, shared: bool = False) -> socket.socket:
    """A socket on a fixed local port.

    Args:
        version: IP version, 4 or 6.
        kind: Datagrams or a stream.
        local: Address and port.
        shared: Whether other sockets of ours may have the same port, each toward another target.

    Raises:
        OSError: The address cannot be used.
    """
    sock = socket.socket(_FAMILIES[version], kind)
    try:
        sock.setblocking(False)
        if version == 6:
            # Or it takes the port of IPv4 along, and of the two sockets only the first could be opened.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(local)
    except OSError:
        sock.close()
        raise
    return sock


def duplicate(sock: socket.socket | None) -> socket.socket | None:
    """The socket of an asyncio transport once more, as one that can be used; ``None`` where there is no such thing."""
    if sock is None or os.name != "posix":
        return None
    same = socket.socket(fileno=os.dup(sock.fileno()))
    same.setblocking(False)
    return same


def mark(sock: socket.socket | None, version: int, dscp: int) -> None:
    """Mark what a socket sends (RFC 2474); the network of the tests has no sockets to mark."""
    if dscp and sock is not None:
        sock.setsockopt(*_TRAFFIC_CLASS[version], dscp << 2)


def make_room(sock: socket.socket | None) -> None:
    """Give a datagram socket the largest receive buffer that the system allows, up to 4 MiB.

    The usual one of Linux has room for 166 answers: fewer than may come while the event loop does something else.
    """
    if sock is not None:
        # Linux gives what it may; a BSD whose limit is lower gives nothing.
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)


def give_up_after(sock: socket.socket | None, seconds: float) -> None:
    """Have the system end a TCP connection whose far end acknowledges nothing for so long; only Linux does."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None and sock is not None:
        sock.setsockopt(socket.IPPROTO_TCP, option, round(1000 * seconds))
