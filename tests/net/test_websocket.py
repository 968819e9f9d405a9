"""aiosipreg/net/websocket.py, on real connections of the loopback interface."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from websockets.frames import Frame
from websockets.http11 import Request as Opening
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.net import websocket
from aiosipreg.net.failure import TransportFailure
from aiosipreg.net.stats import Stats
from aiosipreg.settings import TlsParams, WebSocketParams
from tests.net.test_connection import FarEnd
from tests.net.test_stream import OK, OPTIONS, Recorder, opened
from tests.websocket_server import Peer, Server, websockets_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiosipreg.engine.effects import Flow
    from aiosipreg.net.connection import Connection
    from aiosipreg.net.stream import StreamTransport

TLS = TlsParams()
LENGTHLESS = OK.replace(b"Content-Length: 0\r\n", b"")


@pytest.fixture
def handler() -> Recorder:
    return Recorder()


@pytest.fixture
async def ws(handler: Recorder) -> AsyncIterator[StreamTransport]:
    async with opened(handler) as ws:
        yield ws


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with websockets_at() as server:
        server.rule = lambda _peer, _request: None
        yield server


def target(port: int, name: str = "titi.com") -> Target:
    return Target("127.0.0.1", port, Transport.WS, name)


async def opened_to(server: Server, ws: StreamTransport, name: str = "titi.com") -> tuple[Flow, Peer]:
    """A flow, and the other end of it."""
    flow = await ws.open(target(server.port, name), TLS)
    ws.send(flow, OPTIONS)
    peer, _ = await server.next()
    return flow, peer


def frame(payload: bytes, first: int = 0x81) -> bytes:
    """One of a server, which masks nothing."""
    assert len(payload) < 126
    return bytes([first, len(payload)]) + payload


async def test_messages_go_both_ways(ws: StreamTransport, handler: Recorder, server: Server) -> None:
    flow, peer = await opened_to(server, ws)
    assert flow.sent_by == flow.host
    assert flow.host.endswith(".invalid")
    await peer.connection.send(OK.decode())
    assert await handler.next() == (200, ("127.0.0.1", server.port), flow.serial)
    await peer.connection.send(OPTIONS.decode())
    assert await handler.next() == ("OPTIONS", ("127.0.0.1", server.port))
    assert await server.next() == (peer, OK.decode())


async def test_WS_3_text_unless_it_is_none(ws: StreamTransport, handler: Recorder, server: Server) -> None:
    flow, peer = await opened_to(server, ws)
    umlaut = "Müller <sip:toto@titi.com>"
    for charset in ("utf-8", "latin-1"):
        ws.send(flow, OPTIONS.replace(b"Content-Length: 0", f"Contact: {umlaut}".encode(charset)))
    sent = [(await server.next())[1], (await server.next())[1]]
    assert [type(data) for data in sent] == [str, bytes]
    assert umlaut in str(sent[0])
    assert umlaut.encode("latin-1") in bytes(sent[1])  # type: ignore[arg-type]
    await peer.connection.send(OK)
    assert (await handler.next())[0] == 200


@pytest.mark.parametrize("message", [OK, LENGTHLESS, b"\r\n" + OK, LENGTHLESS + b"a body"])
async def test_WS_2_content_length_may_be_missing(
    ws: StreamTransport, handler: Recorder, server: Server, message: bytes
) -> None:
    _, peer = await opened_to(server, ws)
    await peer.connection.send(message.decode())
    assert (await handler.next())[0] == 200


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (OK + OK, "a body of 0 octets and nothing behind it"),
        (OK[:-2], "an empty line"),
        (OK.replace(b"Length: 0", b"Length: 9"), "a body of 9 octets"),
        (b"hello", "an empty line"),
        (b"GET / HTTP/1.1\r\n\r\n", "SIP/2.0"),
    ],
)
async def test_WS_2_what_is_not_one_message_closes_the_connection(
    ws: StreamTransport, handler: Recorder, server: Server, message: bytes, told: str
) -> None:
    flow, peer = await opened_to(server, ws)
    await peer.connection.send(message.decode())
    serial, cause = await handler.next()
    assert serial == flow.serial
    assert told in cause
    assert await server.next() == (peer, None)
    assert peer.connection.close_code == 1002
    assert ws._stats.dropped["malformed"] == 1
    with pytest.raises(TransportFailure):
        ws.send(flow, OPTIONS)


async def test_one_message_in_several_frames(ws: StreamTransport, handler: Recorder, server: Server) -> None:
    _, peer = await opened_to(server, ws)
    await peer.connection.send([OK[:20].decode(), OK[20:40].decode(), OK[40:].decode()])
    assert (await handler.next())[0] == 200
    octets = frame(OK[:40], 0x01) + frame(b"ping", 0x89) + frame(OK[40:], 0x80)
    for octet in octets:
        peer.write(bytes([octet]))
        await asyncio.sleep(0)
    assert (await handler.next())[0] == 200


async def test_CRLF_keep_alives_are_answered(ws: StreamTransport, server: Server) -> None:
    _, peer = await opened_to(server, ws)
    await peer.connection.send("\r\n")
    await peer.connection.send("\r\n\r\n")
    assert await server.next() == (peer, "\r\n")


async def test_WS_7_pings_are_answered(ws: StreamTransport, server: Server) -> None:
    _, peer = await opened_to(server, ws)
    async with asyncio.timeout(5):
        assert await (await peer.connection.ping(b"are you there")) >= 0


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (frame(b"x", 0x83), "invalid opcode"),
        (bytes([0x81, 127]) + (400_000).to_bytes(8, "big"), "400000 bytes"),
        (frame(b"x", 0x80), "unexpected continuation frame"),
        (frame(b"\x03\xe9bye", 0x88), "closed by the server (1001 (going away) bye)"),
    ],
)
async def test_what_is_no_websocket_closes_the_connection(
    ws: StreamTransport, handler: Recorder, server: Server, octets: bytes, told: str
) -> None:
    flow, peer = await opened_to(server, ws)
    peer.write(octets + frame(OK))
    serial, cause = await handler.next()
    assert serial == flow.serial
    assert told in cause
    assert handler.seen.empty()


async def test_TRA_10_names_do_not_share_a_websocket(ws: StreamTransport, server: Server) -> None:
    one, two = await asyncio.gather(*(ws.open(target(server.port, name), TLS) for name in ("titi.com", "tata.com")))
    again = await ws.open(target(server.port), TLS)
    assert one == again
    assert one.serial != two.serial
    assert one.host == two.host
    assert ws.flow(target(server.port, "toto.com"), TLS) is None
    assert sorted(opening.headers["Host"] for opening in server.openings) == [
        f"tata.com:{server.port}", f"titi.com:{server.port}"
    ]  # fmt: skip


async def test_TLS_10_an_idle_websocket_is_closed_politely(handler: Recorder, server: Server) -> None:
    async with opened(handler, idle=0.05) as ws:
        flow, peer = await opened_to(server, ws)
        assert await handler.next() == (flow.serial, "nobody used it")
        assert await server.next() == (peer, None)
        assert peer.connection.close_code == 1000


async def test_closing_twice_says_goodbye_once(ws: StreamTransport, server: Server) -> None:
    flow, peer = await opened_to(server, ws)
    connection = ws._connections[flow.serial]
    connection.close("enough")
    connection.close("enough")
    assert await server.next() == (peer, None)


async def test_closing_ends_a_handshake(ws: StreamTransport) -> None:
    asked = asyncio.Event()

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(be_silent, "127.0.0.1", 0)
    async with silent, asyncio.timeout(5):
        waiting = asyncio.create_task(ws.open(target(silent.sockets[0].getsockname()[1]), TLS))
        await asked.wait()
        await ws.close()
        with pytest.raises(OSError, match="the transport is closed"):
            await waiting


class World(Recorder):
    """A connection without sockets, on a virtual clock, and the server behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.far = FarEnd()
        self.stats = Stats()
        handshake = websocket.Handshake.of(target(80), ())
        self.connection = self.far.connection = websocket.WebSocketConnection(
            7, ("127.0.0.1", 80), idle=1000.0, handler=self, stats=self.stats, lost=self.lost,
            handshake=handshake, host="x.invalid",
        )  # fmt: skip
        self.server = ServerProtocol(subprotocols=[Subprotocol("sip")])

    async def next(self) -> tuple[Any, ...]:
        async with asyncio.timeout(60):
            return await self.seen.get()

    def lost(self, connection: Connection, cause: str) -> None:
        self.connection_lost(connection.serial, cause)

    async def asked(self) -> asyncio.Task[None]:
        """The handshake, as far as the server has read the request."""
        shaking = asyncio.create_task(self.connection.shake_hands(self.far))
        await asyncio.sleep(0)
        self.server.receive_data(b"".join(self.far.log))
        self.far.log.clear()
        (opening,) = self.server.events_received()
        assert isinstance(opening, Opening)
        self.server.send_response(self.server.accept(opening))
        return shaking

    async def begun(self) -> None:
        shaking = await self.asked()
        self.flush()
        await shaking
        self.connection.begin(self.far)

    def flush(self, more: bytes = b"") -> None:
        self.connection.data_received(b"".join(self.server.data_to_send()) + more)

    def read(self) -> list[str]:
        """The kinds of frames that the server got."""
        self.server.receive_data(b"".join(entry for entry in self.far.log if isinstance(entry, bytes)))
        self.far.log.clear()
        return [event.opcode.name for event in self.server.events_received() if isinstance(event, Frame)]


@pytest.mark.virtual_clock
async def test_frames_that_come_with_the_handshake_are_not_lost() -> None:
    world = World()
    shaking = await world.asked()
    world.flush(frame(OK) + frame(b"", 0x89))
    await shaking
    assert world.seen.empty()
    world.connection.begin(world.far)
    assert (await world.next())[0] == 200
    assert world.read() == ["PONG"]


@pytest.mark.virtual_clock
async def test_what_follows_the_last_message_counts_for_nothing() -> None:
    world = World()
    await world.begun()
    world.connection.data_received(frame(b"hello") + frame(OK))
    world.connection.data_received(frame(OK))
    assert world.far.log[-1] == "close"
    assert world.read() == ["CLOSE"]
    world.far.hang_up()
    assert "not one SIP message" in (await world.next())[1]
    assert world.seen.empty()


@pytest.mark.virtual_clock
async def test_a_broken_frame_that_comes_with_the_handshake() -> None:
    world = World()
    shaking = await world.asked()
    world.flush(frame(b"x", 0x83))
    await shaking
    world.connection.begin(world.far)
    world.far.hang_up()
    assert "invalid opcode" in (await world.next())[1]


@pytest.mark.virtual_clock
async def test_TRA_14_the_handshake_has_five_seconds() -> None:
    world, loop = World(), asyncio.get_running_loop()
    with pytest.raises(OSError, match="no answer to the WebSocket handshake within 5 s"):
        await (await world.asked())
    assert loop.time() == 5.0
    world.flush()


@pytest.mark.virtual_clock
async def test_a_server_that_hangs_up_during_the_handshake() -> None:
    world = World()
    shaking = await world.asked()
    world.far.hang_up(ConnectionResetError("connection reset"))
    with pytest.raises(OSError, match="connection reset during the WebSocket handshake"):
        await shaking


@pytest.mark.virtual_clock
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\nno length", "403 Forbidden"),
        (b"", "did not receive a valid HTTP response"),
        (b"SIP/2.0 200 OK\r\n\r\n", "did not receive a valid HTTP response"),
        (b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "Sec-WebSocket-Accept"),
    ],
)
async def test_WS_1_an_answer_that_ends_with_the_connection(answer: bytes, told: str) -> None:
    world = World()
    shaking = await world.asked()
    world.connection.data_received(answer)
    world.connection.eof_received()
    world.far.hang_up()
    with pytest.raises(OSError, match=told):
        await shaking


@pytest.mark.virtual_clock
async def test_WS_7_a_ping_every_thirty_seconds_and_a_pong_within_ten() -> None:
    world, loop = World(), asyncio.get_running_loop()
    await world.begun()
    for _ in range(3):
        await asyncio.sleep(29.9)
        assert world.read() == []
        await asyncio.sleep(0.1)
        assert world.read() == ["PING"]
        world.flush()
    await asyncio.sleep(30)
    assert loop.time() == 120.0
    assert await world.next() == (7, "no pong within 10 s")
    assert loop.time() == 130.0
    assert "abort" in world.far.log


@pytest.mark.virtual_clock
async def test_WS_7_no_ping_to_a_server_that_does_not_read() -> None:
    world, loop = World(), asyncio.get_running_loop()
    await world.begun()
    await asyncio.sleep(25)
    world.far.full = True
    world.connection.send(OPTIONS)
    world.connection.send(OPTIONS)
    assert await world.next() == (7, "the server read nothing for 10 s")
    assert loop.time() == 35.0
    assert world.read() == ["TEXT"]


@pytest.mark.virtual_clock
async def test_TRA_15_messages_that_waited_go_out_whole() -> None:
    world = World()
    await world.begun()
    world.far.full = True
    for _ in range(3):
        world.connection.send(OPTIONS)
    world.far.drain()
    assert world.read() == ["TEXT"] * 3
    world.far.hang_up()


@pytest.mark.virtual_clock
@pytest.mark.parametrize("part", [frame(OK)[:20], frame(OK[:20], 0x01)])
async def test_SEC_25_a_message_has_ten_seconds_from_its_first_octet(part: bytes) -> None:
    world, loop = World(), asyncio.get_running_loop()
    await world.begun()
    world.connection.data_received(part)
    await asyncio.sleep(9)
    world.connection.data_received(frame(b"", 0x8A) if part[0] == 0x01 else OK[18:20])
    assert await world.next() == (7, "a message took more than 10 s")
    assert loop.time() == 10.0


@pytest.mark.virtual_clock
async def test_SEC_25_a_message_in_time() -> None:
    world = World()
    await world.begun()
    for _ in range(3):
        world.connection.data_received(frame(OK[:20], 0x01))
        await asyncio.sleep(9)
        world.connection.data_received(frame(OK[20:], 0x80))
        assert (await world.next())[0] == 200
    world.far.hang_up()


def test_WS_5_no_secret_is_shown() -> None:
    secret = WebSocketParams(
        server="titi.com", headers=(("Cookie", "planted"),), auth=AuthInfo("x", password="planted")
    )
    handshake = websocket.Handshake.of(target(80), (WebSocketParams(server="tata.com"), secret))
    assert handshake.params is secret
    shown = repr(dataclasses.replace(handshake, authorization="planted"))
    assert "planted" not in shown
