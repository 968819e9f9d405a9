"""aiosipreg/net/connection.py, on a transport without sockets and a virtual clock."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg.engine.effects import Flow
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.net.connection import Connection
from aiosipreg.net.failure import TransportFailure
from aiosipreg.net.stats import Stats
from aiosipreg.wire import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.wire import Request, Response

pytestmark = pytest.mark.virtual_clock

SERVER = ("192.0.2.1", 5060)
OPTIONS = (
    b"OPTIONS sip:toto@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nContent-Length: 5\r\n\r\n"
    b"hello"
)
OK = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 192.0.2.9:5062;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n"


class FarEnd(asyncio.Transport):
    """What the connection writes to: notes what it is told, and takes as much as ``room``."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("192.0.2.9", 5062)})
        self.log: list[Any] = []
        self.closing = False
        self.connection: Connection
        self.high = 0
        self.full = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high or 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.log.append(bytes(data))
        if self.full:
            self.connection.pause_writing()

    def drain(self) -> None:
        self.full = False
        self.connection.resume_writing()

    def close(self) -> None:
        self.log.append("close")
        self.closing = True

    def abort(self) -> None:
        self.log.append("abort")
        self.closing = True
        asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    def is_closing(self) -> bool:
        return self.closing

    def hang_up(self, exc: Exception | None = None) -> None:
        self.closing = True
        self.connection.connection_lost(exc)


class World:
    """A connection and its surroundings."""

    def __init__(self, idle: float = 1000.0, *, begun: bool = True) -> None:
        self.stats = Stats()
        self.seen: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.answer: bytes | None = None
        self.connection = Connection(7, SERVER, idle=idle, handler=self, stats=self.stats, lost=self.lost)
        self.far = FarEnd()
        self.far.connection = self.connection
        if begun:
            self.connection.begin(self.far)

    def response_received(self, response: Response, source: tuple[str, int], serial: int) -> None:
        self._take(response.status, source, serial)

    def request_received(
        self, request: Request, source: tuple[str, int], serial: int, reply: Callable[[bytes, tuple[str, int]], None]
    ) -> None:
        assert serial == self.connection.serial
        self._take(request.method, source)
        if self.answer is not None:
            try:
                reply(self.answer, source)
            except OSError as error:
                self.seen.append(("not answered", str(error)))

    def request_lost(self, branch: str, cause: str) -> None:
        raise AssertionError("a connection knows no branches")

    def connection_lost(self, serial: int, cause: str) -> None:
        raise AssertionError("a connection tells whoever made it")

    def pong_received(self, serial: int) -> None:
        self._take("pong", serial)

    def stun_received(self, data: bytes, source: tuple[str, int]) -> bool:
        raise AssertionError("STUN is for datagrams")

    def lost(self, connection: Connection, cause: str) -> None:
        assert connection is self.connection
        self.seen.append(("lost", cause))

    def _take(self, *seen: Any) -> None:
        self.seen.append(seen)
        if self.error is not None:
            raise self.error

    @property
    def words(self) -> list[Any]:
        return [seen[0] for seen in self.seen]

    @property
    def cause(self) -> str:
        (cause,) = [seen[1] for seen in self.seen if seen[0] == "lost"]
        return str(cause)


class TestReading:
    @pytest.mark.parametrize("size", [1, 7, 64, 10_000])
    async def test_MSG_12_the_stream_may_be_split_anywhere(self, size: int) -> None:
        world = World()
        data = (OK + b"\r\n" + OPTIONS) * 10
        for start in range(0, len(data), size):
            world.connection.data_received(data[start : start + size])
        assert [word for word in world.words if word != "pong"] == [200, "OPTIONS"] * 10
        assert world.seen[0] == (200, SERVER, 7)
        assert world.stats.dropped == {}

    async def test_N6_a_lone_pong_in_front_of_an_answer(self) -> None:
        world = World()
        world.connection.data_received(b"\r\n" + OK)
        world.connection.data_received(b"\r")
        world.connection.data_received(b"\n" + OK)
        assert world.words == ["pong", 200, "pong", 200]
        assert world.far.log == []
        assert world.seen[0] == ("pong", 7)

    async def test_it_knows_when_something_came_in_last(self) -> None:
        world = World()
        await asyncio.sleep(5)
        world.connection.send(OPTIONS)
        assert world.connection.heard_at == 0
        world.connection.data_received(OK[:10])
        assert world.connection.heard_at == 5

    async def test_KA_6_it_tells_whether_a_message_is_just_arriving(self) -> None:
        world = World()
        assert not world.connection.receiving
        world.connection.data_received(OK[:10])
        assert world.connection.receiving
        world.connection.data_received(OK[10:] + b"\r\n")
        assert not world.connection.receiving

    async def test_TRA_15_KA_5_a_ping_waits_its_turn_among_whole_messages(self) -> None:
        world = World()
        world.connection.pause_writing()
        for data in (OPTIONS, b"\r\n\r\n", OPTIONS):
            world.connection.send(data)
        assert world.far.log == []
        world.connection.resume_writing()
        assert world.far.log == [OPTIONS, b"\r\n\r\n", OPTIONS]

    async def test_TRA_15_a_ping_is_answered_by_a_pong(self) -> None:
        world = World()
        world.connection.data_received(b"\r\n\r\n" + OK + b"\r\n\r\n")
        assert world.far.log == [b"\r\n", b"\r\n"]
        assert world.words == [200]

    @pytest.mark.parametrize(
        "rows", [b"Content-Length: -999", b"Content-Length: five", b"Content-Length: 13\r\nContent-Length: 5", b"X: y"]
    )
    async def test_MSG_13_a_length_that_cannot_be_used_ends_the_connection(self, rows: bytes) -> None:
        world = World()
        world.connection.data_received(OK + OK.replace(b"Content-Length: 0", rows) + OK)
        await asyncio.sleep(0)
        assert world.words == [200, "lost"]
        assert world.cause.startswith("the server sent what is no SIP: expected ")
        assert world.far.log == ["abort"]
        assert world.stats.dropped == {"malformed": 1}

    async def test_what_is_no_sip_at_all(self) -> None:
        world = World()
        world.connection.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        world.connection.data_received(OK)
        await asyncio.sleep(0)
        assert world.words == ["lost"]

    async def test_SEC_24_a_message_that_does_not_end_is_cut_off(self) -> None:
        world = World()
        fed = 0
        while world.connection.usable:
            world.connection.data_received(b"x" * 1000)
            fed += 1000
        assert fed <= 66_000
        await asyncio.sleep(0)
        assert world.words == ["lost"]

    async def test_SEC_25_a_message_has_ten_seconds(self) -> None:
        world = World()
        for octet in OPTIONS[:9]:
            world.connection.data_received(bytes((octet,)))
            await asyncio.sleep(1)
        world.connection.data_received(OPTIONS[9:] + OK[:20])
        # Another message has begun, with ten seconds of its own.
        for octet in OK[20:29]:
            await asyncio.sleep(1)
            world.connection.data_received(bytes((octet,)))
        assert world.words == ["OPTIONS"]
        await asyncio.sleep(2)
        assert world.cause == "a message took more than 10 s"
        assert world.far.log == ["abort"]

    async def test_SEC_25_between_messages_there_is_no_hurry(self) -> None:
        world = World()
        world.connection.data_received(OK)
        await asyncio.sleep(60)
        world.connection.data_received(b"\r\n\r\n")
        await asyncio.sleep(60)
        assert world.words == [200]
        assert world.connection.usable

    async def test_ROB_8_an_error_of_ours_stays_out_of_the_loop(self, caplog: pytest.LogCaptureFixture) -> None:
        world = World()
        world.error = RuntimeError("boom")
        world.connection.data_received(OK + OPTIONS)
        assert world.words == [200, "OPTIONS"]
        assert world.stats.dropped == {"error": 2}
        assert world.connection.usable
        assert "boom" in caplog.text

    async def test_MSG_17_a_header_that_proves_malformed_later_is_counted(self) -> None:
        world = World()
        world.error = ParseError("x", 0, "a Via")
        world.connection.data_received(OK)
        assert world.stats.dropped == {"malformed": 1}
        assert world.connection.usable

    async def test_octets_that_come_before_it_takes_part_are_not_lost(self) -> None:
        world = World(begun=False)
        world.connection.data_received(OK[:30])
        world.connection.data_received(OK[30:])
        assert world.words == []
        world.connection.begin(world.far)
        assert world.words == [200]


class TestWriting:
    async def test_messages_leave_whole_and_in_order(self) -> None:
        world = World()
        world.connection.send(b"one")
        world.connection.send(b"two")
        assert world.far.log == [b"one", b"two"]
        assert world.far.high == 64 * 1024

    async def test_SEC_24_they_wait_while_the_far_end_does_not_read(self) -> None:
        world = World()
        world.far.full = True
        for data in (b"one", b"two", b"three"):
            world.connection.send(data)
        assert world.far.log == [b"one"]
        await asyncio.sleep(9)
        world.far.connection.resume_writing()
        assert world.far.log == [b"one", b"two"]
        await asyncio.sleep(9)
        world.far.drain()
        assert world.far.log == [b"one", b"two", b"three"]
        await asyncio.sleep(60)
        assert world.connection.usable

    async def test_SEC_24_a_far_end_that_never_reads_has_failed(self) -> None:
        world = World()
        world.far.full = True
        world.connection.send(b"one")
        world.connection.send(b"two")
        await asyncio.sleep(11)
        assert world.cause == "the server read nothing for 10 s"
        assert world.far.log == [b"one", "abort"]

    async def test_SEC_24_not_too_many_wait(self) -> None:
        world = World()
        world.far.full = True
        for _ in range(10_001):
            world.connection.send(b"one")
        with pytest.raises(OSError, match="too many messages wait"):
            world.connection.send(b"one")

    async def test_SEC_24_a_far_end_that_does_not_read_gets_no_answers(self) -> None:
        world = World()
        world.answer = b"answer"
        world.connection.data_received(OPTIONS)
        world.far.full = True
        world.connection.send(b"one")
        world.connection.data_received(OPTIONS + b"\r\n\r\n")
        assert world.far.log == [b"answer", b"one"]
        assert world.seen[-1] == ("not answered", "the server does not read what it is sent")

    async def test_TRA_13_nothing_is_sent_on_a_connection_that_is_gone(self) -> None:
        world = World()
        world.far.hang_up()
        with pytest.raises(TransportFailure, match="closed by the server") as caught:
            world.connection.send(b"one")
        assert caught.value.row == "RSP-CLOSE"
        with pytest.raises(OSError, match="closed by the server"):
            world.connection.reply(b"answer", SERVER)


class TestEnding:
    @pytest.mark.parametrize(
        ("exc", "cause"),
        [
            (None, "closed by the server"),
            (ConnectionResetError(104, "Connection reset by peer"), "[Errno 104] Connection reset by peer"),
            (ConnectionResetError(), "ConnectionResetError"),
        ],
    )
    async def test_TRA_13_its_end_is_told_with_the_cause(self, exc: Exception | None, cause: str) -> None:
        world = World()
        world.connection.data_received(OPTIONS[:-1])
        world.far.hang_up(exc)
        assert (world.cause, world.connection.gone.done()) == (cause, True)
        await asyncio.sleep(60)
        assert world.words == ["lost"]

    async def test_an_alert_is_told_in_words(self) -> None:
        world = World()
        error = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert (_ssl.c:2580)")
        error.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        world.far.hang_up(error)
        assert world.cause == "tlsv13 alert certificate required"

    async def test_TLS_10_after_the_farewell_of_the_server_nothing_new_is_started(self) -> None:
        world = World()
        world.connection.eof_received()
        assert not world.connection.usable
        with pytest.raises(TransportFailure, match="closed by the server"):
            world.connection.send(b"one")
        world.far.hang_up()
        assert world.cause == "closed by the server"

    async def test_TLS_10_it_is_closed_politely_within_a_second(self) -> None:
        world = World()
        world.connection.close("the transport is closed")
        assert not world.connection.usable
        await asyncio.sleep(0.9)
        assert world.far.log == ["close"]
        await asyncio.sleep(0.2)
        assert world.far.log == ["close", "abort"]
        assert world.cause == "the transport is closed"

    async def test_a_server_that_takes_part_in_the_farewell_is_not_cut_off(self) -> None:
        world = World()
        world.connection.close("the transport is closed")
        world.far.hang_up()
        await asyncio.sleep(2)
        assert world.far.log == ["close"]

    async def test_what_still_comes_while_it_ends_is_not_read(self) -> None:
        world = World()
        world.connection.close("the transport is closed")
        world.connection.data_received(OK)
        world.far.hang_up()
        assert world.words == ["lost"]
        world.connection.close("again")
        world.connection.fail("again")
        assert world.far.log == ["close"]

    async def test_one_that_ended_before_it_took_part(self) -> None:
        world = World(begun=False)
        world.connection.close("nobody wants it")
        world.connection.fail("nobody wants it")
        world.connection.connection_lost(None)
        with pytest.raises(TransportFailure, match="closed by the server before anything was sent"):
            world.connection.begin(world.far)
        assert world.far.log == []
        assert world.seen == []

    async def test_what_became_of_it_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "aiosipreg")
        world = World()
        world.far.hang_up()
        assert "connection 7 to ('192.0.2.1', 5060) is gone: closed by the server" in caplog.text


class TestIdling:
    async def test_TRA_11_one_that_nobody_uses_is_closed_a_while_after_its_last_use(self) -> None:
        world = World(idle=32)
        await asyncio.sleep(20)
        world.connection.send(b"one")
        await asyncio.sleep(20)
        world.connection.data_received(OK)
        await asyncio.sleep(31)
        assert world.connection.usable
        await asyncio.sleep(1.5)
        assert world.far.log == [b"one", "close"]

    async def test_TRA_11_one_that_is_used_is_kept(self) -> None:
        world = World(idle=32)
        world.connection.use(in_use=True)
        await asyncio.sleep(10_000)
        assert world.connection.usable
        world.connection.use(in_use=False)
        await asyncio.sleep(31)
        assert world.connection.usable
        await asyncio.sleep(1.5)
        assert world.far.log == ["close"]

    async def test_to_ask_for_it_is_a_use(self) -> None:
        world = World(idle=32)
        await asyncio.sleep(31)
        target = Target(*SERVER, Transport.TCP, "titi.com")
        assert world.connection.flow(target) == Flow(target, "192.0.2.9", 5062, 7)
        await asyncio.sleep(31)
        assert world.connection.usable


class Resigning(World):
    """Whoever takes an answer gives the connection up."""

    def response_received(self, response: Response, source: tuple[str, int], serial: int) -> None:
        super().response_received(response, source, serial)
        self.connection.fail("enough")


async def test_SEC_25_what_has_begun_is_not_waited_for_when_the_connection_ends_meanwhile() -> None:
    world = Resigning()
    world.connection.data_received(OK + OK[:20])
    assert not world.connection.receiving
    await asyncio.sleep(0)
    assert (world.words, world.cause) == ([200, "lost"], "enough")
