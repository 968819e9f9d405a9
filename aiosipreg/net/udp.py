"""UDP: one socket per address family and core (floor 3; RFC 3261 18, RFC 3581, RFC 5626 8)."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from typing import TYPE_CHECKING, Any, Final, cast

from aiosipreg.engine.effects import Flow
from aiosipreg.errors import ParseError
from aiosipreg.net.handler import hand_over
from aiosipreg.net.icmp import ErrorQueue
from aiosipreg.net.sockets import (
    any_host,
    bound_socket,
    duplicate,
    local_address,
    make_room,
    mark,
    plain_host,
    version_of,
)
from aiosipreg.wire import parse_message

if TYPE_CHECKING:
    from aiosipreg.engine.targets import Target
    from aiosipreg.net.handler import MessageHandler
    from aiosipreg.net.sockets import Address
    from aiosipreg.net.stats import Stats
    from aiosipreg.settings import TlsParams, TransportParams

__all__ = ["UdpTransport"]

logger = logging.getLogger("aiosipreg.udp")

_LONGEST: Final = 65_535
_MOST_AT_ONCE: Final = 64
_UNBROKEN: Final = {4: 1472, 6: 1452}  # what an Ethernet frame has room for
_ROUTE_KEPT: Final = 1.0
_BLANK: Final = b"\r\n\0"
_CLOSED: Final = "the socket is closed"
_BRANCH: Final = re.compile(rb";branch=(z9hG4bK[0-9a-z]+)")


class UdpTransport:
    """The UDP sockets of one core, opened when the first target of their address family is used."""

    def __init__(self, params: TransportParams, handler: MessageHandler, stats: Stats) -> None:
        self._params = params
        self._handler = handler
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._endpoints: dict[int, _Endpoint] = {}
        self._opening: dict[int, asyncio.Lock] = {}
        self._flows: dict[Target, Flow] = {}
        self._flows_until = 0.0

    def flow(self, target: Target, _tls: TlsParams | None = None) -> Flow | None:
        """The flow to a target whose socket is open, ``None`` if `open` has to be awaited first.

        It has the local address that the system would use toward the target (REG-11, N3 of every NAT complaint).

        Raises:
            OSError: There is no route to the target.
        """
        now = self._loop.time()
        if now >= self._flows_until:
            # Routes change, but what thousands of accounts ask at the same time is asked once.
            self._flows, self._flows_until = {}, now + _ROUTE_KEPT
        flow = self._flows.get(target)
        if flow is None:
            version = version_of(target.host)
            endpoint = self._endpoints.get(version)
            if endpoint is None:
                return None
            host = self._params.local_address(version) or local_address(target.host)
            flow = self._flows[target] = Flow(target, host, endpoint._port)
        return flow

    async def open(self, target: Target, _tls: TlsParams | None = None) -> Flow:
        """The flow to a target, opening the socket if need be.

        Raises:
            OSError: The socket cannot be bound, or there is no route to the target.
        """
        version = version_of(target.host)
        async with self._opening.setdefault(version, asyncio.Lock()):
            if version not in self._endpoints:
                self._endpoints[version] = await self._bind(version)
        flow = self.flow(target)
        if flow is None:
            raise OSError(_CLOSED)
        return flow

    def way(self, target: Target) -> Flow | None:
        """The flow to a target as above, ``None`` without a route too."""
        try:
            return self.flow(target)
        except OSError:
            return None

    def send(self, flow: Flow, data: bytes) -> None:
        """Send one datagram.

        Raises:
            OSError: The system refused it at once, or the socket is closed.
        """
        target = flow.target
        endpoint = self._endpoints.get(version_of(target.host))
        if endpoint is None:
            raise OSError(_CLOSED)
        endpoint.send(data, (target.host, target.port))

    def receiving(self, _serial: int) -> bool:
        """A datagram is there as a whole or not at all."""
        return False

    def fail(self, serial: int, cause: str) -> None:
        """There is no connection that could be ended."""

    def hang_up(self, serial: int, cause: str) -> None:
        """Nor one that could be closed: the socket is that of all accounts."""

    def doubt(self, serial: int, since: float) -> None:
        """There is no connection that could be replaced."""

    def use(self, serial: int, *, in_use: bool) -> None:
        """A socket is kept for as long as the core runs, so it does not matter who uses it."""

    def forget(self) -> None:
        """Ask anew which local address leads to a target: the network has changed."""
        self._flows_until = 0.0

    async def close(self) -> None:
        """Close the sockets."""
        for endpoint in self._endpoints.values():
            endpoint.close()
        self._endpoints.clear()
        self._flows.clear()

    async def _bind(self, version: int) -> _Endpoint:
        local = self._params.local_address(version) or any_host(version), self._params.udp or 0
        loop = asyncio.get_running_loop()

        def make() -> _Endpoint:
            return _Endpoint(version, self._params.dscp, self._handler, self._stats)

        if local[1]:
            sock = bound_socket(version, socket.SOCK_DGRAM, local)
            try:
                return (await loop.create_datagram_endpoint(make, sock=sock))[1]
            except NotImplementedError:
                sock.close()  # The network of the tests has no real sockets.
        return (await loop.create_datagram_endpoint(make, local_addr=local))[1]


class _Endpoint(asyncio.DatagramProtocol):
    """One socket: reads datagrams, tells SIP from the rest, never raises into the loop (ROB-8)."""

    transport: asyncio.DatagramTransport

    def __init__(self, version: int, dscp: int, handler: MessageHandler, stats: Stats) -> None:
        self._port = 0
        self._version = version
        self._unbroken = _UNBROKEN[version]
        self._dscp = dscp
        self._handler = handler
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        # The transport's own socket: a turn of the event loop and a call of the transport cost more than a datagram.
        self._socket: socket.socket | None = None
        self._errors: ErrorQueue | None = None
        self._refusal: Exception | None = None
        # What is to leave when all that has come in is taken; ``None`` while it leaves at once.
        self._held: list[tuple[bytes, Address]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        reading: Any = transport
        if hasattr(reading, "max_size"):
            # asyncio reads into 256 KiB, which the allocator gives back to the system after every datagram.
            reading.max_size = _LONGEST
        self._port = transport.get_extra_info("sockname")[1]
        sock = transport.get_extra_info("socket")
        mark(sock, self._version, self._dscp)
        self._socket = duplicate(sock)
        make_room(self._socket)
        self._errors = ErrorQueue.of(sock, self._version)

    def send(self, data: bytes, address: Address) -> None:
        if self._held is not None:
            self._held.append((data, address))
            return
        if len(data) > self._unbroken:
            logger.info("%d octets to %s go in fragments, which get lost easily", len(data), address)
        if self._socket is None:
            self._send_by_transport(data, address)
            return
        try:
            self._socket.sendto(data, address)
        except BlockingIOError:
            # The transport keeps it until there is room.
            self._send_by_transport(data, address)
        except OSError:
            if not self._read_errors():
                raise
            # The system did not send this datagram but told of the fate of an earlier one.
            self._send_by_transport(data, address)

    def _send_by_transport(self, data: bytes, address: Address) -> None:
        if self.transport.is_closing():
            raise OSError(_CLOSED)
        # asyncio reports what sendto() raised through error_received, within the call.
        self._refusal = None
        self.transport.sendto(data, address)
        if self._refusal is not None:
            raise OSError(str(self._refusal)) from self._refusal

    def error_received(self, exc: Exception) -> None:
        if not self._read_errors():
            self._refusal = exc

    def _read_errors(self) -> bool:
        """Take what the system tells of datagrams that were sent before; return whether it told anything."""
        reports = self._errors.read() if self._errors is not None else []
        for report in reports:
            self._stats.dropped["icmp"] += 1
            if report.cause is not None:
                self._report_lost(report.quoted, report.cause)
        return bool(reports)

    def _report_lost(self, data: bytes, cause: str) -> None:
        # Anybody can forge an ICMP message, but not the branch of a request that he did not see.
        branch = _BRANCH.search(data)
        if branch is not None:
            # Later, because this may be called within a send.
            self._loop.call_soon(self._handler.request_lost, branch[1].decode(), cause)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()
        if self._errors is not None:
            self._errors.close()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take a datagram, and those that came with it; after some the other sockets have their turn.

        What they make us send leaves together behind them: a system that has to wake the far end, or a part of itself,
        for each datagram takes several times as long.
        """
        held: list[tuple[bytes, Address]] = []
        self._held = held
        try:
            self._take_all(data, addr)
        finally:
            self._held = None
        for datagram, address in held:
            try:
                self.send(datagram, address)
            except OSError as error:
                logger.debug("a datagram to %s was not sent: %s", address, error)
                self._report_lost(datagram, str(error))

    def _take_all(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)
        for _ in range(_MOST_AT_ONCE):
            if self._socket is None:
                return
            try:
                data, addr = self._socket.recvfrom(_LONGEST)
            except BlockingIOError:
                return
            except OSError as error:
                self.error_received(error)
                return
            self._take(data, addr)

    def _take(self, data: bytes, addr: Address) -> None:
        source = addr if self._version == 4 else (plain_host(addr), addr[1])
        if data[:1] in _BLANK and not data.strip(_BLANK):
            self._stats.dropped["keep-alive"] += 1
            return
        if data[0] < 2:
            # RFC 5626 8: the first octet of STUN is 0 or 1, which no SIP message begins with (TRA-16).
            if not self._handler.stun_received(data, source):
                self._stats.dropped["stun"] += 1
            return
        try:
            message = parse_message(data)
        except ParseError as error:
            self._stats.dropped["malformed"] += 1
            logger.debug("dropped %d octets from %s: %s", len(data), source, error)
            return
        hand_over(message, source, 0, self.send, handler=self._handler, stats=self._stats, logger=logger)
