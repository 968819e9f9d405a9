"""Connections in memory, for ``VirtualClockLoop``: what TCP makes of the paths of a ``VirtualNetwork``.

Octets arrive in order and whole. What a path loses is sent again after 0.2 s, then 0.4 s and so on, as TCP does; a path
that stays silent ends the connection after a quarter of an hour. A port without a listener refuses, and a connection
that was aborted resets its peer, both as soon as the path lets them know.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from aiosipreg.testing.network import socket_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.testing.network import Address, VirtualNetwork

__all__ = ["StreamNetwork", "VirtualServer", "VirtualStreamTransport"]

_CONNECT_AGAIN = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_SEND_AGAIN = (*(0.2 * 2**n for n in range(10)), *[120.0] * 6)
_WINDOW = 256 * 1024
"""Octets that the systems on both sides hold for a peer that does not read; the rest waits in the transport."""


def _error(kind: type[OSError], number: int) -> OSError:
    return kind(number, os.strerror(number))


class StreamNetwork:
    """The listeners of one loop, and the way to them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, network: VirtualNetwork) -> None:
        """Made by the loop.

        Args:
            loop: What all protocols live on.
            network: Whose paths are used.
        """
        self.loop = loop
        self.network = network
        self._servers: dict[Address, VirtualServer] = {}
        self._ports = itertools.cycle(range(49152, 65536))

    def listen(self, factory: Callable[[], asyncio.BaseProtocol], address: Address) -> VirtualServer:
        """Take connections.

        Args:
            factory: Makes a protocol for each.
            address: Where; port 0 takes a free one.

        Raises:
            OSError: The address is in use.
        """
        host, port = address
        while not port or (host, port) in self._servers:
            if port and address[1]:
                raise _error(OSError, errno.EADDRINUSE)
            port = next(self._ports)
        server = self._servers[host, port] = VirtualServer(self, factory, (host, port))
        return server

    def has(self, server: VirtualServer) -> bool:
        """Whether a listener is there."""
        return self._servers.get(server.address) is server

    def leave(self, server: VirtualServer) -> None:
        """Take a listener away."""
        if self.has(server):
            del self._servers[server.address]

    async def connect(self, protocol: asyncio.BaseProtocol, local: Address, remote: Address) -> VirtualStreamTransport:
        """Connect to a listener.

        Args:
            protocol: The protocol of this side.
            local: This side; port 0 takes a free one.
            remote: The listener.

        Raises:
            ConnectionRefusedError: Nobody listens there.
            TimeoutError: No path for more than two minutes.
        """
        source = (local[0], local[1] or next(self._ports))
        for pause in _CONNECT_AGAIN:
            there = self.network.arrivals(source, remote, self.loop.time())
            back = self.network.arrivals(remote, source, there[0]) if there else ()
            if back:
                await asyncio.sleep(back[0] - self.loop.time())
                transport = self._connected(protocol, source, remote)
                # One turn, so that connection_made has been called when the caller goes on.
                await asyncio.sleep(0)
                return transport
            await asyncio.sleep(pause)
        raise _error(TimeoutError, errno.ETIMEDOUT)

    def _connected(self, protocol: asyncio.BaseProtocol, source: Address, remote: Address) -> VirtualStreamTransport:
        wildcard = "::" if ":" in remote[0] else "0.0.0.0"  # noqa: S104
        server = self._servers.get(remote) or self._servers.get((wildcard, remote[1]))
        if server is None:
            raise _error(ConnectionRefusedError, errno.ECONNREFUSED)
        ours = VirtualStreamTransport(self, protocol, source, remote)
        theirs = VirtualStreamTransport(self, server.factory(), remote, source)
        ours.peer, theirs.peer = theirs, ours
        for transport in (theirs, ours):
            self.loop.call_soon(transport.get_protocol().connection_made, transport)
        return ours


class VirtualServer(asyncio.AbstractServer):
    """A listener.

    Attributes:
        factory: Makes a protocol for each connection.
        address: Where it listens.
    """

    def __init__(self, streams: StreamNetwork, factory: Callable[[], asyncio.BaseProtocol], address: Address) -> None:
        self.factory = factory
        self.address = address
        self._streams = streams

    @property
    def sockets(self) -> tuple[VirtualServer]:
        """Itself, since it knows its ``getsockname``."""
        return (self,)

    def getsockname(self) -> tuple[Any, ...]:
        """Where it listens, as a socket tells it."""
        return socket_address(self.address)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of its connections."""
        return self._streams.loop

    def is_serving(self) -> bool:
        """Whether it takes connections."""
        return self._streams.has(self)

    async def start_serving(self) -> None:
        """It does so from the start."""

    async def serve_forever(self) -> None:
        """Wait until this is cancelled, and close."""
        try:
            await self.get_loop().create_future()
        finally:
            self.close()

    def close(self) -> None:
        """Listen no more; connections stay."""
        self._streams.leave(self)

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""


class _Way:
    """One direction of a connection: what is sent happens at the other end, in order."""

    def __init__(self, streams: StreamNetwork, source: Address, destination: Address, lost: Callable[[], None]) -> None:
        self._loop = streams.loop
        self._network = streams.network
        self._ends = (source, destination)
        self._lost = lost
        self._waiting: deque[Callable[[], None]] = deque()
        self._under_way: deque[tuple[float, Callable[[], None]]] = deque()
        self._pauses = iter(_SEND_AGAIN)
        self._retry: asyncio.TimerHandle | None = None
        self._arrival = 0.0

    def send(self, event: Callable[[], None]) -> None:
        self._waiting.append(event)
        if self._retry is None:
            self._go()

    def _go(self) -> None:
        self._retry = None
        while self._waiting:
            times = self._network.arrivals(*self._ends, self._loop.time())
            if not times:
                pause = next(self._pauses, None)
                if pause is None:
                    self._waiting.clear()
                    self._lost()
                else:
                    self._retry = self._loop.call_later(pause, self._go)
                return
            self._pauses = iter(_SEND_AGAIN)
            self._arrival = max(self._arrival, times[0])
            self._under_way.append((self._arrival, self._waiting.popleft()))
            if len(self._under_way) == 1:
                self._wait()

    def _wait(self) -> None:
        at = self._under_way[0][0]
        if at > self._loop.time():
            self._loop.call_at(at, self._arrive)
        else:
            self._loop.call_soon(self._arrive)

    def _arrive(self) -> None:
        self._under_way.popleft()[1]()
        if self._under_way:
            self._wait()


class VirtualStreamTransport(asyncio.Transport):
    """One end of a connection, behaving as the transports of asyncio do.

    Attributes:
        peer: The other end.
    """

    _start_tls_compatible = True
    peer: VirtualStreamTransport

    def __init__(
        self, streams: StreamNetwork, protocol: asyncio.BaseProtocol, address: Address, remote: Address
    ) -> None:
        super().__init__({"sockname": socket_address(address), "peername": socket_address(remote)})
        self._loop = streams.loop
        self._protocol = cast("asyncio.Protocol", protocol)
        self._way = _Way(streams, address, remote, lambda: self._end(_error(TimeoutError, errno.ETIMEDOUT)))
        self._inbox: deque[bytes | None] = deque()
        self._unread = 0
        self._reading = True
        self._closing = False
        self._gone = False
        self._eof_sent = False
        self._writing_paused = False
        self.set_write_buffer_limits()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who receives."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another one receive."""
        self._protocol = cast("asyncio.Protocol", protocol)

    def is_closing(self) -> bool:
        """Whether it was closed, from here or from there."""
        return self._closing

    def is_reading(self) -> bool:
        """Whether what arrives is given to the protocol."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Give the protocol nothing, so that the buffers fill up to the peer."""
        self._reading = False

    def resume_reading(self) -> None:
        """Give the protocol what has arrived and what will."""
        self._reading = True
        self._loop.call_soon(self._read)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When the protocol is told to pause and to go on, in octets that wait in the transport."""
        self._high = 64 * 1024 if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high."""
        return (self._low, self._high)

    def get_write_buffer_size(self) -> int:
        """Octets that the peer has not read and no system would hold for it."""
        return max(0, self._unread - _WINDOW)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send octets; a closed connection sends nothing.

        Raises:
            RuntimeError: After ``write_eof``.
        """
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data or self._closing:
            return
        octets = bytes(data)
        self._unread += len(octets)
        self._way.send(partial(self.peer._came, octets))
        if self.get_write_buffer_size() > self._high and not self._writing_paused:
            self._writing_paused = True
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        """It can."""
        return True

    def write_eof(self) -> None:
        """Send nothing more, and go on receiving."""
        if not self._eof_sent and not self._closing:
            self._eof_sent = True
            self._way.send(partial(self.peer._came, None))

    def close(self) -> None:
        """Close in good order, when the peer has read enough; ``connection_lost`` follows."""
        if not self._closing:
            self._closing = True
            if any(self._inbox):
                # What was not read will not be: the system tells the peer by a reset.
                self._force_close(None)
            elif not self.get_write_buffer_size():
                self._say_goodbye()

    def abort(self) -> None:
        """Reset the connection; ``connection_lost`` follows in the next turn of the loop."""
        self._force_close(None)

    def _force_close(self, exc: Exception | None) -> None:
        # The TLS of asyncio calls this one.
        if not self._gone:
            self._way.send(partial(self.peer._end, _error(ConnectionResetError, errno.ECONNRESET)))
            self._end(exc)

    def _say_goodbye(self) -> None:
        if not self._eof_sent:
            self._way.send(partial(self.peer._came, None))
        self._end(None)

    def _end(self, exc: Exception | None) -> None:
        self._closing = True
        self._inbox.clear()
        if not self._gone:
            self._gone = True
            self._loop.call_soon(self._protocol.connection_lost, exc)

    def _came(self, data: bytes | None) -> None:
        """Octets have arrived, or the end of them."""
        if self._gone and data is not None:
            # Nobody is there to take it, which the system tells the peer.
            self._way.send(partial(self.peer._end, _error(ConnectionResetError, errno.ECONNRESET)))
        elif not self._closing:
            self._inbox.append(data)
            self._read()
        elif data is not None:
            self.peer._was_read(len(data))

    def _read(self) -> None:
        while self._inbox and self.is_reading():
            data = self._inbox.popleft()
            if data is not None:
                self.peer._was_read(len(data))
                _deliver(self._protocol, data)
            elif not self._protocol.eof_received():
                self.close()

    def _was_read(self, octets: int) -> None:
        self._unread -= octets
        waiting = self.get_write_buffer_size()
        if self._writing_paused and waiting <= self._low and not self._gone:
            self._writing_paused = False
            self._protocol.resume_writing()
        if self._closing and not self._gone and not waiting:
            self._say_goodbye()


def _deliver(protocol: asyncio.BaseProtocol, data: bytes) -> None:
    if isinstance(protocol, asyncio.BufferedProtocol):
        while data:
            buffer = memoryview(protocol.get_buffer(len(data)))
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            protocol.buffer_updated(size)
            data = data[size:]
    else:
        cast("asyncio.Protocol", protocol).data_received(data)
