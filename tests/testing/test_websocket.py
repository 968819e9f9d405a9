"""aiosipreg/testing/websocket.py: RFC 7118 as a server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from websockets.frames import CloseCode, Opcode

from aiosipreg.testing.breakage import StreamFaults
from aiosipreg.testing.registrar import Registrar
from tests.testing.requests import AOR
from tests.testing.stream_client import WebSocketClient, connected, dialled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def served(registrar: Registrar | None = None) -> AsyncIterator[tuple[Registrar, WebSocketClient]]:
    """A registrar, and a client past the handshake."""
    async with registrar or Registrar(None, transports=["ws"]) as running, connected(running, "ws") as client:
        assert isinstance(client, WebSocketClient)
        yield running, client


async def test_the_subprotocol_is_sip() -> None:
    async with Registrar(None, transports=["ws"]) as registrar, dialled(registrar, "ws") as client:
        assert isinstance(client, WebSocketClient)
        answer = await client.upgrade()
        assert (answer.status_code, answer.headers["Sec-WebSocket-Protocol"]) == (101, "sip")


async def test_a_client_without_the_subprotocol_is_refused() -> None:
    async with Registrar(None, transports=["ws"]) as registrar, dialled(registrar, "ws") as client:
        assert isinstance(client, WebSocketClient)
        client.protocol.available_subprotocols = None
        assert (await client.upgrade()).status_code == 400
        assert registrar.ignored == 1


@pytest.mark.parametrize("status", [401, 403, 503])
async def test_a_handshake_may_be_refused(status: int) -> None:
    registrar = Registrar(None, transports=["ws"], stream_faults=StreamFaults(upgrade=status))
    async with registrar, dialled(registrar, "ws") as client:
        assert isinstance(client, WebSocketClient)
        assert (await client.upgrade()).status_code == status
        with pytest.raises(ConnectionAbortedError):
            await client.message()
        assert (registrar.ignored, registrar.connections) == (0, ())


async def test_a_handshake_may_leave_the_subprotocol_out() -> None:
    registrar = Registrar(None, transports=["ws"], stream_faults=StreamFaults(upgrade=101))
    async with registrar, dialled(registrar, "ws") as client:
        assert isinstance(client, WebSocketClient)
        answer = await client.upgrade()
        assert (answer.status_code, answer.headers.get("Sec-WebSocket-Protocol")) == (101, None)


@pytest.mark.parametrize(("data", "answer"), [(b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 505 "), (b"\0\xff\r\n\r\n", b"")])
async def test_what_is_no_handshake_is_refused_and_counted(data: bytes, answer: bytes) -> None:
    async with Registrar(None, transports=["ws"]) as registrar, dialled(registrar, "ws") as client:
        client.writer.write(data)
        assert (await client.reader.read(65_536)).startswith(answer)
        assert await client.reader.read(65_536) == b""
        assert registrar.ignored == 1


async def test_two_messages_in_one_break_the_connection() -> None:
    async with served() as (registrar, client):
        client.send(client.register() + client.register(cseq=2))
        with pytest.raises(ConnectionAbortedError):
            await client.message()
        assert client.goodbye == CloseCode.PROTOCOL_ERROR
        assert (registrar.ignored, registrar.requests) == (1, ())


async def test_a_part_of_a_message_breaks_the_connection() -> None:
    async with served() as (registrar, client):
        client.send(client.register(body="body")[:-1])
        with pytest.raises(ConnectionAbortedError):
            await client.message()
        assert (registrar.ignored, registrar.requests) == (1, ())


async def test_content_length_may_be_left_out() -> None:
    async with served() as (_, client):
        assert (await client.ask(client.register().replace(b"Content-Length: 0\r\n", b""))).status == 200


async def test_text_and_binary_frames_are_taken() -> None:
    async with served() as (_, client):
        client.send(client.register(to=f'"Jörg" <{AOR}>'))
        assert 'To: "Jörg" <'.encode() in await client.message()
        client.protocol.send_binary(client.register(cseq=2))
        client.flush()
        assert (await client.response()).status == 200
        assert [frame.opcode for frame in client.frames] == [Opcode.TEXT, Opcode.TEXT]


async def test_what_is_no_utf8_is_sent_as_binary() -> None:
    async with served() as (_, client):
        client.protocol.send_binary(client.register().replace(b"To: ", b'To: "J\xf6rg" '))
        client.flush()
        assert b'To: "J\xf6rg" <' in await client.message()
        assert [frame.opcode for frame in client.frames] == [Opcode.BINARY]


async def test_a_message_may_come_in_several_frames() -> None:
    async with served() as (_, client):
        data = client.register()
        client.protocol.send_text(data[:10], fin=False)
        client.protocol.send_continuation(data[10:20], fin=False)
        client.protocol.send_continuation(data[20:], fin=True)
        client.flush()
        assert (await client.response()).status == 200


async def test_ping_frames_are_answered_unless_that_is_switched_off() -> None:
    async with served() as (registrar, client):
        client.protocol.send_ping(b"one")
        client.flush()
        await client.ask(client.register())
        assert [(frame.opcode, frame.data) for frame in client.frames[:1]] == [(Opcode.PONG, b"one")]
        registrar.pongs = False
        client.protocol.send_ping(b"two")
        client.flush()
        await client.ask(client.register(cseq=2))
        assert [frame.opcode for frame in client.frames] == [Opcode.PONG, Opcode.TEXT, Opcode.TEXT]
        assert [packet.data for packet in registrar.pings] == [b"one", b"two"]
        client.protocol.send_pong(b"")
        client.flush()
        assert (await client.ask(client.register(cseq=3))).status == 200


async def test_a_goodbye_is_answered() -> None:
    async with served() as (registrar, client):
        client.protocol.send_close(1000)
        client.flush()
        with pytest.raises(ConnectionAbortedError):
            await client.message()
        assert client.goodbye == 1000
        assert (registrar.ignored, registrar.connections) == (0, ())


async def test_leaving_says_goodbye() -> None:
    async with served() as (registrar, client):
        leaving = asyncio.create_task(registrar.__aexit__(None, None, None))
        with pytest.raises(ConnectionAbortedError):
            await client.message()
        assert client.goodbye == CloseCode.GOING_AWAY
        await leaving


async def test_nothing_is_sent_before_the_handshake_and_after_a_goodbye() -> None:
    async with Registrar(None, transports=["ws"]) as registrar, dialled(registrar, "ws") as client:
        assert isinstance(client, WebSocketClient)
        await client.upgrade()
        (connection,) = registrar.connections
        client.protocol.send_close(1000)
        connection._framing.feed(b"".join(client.protocol.data_to_send()))
        assert connection._framing.wrap(b"SIP/2.0 200 OK\r\n\r\n") == b""
        assert connection._framing.farewell() == b""
