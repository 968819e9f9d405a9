"""Notices that addresses, links or routes of this machine changed (floor 3; REG-35).

Linux tells by netlink. Elsewhere the addresses that the system would use are looked at now and then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING, Final

from aiosipreg.net.sockets import local_address

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AWAY", "NetworkMonitor", "way_to"]

logger = logging.getLogger("aiosipreg.net")

# RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR and RTMGRP_IPV6_ROUTE of <linux/rtnetlink.h>.
_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
# One change of an interface is told in dozens of messages; a new IPv6 address is usable after a second (RFC 4862 5.4).
_SETTLE: Final = 0.5
_POLL: Final = 5.0
# Reserved for documentation (RFC 5737, RFC 3849): somewhere in the world, and nothing is sent there.
AWAY: Final = ("192.0.2.1", "2001:db8::1")


def way_to(host: str) -> str | None:
    """The address that the system would use toward a host, ``None`` when there is no way to it."""
    try:
        return local_address(host)
    except OSError:
        return None


class NetworkMonitor:
    """Calls ``changed()`` when the machine may have another way to the world, at most twice a second.

    Args:
        changed: Called in the event loop.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._pending: asyncio.TimerHandle | None = None
        self._socket = _netlink()
        self._seen = _addresses()
        if self._socket is None:
            self._pending = self._loop.call_later(_POLL, self._look)
            return
        try:
            self._loop.add_reader(self._socket, self._read)
        except NotImplementedError:
            # The network of the tests is in memory: what becomes of the machine's does not concern it.
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Look no more."""
        if self._pending is not None:
            self._pending.cancel()
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        assert self._socket is not None  # noqa: S101
        try:
            while True:
                self._socket.recv(65536)
        except BlockingIOError:
            pass
        except OSError as error:
            # ENOBUFS: more has happened than the socket could hold, so something did.
            logger.debug("netlink: %s", os.strerror(error.errno or 0))
        if self._pending is None:
            self._pending = self._loop.call_later(_SETTLE, self._settled)

    def _settled(self) -> None:
        self._pending = None
        self._changed()

    def _look(self) -> None:
        self._pending = self._loop.call_later(_POLL, self._look)
        seen, self._seen = self._seen, _addresses()
        if seen != self._seen:
            self._changed()


def _addresses() -> tuple[str | None, ...]:
    return tuple(way_to(host) for host in AWAY)


def _netlink() -> socket.socket | None:
    if sys.platform != "linux":
        return None
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    except OSError as error:  # A sandbox may forbid it.
        logger.info("changes of the network are looked for every %g s: no netlink (%s)", _POLL, error)
        return None
    sock.bind((0, _GROUPS))
    return sock
