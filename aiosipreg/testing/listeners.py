"""What a registrar listens on: one port for each transport, and the connections that came in."""

from __future__ import annotations

import asyncio
import errno
import itertools
from collections import deque
from typing import TYPE_CHECKING

from aiosipreg import ConfigError
from aiosipreg.testing.connection import Connection
from aiosipreg.testing.datagrams import Datagrams
from aiosipreg.testing.flow import TRANSPORTS, Flow, Transport
from aiosipreg.testing.framing import web_socket_framing

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Iterable

    from aiosipreg.testing.breakage import StreamFaults
    from aiosipreg.testing.network import Address
    from aiosipreg.testing.registrar import Registrar

__all__ = ["Listeners"]

_ONE_NUMBER: tuple[Transport, ...] = ("udp", "tcp")
"""They share one port number: a request that is too large for UDP goes to the same port over TCP (RFC 3261 18.1.1)."""

_ENCRYPTED = ("tls", "wss")
_MOST_TRIES = 20
_GOODBYE = 1.0


class Listeners:
    """The ports of one registrar.

    Attributes:
        registrar: Whose they are.
        transports: What it listens on, in the order that it was asked for.
        ports: The port of each transport, as soon as it is known.
        datagrams: The UDP socket while it is open.
    """

    def __init__(
        self, registrar: Registrar, transports: Iterable[Transport], port: int, tls: ssl.SSLContext | None
    ) -> None:
        """Check what is asked for; nothing is opened yet.

        Raises:
            ConfigError: No transport or one that there is not, or one with TLS and no context for it.
            ModuleNotFoundError: The library for WebSocket is missing.
        """
        self.transports = tuple(dict.fromkeys(transports))
        if not self.transports or not set(self.transports) <= set(TRANSPORTS):
            raise ConfigError("transports", self.transports, f"some of {', '.join(TRANSPORTS)}")
        if tls is None and not set(self.transports).isdisjoint(_ENCRYPTED):
            raise ConfigError("tls", None, "an ssl.SSLContext with a certificate, for the transports tls and wss")
        if not {"ws", "wss"}.isdisjoint(self.transports):
            web_socket_framing()
        self.ports: dict[Transport, int] = {self.transports[0]: port} if port else {}
        self.datagrams: Datagrams | None = None
        self.registrar = registrar
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self._connections: dict[int, Connection] = {}
        self._numbers = itertools.count(1)
        self._broken: deque[StreamFaults] = deque()

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Those that have not ended, oldest first."""
        return tuple(connection for connection in self._connections.values() if connection.is_open)

    def break_next(self, faults: StreamFaults, times: int) -> None:
        """See ``Registrar``."""
        self._broken.extend([faults] * times)

    def connection(self, flow: Flow) -> Connection:
        """The connection of a flow.

        Raises:
            LookupError: It is gone.
        """
        connection = self._connections.get(flow.connection)
        if connection is None or not connection.is_open:
            raise LookupError(f"connection {flow.connection} with {flow.peer[0]}:{flow.peer[1]} is gone")
        return connection

    def send_datagram(self, data: bytes, address: Address) -> None:
        """Send over UDP, as the faults have it.

        Raises:
            LookupError: It does not listen on UDP.
        """
        if self.datagrams is None:
            raise LookupError("this registrar does not listen on udp")
        self.datagrams.send(data, address)

    def connected(self, connection: Connection) -> None:
        """A connection came in."""
        self._connections[connection.flow.connection] = connection

    def disconnected(self, connection: Connection) -> None:
        """It is gone."""
        del self._connections[connection.flow.connection]

    async def open(self, host: str, chance: random.Random) -> None:
        """Listen on everything, or on nothing.

        Raises:
            OSError: A port is in use.
        """
        asked = dict(self.ports)
        tries_left = _MOST_TRIES
        while True:
            try:
                for transport in self.transports:
                    await self._listen(transport, host, chance)
            except OSError as error:
                await self.close()
                self.ports = dict(asked)
                tries_left -= 1
                # The system gives numbers that are free over one transport; over the other one it may be taken.
                if asked or error.errno != errno.EADDRINUSE or not tries_left:
                    raise
            else:
                return

    async def close(self) -> None:
        """Stop listening and end all connections, within a second or so."""
        for server in self._servers:
            server.close()
        for connection in self.connections:
            connection.close()
        waiting = [asyncio.ensure_future(connection.lost()) for connection in self._connections.values()]
        if waiting:
            # A peer that does not take part in the goodbye of TLS, or does not read, is not waited for.
            await asyncio.wait(waiting, timeout=_GOODBYE)
            for connection in tuple(self._connections.values()):
                connection.abort()
            await asyncio.wait(waiting)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        datagrams, self.datagrams = self.datagrams, None
        if datagrams is not None:
            await datagrams.close()

    async def _listen(self, transport: Transport, host: str, chance: random.Random) -> None:
        loop = asyncio.get_running_loop()
        port = self.ports.get(transport, 0)
        if not port and transport in _ONE_NUMBER:
            port = next((self.ports[other] for other in _ONE_NUMBER if other in self.ports), 0)
        if transport == "udp":
            endpoint, self.datagrams = await loop.create_datagram_endpoint(
                lambda: Datagrams(self.registrar, chance), local_addr=(host, port)
            )
            name = endpoint.get_extra_info("sockname")
        else:
            server = await loop.create_server(lambda: self._accepted(transport), host, port)
            self._servers.append(server)
            name = server.sockets[0].getsockname()
        self.ports[transport] = name[1]

    def _accepted(self, transport: Transport) -> Connection:
        own = self._broken.popleft() if self._broken else None
        tls = self._tls if transport in _ENCRYPTED else None
        return Connection(self, transport, next(self._numbers), tls, own)
