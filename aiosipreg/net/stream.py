"""TCP: the connections of one core, each shared by all accounts that may share it (floor 3; RFC 3261 18, RFC 5923)."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

from aiosipreg.engine.targets import Transport
from aiosipreg.net.connection import Connection
from aiosipreg.net.failure import TransportFailure
from aiosipreg.net.sockets import any_host, bound_socket, mark, version_of

if TYPE_CHECKING:
    from aiosipreg.engine.effects import Flow
    from aiosipreg.engine.targets import Target
    from aiosipreg.net.handler import MessageHandler
    from aiosipreg.net.stats import Stats
    from aiosipreg.settings import TransportParams

__all__ = ["StreamTransport"]

logger = logging.getLogger("aiosipreg.stream")

CONNECTED_WITHIN: Final = 5.0
"""Seconds for the connection (TRA-14)."""

MOST_CONNECTIONS: Final = 10_000

_Place = tuple[Transport, str, int]


class StreamTransport:
    """Opens connections when they are needed, and knows those that are there.

    Args:
        params: Local addresses.
        idle: Seconds after its last use that a connection is kept when nobody uses it (TRA-11).
        handler: Takes what comes in.
        stats: Counters to keep.
    """

    def __init__(self, params: TransportParams, idle: float, handler: MessageHandler, stats: Stats) -> None:
        self._params = params
        self._idle = idle
        self._handler = handler
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._serials = itertools.count(1)
        self._connections: dict[int, Connection] = {}
        self._places: dict[_Place, Connection] = {}
        self._opening: dict[_Place, asyncio.Task[Connection]] = {}

    def flow(self, target: Target) -> Flow | None:
        """The flow to a target that is connected, ``None`` if `open` has to be awaited first."""
        connection = self._places.get(_place(target))
        return connection.flow(target) if connection is not None and connection.usable else None

    async def open(self, target: Target) -> Flow:
        """The flow to a target, connecting if need be. Cancelling the wait leaves the attempt to others who wait.

        Raises:
            OSError: There is no connection within the time limits, or no more may be opened.
        """
        flow = self.flow(target)
        if flow is not None:
            return flow
        task = self._opening.get(_place(target))
        if task is None:
            task = self._start(target)
        # `wait` cancels nothing when it ends: the task is shared.
        await asyncio.wait((task,))
        if task.cancelled():
            raise OSError("the transport is closed")
        return task.result().flow(target)

    def send(self, flow: Flow, data: bytes) -> None:
        """Send one message.

        Raises:
            OSError: The connection is gone, or it takes no more.
        """
        connection = self._connections.get(flow.serial)
        if connection is None:
            raise TransportFailure("the connection is closed", "RSP-CLOSE")
        connection.send(data)

    def use(self, serial: int, *, in_use: bool) -> None:
        """Note whether anybody uses a connection: one that nobody uses is closed after a while (TRA-11)."""
        connection = self._connections.get(serial)
        if connection is not None:
            connection.use(in_use=in_use)

    async def close(self) -> None:
        """Close all connections, politely but within a second; idempotent."""
        connections, opening = list(self._connections.values()), list(self._opening.values())
        for task in opening:
            task.cancel()
        try:
            for connection in connections:
                connection.close("the transport is closed")
            ends: list[asyncio.Future[Any]] = [*opening, *(connection.gone for connection in connections)]
            if ends:
                await asyncio.wait(ends)
        finally:
            for connection in connections:
                connection.fail("the transport is closed")

    def _start(self, target: Target) -> asyncio.Task[Connection]:
        if len(self._connections) + len(self._opening) >= MOST_CONNECTIONS:
            raise OSError(f"there are {MOST_CONNECTIONS} connections already")
        place = _place(target)
        task = self._opening[place] = self._loop.create_task(self._connect(target))

        def done(task: asyncio.Task[Connection]) -> None:
            del self._opening[place]
            if not task.cancelled():
                task.exception()  # Or it counts as not seen by anybody, when all who waited have been cancelled.

        task.add_done_callback(done)
        return task

    async def _connect(self, target: Target) -> Connection:
        connection = Connection(
            next(self._serials),
            (target.host, target.port),
            idle=self._idle,
            handler=self._handler,
            stats=self._stats,
            lost=self._lost,
        )
        transport = await self._dial(target, connection)
        try:
            connection.begin(transport)
        except OSError:
            transport.abort()
            raise
        logger.debug("connection %d to %s is open", connection.serial, target)
        self._connections[connection.serial] = self._places[_place(target)] = connection
        return connection

    async def _dial(self, target: Target, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Connect by TCP (TRA-14)."""
        version = version_of(target.host)
        host, port = self._params.local_address(version), self._params.tcp
        try:
            async with asyncio.timeout(CONNECTED_WITHIN):
                if port:
                    transport = await self._dial_from((host or any_host(version), port), target, protocol)
                else:
                    local = (host, 0) if host else None
                    transport, _ = await self._loop.create_connection(
                        lambda: protocol, target.host, target.port, local_addr=local
                    )
        except TimeoutError:
            raise OSError(f"no connection within {CONNECTED_WITHIN:g} s") from None
        mark(transport.get_extra_info("socket"), version, self._params.dscp)
        return transport

    async def _dial_from(self, local: tuple[str, int], target: Target, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Connect from a fixed port, which connections to different targets share."""
        sock = bound_socket(version_of(target.host), socket.SOCK_STREAM, local, shared=True)
        try:
            await self._loop.sock_connect(sock, (target.host, target.port))
            return (await self._loop.create_connection(lambda: protocol, sock=sock))[0]
        except BaseException:
            sock.close()
            raise

    def _lost(self, connection: Connection, cause: str) -> None:
        self._connections.pop(connection.serial, None)
        for place in [place for place, known in self._places.items() if known is connection]:
            del self._places[place]
        self._handler.connection_lost(connection.serial, cause)


def _place(target: Target) -> _Place:
    return target.transport, target.host, target.port
