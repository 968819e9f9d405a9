"""What became of datagrams that could not be delivered (floor 3; RFC 3261 18.4, TRA-12).

A UDP socket that talks to many servers hears of ICMP messages only if it asks: Linux then keeps them in a queue, each
with the beginning of the datagram that it is about. Elsewhere a dead server is noticed by its silence.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import Final, NamedTuple

__all__ = ["ErrorQueue", "Undelivered"]

# IP_RECVERR and IPV6_RECVERR of <linux/in.h> and <linux/in6.h>, which the socket module does not name.
_OPTIONS: Final = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}

# Origin of <linux/errqueue.h> and ICMP types: destination unreachable and parameter problem. Others, such as time
# exceeded or "packet too big", may pass (RFC 3261 18.4).
_ORIGINS: Final = {4: 2, 6: 3}
_TYPES: Final = {4: (3, 12), 6: (1, 4)}
_FRAGMENTATION_NEEDED: Final = (4, 3, 4)

_LONGEST_QUOTE: Final = 2048
_MOST_AT_ONCE: Final = 1000


class Undelivered(NamedTuple):
    """One report.

    Attributes:
        quoted: The datagram, as much of it as the report had room for.
        cause: What went wrong, for people; ``None`` when a later copy may arrive all the same.
    """

    quoted: bytes
    cause: str | None


class ErrorQueue:
    """The reports for one socket.

    Args:
        fileno: The socket; it stays open for as long as this object is.
        version: 4 or 6.
    """

    def __init__(self, fileno: int, version: int) -> None:
        self._version = version
        self._sock = socket.socket(fileno=os.dup(fileno))
        self._sock.setsockopt(*_OPTIONS[version], 1)

    @classmethod
    def of(cls, sock: object, version: int) -> ErrorQueue | None:
        """The queue of an asyncio transport's socket, ``None`` without one or where the system has no such thing."""
        fileno = getattr(sock, "fileno", None)
        return cls(fileno(), version) if sys.platform == "linux" and fileno is not None else None

    def read(self) -> list[Undelivered]:
        """Take all reports; while any is left the system wakes the event loop again and again."""
        found: list[Undelivered] = []
        while len(found) < _MOST_AT_ONCE:
            try:
                quoted, ancillary, _, _ = self._sock.recvmsg(
                    _LONGEST_QUOTE, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
                )
            except OSError:
                break
            causes = [self._cause(data) for level, kind, data in ancillary if (level, kind) == _OPTIONS[self._version]]
            found.append(Undelivered(quoted, causes[0] if causes else None))
        return found

    def close(self) -> None:
        """Let go of the socket."""
        self._sock.close()

    def _cause(self, data: bytes) -> str | None:
        # struct sock_extended_err: errno, origin, type, code, padding, info, data.
        errno, origin, kind, code = struct.unpack_from("=IBBB", data)
        version = self._version
        passes = kind not in _TYPES[version] or (version, kind, code) == _FRAGMENTATION_NEEDED
        return None if passes or origin != _ORIGINS[version] else os.strerror(errno)
