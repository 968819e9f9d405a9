"""A registrar for one connection or many, on a real socket of 127.0.0.1: agrees to everything unless told otherwise."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeAlias, cast

from aiosipreg.wire import Framer, Request, Response

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterable

    from aiosipreg.wire.message import Message

    Rule: TypeAlias = Callable[["Peer", Request], Response | None]


def reply(request: Request, status: int = 200, *rows: tuple[str, str]) -> Response:
    """An answer, with the bindings that were asked for."""
    copied = [(name, row) for name in ("Via", "From", "To", "Call-ID", "CSeq") for row in request.headers.get_all(name)]
    copied[2] = ("To", f"{copied[2][1]};tag=1")
    given = [("Contact", row) for row in request.headers.get_all("Contact") if status == 200 and request.expires]
    return Response(status, "Whatever", [*copied, *given, *rows])


class Peer(asyncio.Protocol):
    """One connection, as the server sees it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.octets = b""
        self.got: list[Message] = []
        self.lost = asyncio.get_running_loop().create_future()
        self._framer = Framer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.server.peers.append(self)

    def data_received(self, data: bytes) -> None:
        self.octets += data
        for frame in self._framer.feed(data):
            if isinstance(frame, Request | Response):
                self.got.append(frame)
                self.server.news.put_nowait((self, frame))
            if isinstance(frame, Request):
                response = self.server.rule(self, frame)
                if response is not None:
                    self.transport.write(bytes(response))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)

    @property
    def requests(self) -> list[Request]:
        return [message for message in self.got if isinstance(message, Request)]


class Server:
    """What listens, and every connection that there was.

    Attributes:
        rule: Gives the answer to a request, ``None`` for none.
        peers: The connections, the first one first.
        news: Each message as it comes in, with its connection.
    """

    def __init__(self, *, agree: bool = True) -> None:
        self.rule: Rule = (lambda _peer, request: reply(request)) if agree else (lambda _peer, _request: None)
        self.peers: list[Peer] = []
        self.news: asyncio.Queue[tuple[Peer, Message]] = asyncio.Queue()
        self.port = 0

    @property
    def requests(self) -> list[Request]:
        return [request for peer in self.peers for request in peer.requests]

    async def next(self) -> tuple[Peer, Message]:
        async with asyncio.timeout(5):
            return await self.news.get()

    def hang_up(self) -> None:
        for peer in self.peers:
            peer.transport.close()


@contextlib.asynccontextmanager
async def serving(
    *, agree: bool = True, host: str = "127.0.0.1", port: int = 0, context: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Listen for as long as the block runs."""
    server = Server(agree=agree)
    listener = await asyncio.get_running_loop().create_server(lambda: Peer(server), host, port, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for peer in server.peers:
            peer.transport.abort()
        await ended(server.peers)
        shaking = [task for task in asyncio.all_tasks() if "accept_connection" in repr(task)]
        if shaking:
            await asyncio.wait(shaking, timeout=5)


async def ended(peers: Iterable[Peer]) -> None:
    """Wait until connections are closed."""
    async with asyncio.timeout(5):
        for peer in peers:
            await asyncio.wait((peer.lost,))
    await asyncio.sleep(0)
