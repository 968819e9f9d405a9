"""A registrar on real WebSockets of 127.0.0.1: agrees to everything unless told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeAlias

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from aiosipreg.wire import Request, Response, parse_message
from tests.tcp_server import reply

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request as Opening
    from websockets.http11 import Response as Answer

    Rule: TypeAlias = Callable[["Peer", Request], Response | None]


class Peer:
    """One connection, as the server sees it."""

    def __init__(self, server: Server, connection: ServerConnection) -> None:
        self.server = server
        self.connection = connection
        self.requests: list[Request] = []

    async def run(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                data = await self.connection.recv()
                self.server.news.put_nowait((self, data))
                octets = data.encode() if isinstance(data, str) else data
                message = parse_message(octets) if octets.strip() else None
                if isinstance(message, Request):
                    self.requests.append(message)
                    response = self.server.rule(self, message)
                    if response is not None:
                        await self.connection.send(bytes(response).decode())
        self.server.news.put_nowait((self, None))

    def write(self, octets: bytes) -> None:
        """Send octets that need not be WebSocket."""
        self.connection.transport.write(octets)


class Server:
    """What listens, and every connection that there was.

    Attributes:
        rule: Gives the answer to a request, ``None`` for none.
        peers: The connections, the first one first.
        openings: The requests that asked for a WebSocket.
        doorman: Answers such a request otherwise, ``None`` for no.
        news: Each message as it comes in, with its connection; ``None`` when it was closed.
    """

    def __init__(self) -> None:
        self.rule: Rule = lambda _peer, request: reply(request)
        self.peers: list[Peer] = []
        self.openings: list[Opening] = []
        self.doorman: Callable[[ServerConnection, Opening], Answer | None] = lambda _connection, _opening: None
        self.news: asyncio.Queue[tuple[Peer, str | bytes | None]] = asyncio.Queue()
        self.port = 0

    @property
    def requests(self) -> list[Request]:
        return [request for peer in self.peers for request in peer.requests]

    async def next(self) -> tuple[Peer, str | bytes | None]:
        async with asyncio.timeout(5):
            return await self.news.get()

    async def serve(self, connection: ServerConnection) -> None:
        peer = Peer(self, connection)
        self.peers.append(peer)
        await peer.run()

    def open(self, connection: ServerConnection, opening: Opening) -> Answer | None:
        self.openings.append(opening)
        return self.doorman(connection, opening)


@contextlib.asynccontextmanager
async def websockets_at(
    *, context: ssl.SSLContext | None = None, subprotocol: str | None = "sip", host: str = "127.0.0.1"
) -> AsyncIterator[Server]:
    """Listen for as long as the block runs."""
    server = Server()
    async with serve(
        server.serve,
        host,
        0,
        ssl=context,
        subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
        select_subprotocol=None if subprotocol == "sip" else lambda _connection, _offered: None,
        process_request=server.open,
        ping_interval=None,
        close_timeout=1,
    ) as listener:
        server.port = next(iter(listener.sockets)).getsockname()[1]
        yield server
