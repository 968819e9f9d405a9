"""A network in memory, deterministic by its seed, for ``VirtualClockLoop``; its connections are in ``stream_network``.

One host that owns every IP address: whatever address is bound exists, and a socket on ``0.0.0.0`` or ``::`` is
reachable under every address of its family on which nobody else listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import random
import socket
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from aiosipreg.testing.link import Delay, Faults, arrivals

__all__ = ["Address", "VirtualNetwork", "literal", "socket_address", "source_host"]

Address: TypeAlias = tuple[str, int]
"""An IP address as text, without brackets, and a port."""

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104
_LARGEST_DATAGRAM = 65507
_FIRST_EPHEMERAL_PORT = 49152


@dataclass(frozen=True, slots=True)
class _Path:
    """A pair of ends; an end is a host, a host with a port, or anything (``None``)."""

    source: str | Address | None
    destination: str | Address | None

    def covers(self, source: Address, destination: Address) -> bool:
        return _is_at(self.source, source) and _is_at(self.destination, destination)


def _is_at(end: str | Address | None, address: Address) -> bool:
    if end is None:
        return True
    return address[0] == end if isinstance(end, str) else address == end


class VirtualNetwork:
    """Carries datagrams and connections between the endpoints of one ``VirtualClockLoop``.

    Connections feel its faults as TCP does: what is lost comes later, nothing is doubled or out of order, and a path
    that stays silent ends them after a quarter of an hour.

    The same seed and the same program give the same losses, delays and order.

    Attributes:
        faults: What happens on every path that has nothing of its own; may be replaced at any time.
        sent: How many datagrams were sent so far.
        lost: How many of them never arrived.
    """

    def __init__(
        self,
        loss: float = 0.0,
        delay: Delay = 0.0,
        reorder: float = 0.0,
        duplicate: float = 0.0,
        *,
        seed: int = 0,
    ) -> None:
        """See ``Faults`` for the meaning of the shares and of ``delay``.

        Args:
            loss: Share of datagrams lost, each way.
            delay: Seconds each way, or a range.
            reorder: Share of datagrams held back.
            duplicate: Share of datagrams that arrive twice.
            seed: Where the randomness starts.
        """
        self.faults = Faults(loss, delay, reorder, duplicate)
        self.sent = 0
        self.lost = 0
        self._chance = random.Random(seed)
        self._paths: dict[_Path, Faults] = {}
        self._endpoints: dict[Address, VirtualDatagramTransport] = {}
        self._next_port = _FIRST_EPHEMERAL_PORT

    def shape(
        self,
        faults: Faults | None,
        *,
        source: str | Address | None = None,
        destination: str | Address | None = None,
    ) -> None:
        """Give one direction its own faults, for what is sent from now on; the newest matching rule counts.

        Args:
            faults: What happens there; ``None`` takes the rule for exactly this direction away.
            source: Where datagrams come from: a host, a host and port, or ``None`` for anywhere.
            destination: Where they go, in the same form.
        """
        path = _Path(source, destination)
        self._paths.pop(path, None)
        if faults is not None:
            self._paths[path] = faults

    def partition(self, one: str | Address, other: str | Address | None = None) -> None:
        """Let nothing through between two ends, in both directions, until ``heal``.

        Args:
            one: A host, or a host and port.
            other: The other end; ``None`` cuts ``one`` off from everybody.
        """
        self.shape(Faults(silence=True), source=one, destination=other)
        self.shape(Faults(silence=True), source=other, destination=one)

    def heal(self) -> None:
        """Drop every rule of ``shape`` and ``partition``; ``faults`` stays."""
        self._paths.clear()

    def open(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.DatagramProtocol,
        local: Address,
        remote: Address | None,
    ) -> VirtualDatagramTransport:
        """Bind an endpoint; ``VirtualClockLoop.create_datagram_endpoint`` calls this.

        Args:
            loop: The loop that the protocol lives on.
            protocol: Who receives; it is connected in a later turn of the loop.
            local: Address to bind; port 0 takes a free one.
            remote: The only peer of a connected endpoint.

        Raises:
            OSError: The address is in use.
        """
        host, port = local
        if remote is not None and host in _WILDCARDS:
            host = source_host(host, remote[0])
        address = (host, port or self._free_port(host))
        if address in self._endpoints:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        transport = VirtualDatagramTransport(self, loop, protocol, address, remote)
        self._endpoints[address] = transport
        loop.call_soon(protocol.connection_made, transport)
        return transport

    def _free_port(self, host: str) -> int:
        for _ in range(65536 - _FIRST_EPHEMERAL_PORT):
            port = self._next_port
            self._next_port = port + 1 if port < 65535 else _FIRST_EPHEMERAL_PORT
            if not any((taken, port) in self._endpoints for taken in (host, *_WILDCARDS)):
                return port
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

    def _close(self, transport: VirtualDatagramTransport) -> None:
        del self._endpoints[transport.address]

    def arrivals(self, source: Address, destination: Address, now: float) -> tuple[float, ...]:
        """When what is sent now from one address to another arrives; empty when it never does.

        Args:
            source: Where it comes from.
            destination: Where it goes.
            now: Time of sending in seconds.
        """
        return arrivals(self._faults_on(source, destination), self._chance, now)

    def _faults_on(self, source: Address, destination: Address) -> Faults:
        for path in reversed(self._paths):
            if path.covers(source, destination):
                return self._paths[path]
        return self.faults

    def _carry(self, sender: VirtualDatagramTransport, data: bytes, destination: Address) -> None:
        loop = sender.loop
        source = (source_host(sender.address[0], destination[0]), sender.address[1])
        now = loop.time()
        times = self.arrivals(source, destination, now)
        self.sent += 1
        self.lost += not times
        for at in times:
            if at > now:
                loop.call_at(at, self._arrive, sender, data, source, destination)
            else:
                loop.call_soon(self._arrive, sender, data, source, destination)

    def _arrive(self, sender: VirtualDatagramTransport, data: bytes, source: Address, destination: Address) -> None:
        receiver = self._endpoints.get(destination)
        if receiver is None:
            wildcard = "::" if ":" in destination[0] else "0.0.0.0"  # noqa: S104
            receiver = self._endpoints.get((wildcard, destination[1]))
        if receiver is not None and receiver.remote in (None, source):
            receiver.protocol.datagram_received(data, socket_address(source))
        elif sender.remote is not None and not sender.is_closing():
            # Only a connected socket is told about the ICMP message.
            sender.protocol.error_received(ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)))


class VirtualDatagramTransport(asyncio.DatagramTransport):
    """One bound endpoint of a ``VirtualNetwork``, behaving as the transports of asyncio do.

    Attributes:
        loop: The loop its protocol lives on.
        protocol: Who receives.
        address: Where it is bound.
        remote: Its only peer, ``None`` for an endpoint that is not connected.
    """

    def __init__(
        self,
        network: VirtualNetwork,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.DatagramProtocol,
        address: Address,
        remote: Address | None,
    ) -> None:
        extra: dict[str, Any] = {"sockname": socket_address(address)}
        if remote is not None:
            extra["peername"] = socket_address(remote)
        super().__init__(extra)
        self.loop = loop
        self.protocol = protocol
        self.address = address
        self.remote = remote
        self._network = network
        self._closing = False

    def sendto(self, data: bytes | bytearray | memoryview, addr: Any = None) -> None:
        """Send one datagram; a closed endpoint sends nothing.

        What the system would refuse goes to ``error_received`` within the call, as in asyncio: a datagram that is too
        large, another address family, a name (nothing is looked up here).

        Raises:
            ValueError: No address on an endpoint without a peer, or another one than the peer.
        """
        destination = self.remote if addr is None else (literal(addr[0]) or addr[0], int(addr[1]))
        if destination is None or self.remote not in (None, destination):
            raise ValueError(f"Invalid address: must be None or {self.remote}")
        if self._closing:
            return
        error = self._refusal(data, destination[0])
        if error is not None:
            self.protocol.error_received(error)
        else:
            self._network._carry(self, bytes(data), destination)

    def _refusal(self, data: bytes | bytearray | memoryview, host: str) -> OSError | None:
        if literal(host) is None:
            return socket.gaierror(socket.EAI_NONAME, f"an endpoint sends to IP addresses only, not to {host!r}")
        if (":" in host) != (":" in self.address[0]):
            return OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        if len(data) > _LARGEST_DATAGRAM:
            return OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        return None

    def close(self) -> None:
        """Unbind at once; ``connection_lost`` follows in the next turn of the loop."""
        if not self._closing:
            self._closing = True
            self._network._close(self)
            self.loop.call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        """The same as ``close``: there is no send buffer."""
        self.close()

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self._closing

    def get_protocol(self) -> asyncio.DatagramProtocol:
        """Who receives."""
        return self.protocol


def socket_address(address: Address) -> tuple[Any, ...]:
    """The tuple that a real socket reports: four entries for IPv6."""
    return (*address, 0, 0) if ":" in address[0] else address


@lru_cache(maxsize=1024)
def source_host(bound: str, destination: str) -> str:
    """The address that the kernel chooses for a socket on a wildcard when it sends to an address of its own host."""
    if bound not in _WILDCARDS:
        return bound
    if destination in _WILDCARDS or ipaddress.ip_address(destination).is_loopback:
        return "::1" if ":" in bound else "127.0.0.1"
    return destination


@lru_cache(maxsize=1024)
def literal(host: str) -> str | None:
    """An IP address in its usual spelling, 127.0.0.1 for ``localhost``, ``None`` for any other name."""
    if host == "localhost":
        return "127.0.0.1"
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(host))
    return None
