"""A client over TCP, TLS, WS and WSS, on the streams of asyncio, for the tests of aiosipreg.testing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response as HttpResponse
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from aiosipreg.wire import Framer, Ping, Response
from tests.testing.certificates import client_context
from tests.testing.requests import register, response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiosipreg.testing.flow import Transport
    from aiosipreg.testing.registrar import Registrar


class StreamClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, transport: Transport) -> None:
        self.reader = reader
        self.writer = writer
        self.transport = transport
        self._framer = Framer()
        self._frames: list[bytes] = []

    def register(self, **options: object) -> bytes:
        """A REGISTER that names the right transport."""
        via = f"SIP/2.0/{self.transport.upper()} client.invalid;rport"
        return register(via=via, **options)  # type: ignore[arg-type]

    def send(self, *messages: bytes) -> None:
        """Send messages, all in one write."""
        self.writer.write(b"".join(self.wrap(message) for message in messages))

    def wrap(self, message: bytes) -> bytes:
        """The octets that carry a message."""
        return message

    async def message(self, timeout: float = 5.0) -> bytes:
        """The next message or keep-alive; ``ConnectionError`` when there is no connection any more."""
        async with asyncio.timeout(timeout):
            while not self._frames:
                data = await self.reader.read(65_536)
                if not data:
                    raise ConnectionAbortedError("closed in good order")
                self._frames += self.unwrap(data)
        return self._frames.pop(0)

    def unwrap(self, data: bytes) -> list[bytes]:
        """The messages that octets complete."""
        return [frame.value if isinstance(frame, Ping) else bytes(frame) for frame in self._framer.feed(data)]

    async def response(self, timeout: float = 5.0) -> Response:
        """The next message, a response."""
        return response(await self.message(timeout))

    async def ask(self, data: bytes, timeout: float = 5.0) -> Response:
        """Send a request and take the next response."""
        self.send(data)
        return await self.response(timeout)


class WebSocketClient(StreamClient):
    """One connection of WebSocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, transport: Transport) -> None:
        super().__init__(reader, writer, transport)
        self.protocol = ClientProtocol(parse_uri("ws://127.0.0.1/"), subprotocols=[Subprotocol("sip")], max_size=None)
        self.upgraded: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self.frames: list[Frame] = []

    async def upgrade(self) -> HttpResponse:
        """Ask for WebSocket, and take the answer."""
        self.protocol.send_request(self.protocol.connect())
        self.flush()
        while not self.upgraded.done():
            self._frames += self.unwrap(await self.reader.read(65_536))
        return self.upgraded.result()

    def flush(self) -> None:
        """Write what the protocol has to send."""
        self.writer.write(b"".join(self.protocol.data_to_send()))

    def wrap(self, message: bytes) -> bytes:
        self.protocol.send_text(message)
        return b"".join(self.protocol.data_to_send())

    def unwrap(self, data: bytes) -> list[bytes]:
        self.protocol.receive_data(data)
        messages = []
        for event in self.protocol.events_received():
            if isinstance(event, HttpResponse):
                self.upgraded.set_result(event)
            elif isinstance(event, Frame):
                self.frames.append(event)
                if event.opcode in (Opcode.TEXT, Opcode.BINARY):
                    messages.append(bytes(event.data))
        return messages

    @property
    def goodbye(self) -> int | None:
        """The code of the close frame that the registrar sent."""
        return None if self.protocol.close_rcvd is None else self.protocol.close_rcvd.code


@asynccontextmanager
async def dialled(registrar: Registrar, transport: Transport) -> AsyncIterator[StreamClient]:
    """A client of a running registrar, past the handshake of TLS and before that of WebSocket."""
    tls = client_context() if transport in ("tls", "wss") else None
    reader, writer = await asyncio.open_connection(registrar.host, registrar.ports[transport], ssl=tls)
    kind = WebSocketClient if transport in ("ws", "wss") else StreamClient
    try:
        yield kind(reader, writer, transport)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def connected(registrar: Registrar, transport: Transport) -> AsyncIterator[StreamClient]:
    """A client of a running registrar, past all handshakes."""
    async with dialled(registrar, transport) as client:
        if isinstance(client, WebSocketClient):
            await client.upgrade()
        yield client
