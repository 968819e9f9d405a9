"""TCP, TLS and WebSocket: the connections of a core, shared by the accounts that may (floor 3; RFC 3261 18)."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from aiosipreg.engine.targets import Transport
from aiosipreg.net.connection import CLOSED_WITHIN, Connection
from aiosipreg.net.failure import TransportFailure
from aiosipreg.net.sockets import any_host, bound_socket, give_up_after, mark, version_of
from aiosipreg.net.tls import Contexts, TlsError, handshake_failure, unverifying_context, verify
from aiosipreg.settings import TlsParams

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from aiosipreg.engine.effects import Flow
    from aiosipreg.engine.targets import Target
    from aiosipreg.net.handler import MessageHandler
    from aiosipreg.net.stats import Stats
    from aiosipreg.net.websocket import WebSocketConnection
    from aiosipreg.settings import TransportParams

__all__ = ["StreamTransport"]

logger = logging.getLogger("aiosipreg.stream")

CONNECTED_WITHIN: Final = 5.0
"""Seconds for the connection (TRA-14)."""

SECURED_WITHIN: Final = 5.0
"""Seconds for the TLS handshake (TRA-14)."""

MOST_CONNECTIONS: Final = 10_000

C = TypeVar("C", bound=Connection)
_Reached: TypeAlias = "tuple[asyncio.Transport, C, Callable[[str], bool]]"

_Place = tuple[Transport, str, int, TlsParams | None]
"""What connections have in common that accounts may share, if the certificate is for both their servers (TRA-10)."""


class _Line(NamedTuple):
    """A connection, the name it was opened for, and whether its certificate is for another name as well (TLS-7)."""

    connection: Connection
    name: str
    is_for: Callable[[str], bool]

    def serves(self, name: str) -> bool:
        return self.connection.usable and (name == self.name or self.is_for(name))


class StreamTransport:
    """Opens connections when they are needed, and knows those that are there.

    Args:
        params: Local addresses.
        timer_f: Seconds after its last use that a connection is kept when nobody uses it (TRA-11); one is given up when
            nothing is acknowledged for half as long, so that a request moves to another one before its time is over.
        handler: Takes what comes in.
        stats: Counters to keep.
    """

    def __init__(self, params: TransportParams, timer_f: float, handler: MessageHandler, stats: Stats) -> None:
        self._params = params
        self._timer_f = timer_f
        self._handler = handler
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._serials = itertools.count(1)
        # RFC 7118 5: the same for all connections, so that the Contact of an account stays when one is replaced.
        self._nowhere = f"{secrets.token_hex(8)}.invalid"
        self._contexts = Contexts()
        self._connections: dict[int, Connection] = {}
        self._lines: dict[_Place, list[_Line]] = {}
        self._opening: dict[tuple[_Place, str], asyncio.Task[Connection]] = {}
        self._tasks: set[asyncio.Task[Connection]] = set()
        self._refused: dict[Target, str] = {}

    def flow(self, target: Target, tls: TlsParams) -> Flow | None:
        """The flow to a target that is connected, ``None`` if `open` has to be awaited first."""
        lines = self._lines.get(_place(target, tls), ())
        return next((line.connection.flow(target) for line in lines if line.serves(target.name)), None)

    async def open(self, target: Target, tls: TlsParams) -> Flow:
        """The flow to a target, connecting if need be. Cancelling the wait leaves the attempt to others who wait.

        Raises:
            OSError: There is no connection within the time limits, or no more may be opened.
        """
        flow = self.flow(target, tls)
        if flow is not None:
            return flow
        task = self._opening.get(_attempt(target, tls)) or self._start(target, tls)
        # `wait` cancels nothing when it ends: the task is shared.
        await asyncio.wait((task,))
        if task.cancelled():
            raise OSError("the transport is closed")
        return task.result().flow(target)

    def way(self, _target: Target) -> Flow | None:
        """There is none for all: it depends on whom an account trusts by now, and what it shows of itself."""

    def send(self, flow: Flow, data: bytes) -> None:
        """Send one message.

        Raises:
            OSError: The connection is gone, or it takes no more.
        """
        connection = self._connections.get(flow.serial)
        if connection is None:
            raise TransportFailure("the connection is closed", "RSP-CLOSE")
        connection.send(data)

    def receiving(self, serial: int) -> bool:
        """Whether a message has begun to arrive on a connection and is not whole yet."""
        connection = self._connections.get(serial)
        return connection is not None and connection.receiving

    def fail(self, serial: int, cause: str) -> None:
        """End a connection at once, because it is dead; those who use it are told as ever."""
        connection = self._connections.get(serial)
        if connection is not None:
            connection.fail(cause)

    def hang_up(self, serial: int, cause: str) -> None:
        """End a connection politely, although it works; nobody gets it any more, and those who use it are told."""
        connection = self._connections.get(serial)
        if connection is not None:
            connection.close(cause)

    def doubt(self, serial: int, since: float) -> None:
        """Give a connection to nobody any more if nothing came in on it since then; who uses it may go on."""
        connection = self._connections.get(serial)
        if connection is None or connection.heard_at > since:
            return
        for place, lines in self._lines.items():
            self._lines[place] = [line for line in lines if line.connection is not connection]

    def use(self, serial: int, *, in_use: bool) -> None:
        """Note whether anybody uses a connection: one that nobody uses is closed after a while (TRA-11)."""
        connection = self._connections.get(serial)
        if connection is not None:
            connection.use(in_use=in_use)

    def forget(self) -> None:
        """Give nobody the connections that there are: they belong to the network as it was; who uses one may go on."""
        self._lines, self._opening = {}, {}

    async def close(self) -> None:
        """Close all connections, politely but within a second; idempotent."""
        connections, opening = list(self._connections.values()), list(self._tasks)
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

    def _start(self, target: Target, tls: TlsParams) -> asyncio.Task[Connection]:
        if len(self._connections) + len(self._tasks) >= MOST_CONNECTIONS:
            raise OSError(f"there are {MOST_CONNECTIONS} connections already")
        attempt, opening = _attempt(target, tls), self._opening
        task = opening[attempt] = self._loop.create_task(self._connect(target, tls, self._lines))
        self._tasks.add(task)

        def done(task: asyncio.Task[Connection]) -> None:
            del opening[attempt]
            self._tasks.discard(task)
            if not task.cancelled():
                # Asked for in any case: or it counts as not seen by anybody, when all who waited have been cancelled.
                self._tell(target, task.exception())

        task.add_done_callback(done)
        return task

    def _tell(self, target: Target, error: BaseException | None) -> None:
        """Log what became of an attempt; that a certificate is not accepted once, however many accounts meet it.

        An account that finds another server behind the same name does not tell of this one.
        """
        if error is None:
            self._refused.pop(target, None)
            return
        cause, level = str(error), logging.DEBUG
        if isinstance(error, TlsError) and error.row == "TLS-1" and self._refused.get(target) != cause:
            if len(self._refused) >= MOST_CONNECTIONS:
                self._refused.clear()
            self._refused[target], level = cause, logging.WARNING
        logger.log(level, "no connection to %s: %s", target, cause)

    async def _connect(self, target: Target, tls: TlsParams, lines: dict[_Place, list[_Line]]) -> Connection:
        place = _place(target, tls)
        parts: dict[str, Any] = {
            "address": (target.host, target.port),
            "idle": self._timer_f,
            "handler": self._handler,
            "stats": self._stats,
            "lost": lambda connection, cause: self._lost(place, connection, cause),
        }
        reached: _Reached[Connection]
        if target.transport.websocket:
            reached = await self._upgrade(target, tls, parts)
        else:
            reached = await self._reach(target, tls, partial(Connection, next(self._serials), **parts))
        transport, connection, is_for = reached
        try:
            connection.begin(transport)
        except OSError:
            transport.abort()
            raise
        logger.debug("connection %d to %s is open", connection.serial, target)
        self._connections[connection.serial] = connection
        lines.setdefault(place, []).append(_Line(connection, target.name, is_for))
        return connection

    async def _upgrade(self, target: Target, tls: TlsParams, parts: dict[str, Any]) -> _Reached[WebSocketConnection]:
        """Open a WebSocket, with credentials if the server asks for some (WS-1, WS-5)."""
        # Only now, because not everybody has the package that it needs.
        from aiosipreg.net.websocket import Handshake, HandshakeRefused, WebSocketConnection

        handshake = Handshake.of(target, self._params.websockets)
        while True:
            make = partial(WebSocketConnection, next(self._serials), handshake=handshake, host=self._nowhere, **parts)
            transport, connection, _ = await self._reach(target, tls, make)
            try:
                await connection.shake_hands(transport)
            except HandshakeRefused as refusal:
                transport.abort()
                handshake = handshake.answering(refusal)
            except BaseException:
                transport.abort()
                raise
            else:
                # The name stood in the URL: for another one it may be another service.
                return transport, connection, _nobody

    async def _reach(self, target: Target, tls: TlsParams, make: Callable[[], C]) -> _Reached[C]:
        if target.transport.secure:
            return await self._secure(target, tls, make)
        connection = make()
        return await self._dial(target, connection), connection, _anybody

    async def _secure(self, target: Target, tls: TlsParams, make: Callable[[], C]) -> _Reached[C]:
        """Connect by TLS, and see who is there (TLS-1); also gives which other names may use the connection."""
        web = target.transport.websocket
        context, connection, authorities = self._contexts.get(tls, target.name, web=web), make(), None
        try:
            transport = await self._shake_hands(target, connection, context)
        except TlsError as error:
            if not error.wrong_purpose or tls.context is not None or web:
                raise
            connection, authorities = make(), context
            transport = await self._shake_hands(target, connection, unverifying_context())
        try:
            certificate = verify(transport.get_extra_info("ssl_object"), target.name, tls, authorities, web=web)
        except BaseException:
            transport.abort()
            raise
        if not tls.insecure_skip_verify and not tls.pins_suffice:
            connection.names = certificate.names(tls)
        return transport, connection, lambda name: not tls.insecure_skip_verify and certificate.is_for(name, tls)

    async def _shake_hands(
        self, target: Target, protocol: asyncio.Protocol, context: ssl.SSLContext
    ) -> asyncio.Transport:
        # What comes before the handshake is nothing that the server said: it goes to nobody.
        plain = await self._dial(target, asyncio.Protocol())
        try:
            secured = await self._loop.start_tls(
                plain,
                protocol,
                context,
                server_hostname=target.name,
                ssl_handshake_timeout=SECURED_WITHIN,
                ssl_shutdown_timeout=CLOSED_WITHIN,
            )
        except OSError as error:
            raise handshake_failure(error, target.name) from error
        if secured is None:
            raise handshake_failure(ConnectionResetError(), target.name)
        return secured

    async def _dial(self, target: Target, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Connect by TCP (TRA-14)."""
        version = version_of(target.host)
        host = self._params.local_address(version)
        port = {Transport.TLS: self._params.tls, Transport.TCP: self._params.tcp}.get(target.transport)
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
        sock = transport.get_extra_info("socket")
        mark(sock, version, self._params.dscp)
        give_up_after(sock, self._timer_f / 2)
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

    def _lost(self, place: _Place, connection: Connection, cause: str) -> None:
        self._connections.pop(connection.serial, None)
        lines = [line for line in self._lines.pop(place, ()) if line.connection is not connection]
        if lines:
            self._lines[place] = lines
        self._handler.connection_lost(connection.serial, cause)


def _place(target: Target, tls: TlsParams) -> _Place:
    return target.transport, target.host, target.port, tls if target.transport.secure else None


def _attempt(target: Target, tls: TlsParams) -> tuple[_Place, str]:
    return _place(target, tls), "" if target.transport is Transport.TCP else target.name


def _anybody(_name: str) -> bool:
    """Over TCP nobody proves who he is, so one connection is as good for all."""
    return True


def _nobody(_name: str) -> bool:
    return False
