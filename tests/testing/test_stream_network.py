"""aiosipreg/testing/stream_network.py: what a program on the virtual clock sees of its connections."""

from __future__ import annotations

import asyncio
import errno
import ssl
from typing import TYPE_CHECKING, cast

import pytest

from aiosipreg.testing.link import Faults
from tests.testing.certificates import client_context, server_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.testing.clock import VirtualClockLoop
    from aiosipreg.testing.stream_network import VirtualServer, VirtualStreamTransport

pytestmark = pytest.mark.virtual_clock

HOST = "127.0.0.1"


class End(asyncio.Protocol):
    """Writes down what asyncio tells a protocol."""

    def __init__(self, *, stays: bool = False) -> None:
        self.calls: list[str] = []
        self.data = b""
        self.stays = stays
        self.lost: Exception | None = None
        self.at: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("VirtualStreamTransport", transport)
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.at.append(asyncio.get_running_loop().time())

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return self.stays

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc
        self.calls.append("lost")


def loop() -> VirtualClockLoop:
    """The loop."""
    return cast("VirtualClockLoop", asyncio.get_running_loop())


def now() -> float:
    """The time."""
    return loop().time()


async def listen(factory: Callable[[], asyncio.BaseProtocol] = End, host: str = HOST, port: int = 0) -> VirtualServer:
    """A listener."""
    return cast("VirtualServer", await loop().create_server(factory, host, port))


async def pair(*, stays: bool = False) -> tuple[End, End]:
    """Both ends of a connection, the one that connected first."""
    theirs = End(stays=stays)
    server = await listen(lambda: theirs)
    _, ours = await loop().create_connection(lambda: End(stays=stays), HOST, server.getsockname()[1])
    server.close()
    return ours, theirs


@pytest.mark.virtual_clock(delay=0.1)
async def test_connecting_takes_a_round_trip_and_octets_one_way() -> None:
    server = await listen()
    transport, ours = await loop().create_connection(End, HOST, server.getsockname()[1])
    assert now() == pytest.approx(0.2)
    assert ours.calls == ["made"]
    assert transport.get_extra_info("peername") == server.sockets[0].getsockname()
    theirs = cast("End", cast("VirtualStreamTransport", transport).peer.get_protocol())
    assert theirs.transport.get_extra_info("peername") == transport.get_extra_info("sockname")
    transport.write(b"one")
    transport.write(bytearray(b"two"))
    transport.write(b"")
    await asyncio.sleep(1.0)
    assert theirs.data == b"onetwo"
    assert theirs.at == pytest.approx([0.3, 0.3])


async def test_a_name_and_a_local_address_may_be_given() -> None:
    server = await listen(host="0.0.0.0")
    port = server.getsockname()[1]
    transport, _ = await loop().create_connection(End, "localhost", port, local_addr=("127.0.0.9", 4000))
    assert transport.get_extra_info("sockname") == ("127.0.0.9", 4000)
    transport, _ = await loop().create_connection(End, "192.0.2.1", port)
    assert transport.get_extra_info("sockname")[0] == "192.0.2.1"


async def test_ipv6() -> None:
    server = await listen(host="::1")
    transport, _ = await loop().create_connection(End, "::1", server.getsockname()[1])
    assert transport.get_extra_info("peername") == ("::1", server.getsockname()[1], 0, 0)


@pytest.mark.virtual_clock(delay=0.1)
async def test_nobody_listening_refuses_after_a_round_trip() -> None:
    with pytest.raises(ConnectionRefusedError):
        await loop().create_connection(End, HOST, 5060)
    assert now() == pytest.approx(0.2)


async def test_an_address_is_taken_once_and_free_again_after_a_close() -> None:
    server = await listen(port=5060)
    with pytest.raises(OSError, match="in use") as caught:
        await listen(port=5060)
    assert caught.value.errno == errno.EADDRINUSE
    assert server.is_serving()
    server.close()
    server.close()
    assert not server.is_serving()
    await listen(port=5060)
    assert not server.is_serving()


async def test_a_free_port_is_one_that_nobody_has() -> None:
    await listen(port=49153)
    assert [(await listen()).getsockname()[1] for _ in range(2)] == [49152, 49154]


async def test_servers_behave_as_those_of_asyncio() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), HOST, 0)
    async with server:
        serving = asyncio.create_task(server.serve_forever())
        await server.start_serving()
        assert server.get_loop() is loop()
        reader, writer = await asyncio.open_connection(HOST, server.sockets[0].getsockname()[1])
        assert await reader.read() == b""
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        writer.close()
        await writer.wait_closed()
    assert not server.is_serving()


async def test_a_close_is_seen_as_the_end_and_answered_by_a_close() -> None:
    ours, theirs = await pair()
    ours.transport.write(b"last words")
    ours.transport.close()
    ours.transport.close()
    assert ours.transport.is_closing()
    await asyncio.sleep(0.1)
    assert (theirs.data, theirs.calls, theirs.lost) == (b"last words", ["made", "eof", "lost"], None)
    assert (ours.calls, ours.lost) == (["made", "lost"], None)
    ours.transport.write(b"more")
    theirs.transport.write_eof()
    await asyncio.sleep(0.1)
    assert theirs.data == b"last words"


async def test_half_of_a_connection_may_be_closed() -> None:
    ours, theirs = await pair(stays=True)
    assert ours.transport.can_write_eof()
    ours.transport.write_eof()
    ours.transport.write_eof()
    with pytest.raises(RuntimeError, match="write_eof"):
        ours.transport.write(b"more")
    await asyncio.sleep(0.1)
    assert theirs.calls == ["made", "eof"]
    theirs.transport.write(b"an answer")
    await asyncio.sleep(0.1)
    assert ours.data == b"an answer"
    ours.transport.close()
    theirs.transport.close()
    await asyncio.sleep(0.1)
    assert (ours.lost, theirs.lost) == (None, None)
    assert ours.calls == ["made", "lost"]


async def test_an_abort_resets_the_peer() -> None:
    ours, theirs = await pair()
    ours.transport.write(b"last words")
    ours.transport.abort()
    ours.transport.abort()
    await asyncio.sleep(0.1)
    assert (ours.calls, ours.lost) == (["made", "lost"], None)
    assert theirs.data == b"last words"
    assert isinstance(theirs.lost, ConnectionResetError)
    theirs.transport.abort()
    await asyncio.sleep(0.1)
    assert theirs.calls == ["made", "lost"]


async def test_both_may_abort_at_once() -> None:
    ours, theirs = await pair()
    ours.transport.abort()
    theirs.transport.abort()
    await asyncio.sleep(0.1)
    assert [(end.calls, end.lost) for end in (ours, theirs)] == [(["made", "lost"], None)] * 2


@pytest.mark.virtual_clock(delay=0.1)
async def test_octets_for_one_that_is_gone_bring_a_reset() -> None:
    ours, theirs = await pair(stays=True)
    theirs.transport.close()
    await asyncio.sleep(0.2)
    assert ours.calls == ["made", "eof"]
    ours.transport.write(b"too late")
    await asyncio.sleep(0.2)
    assert isinstance(ours.lost, ConnectionResetError)


async def test_a_close_before_everything_was_read_is_a_reset() -> None:
    ours, theirs = await pair()
    theirs.transport.pause_reading()
    ours.transport.write(b"unread")
    await asyncio.sleep(0.1)
    theirs.transport.close()
    await asyncio.sleep(0.1)
    assert isinstance(ours.lost, ConnectionResetError)
    assert (theirs.data, theirs.lost) == (b"", None)


async def test_reading_may_pause_and_go_on() -> None:
    ours, theirs = await pair()
    assert theirs.transport.is_reading()
    theirs.transport.pause_reading()
    assert not theirs.transport.is_reading()
    ours.transport.write(b"wait")
    ours.transport.close()
    await asyncio.sleep(1.0)
    assert (theirs.data, theirs.calls) == (b"", ["made"])
    theirs.transport.resume_reading()
    await asyncio.sleep(0.1)
    assert (theirs.data, theirs.calls) == (b"wait", ["made", "eof", "lost"])


async def test_the_buffers_before_one_that_does_not_read_fill_and_empty() -> None:
    ours, theirs = await pair()
    theirs.transport.pause_reading()
    assert ours.transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
    ours.transport.set_write_buffer_limits(high=1000, low=100)
    octets = b"x" * 256 * 1024
    ours.transport.write(octets)
    assert ours.transport.get_write_buffer_size() == 0
    for _ in range(3):
        ours.transport.write(b"y" * 500)
    assert ours.transport.get_write_buffer_size() == 1500
    assert ours.calls == ["made", "pause"]
    await asyncio.sleep(1.0)
    ours.transport.close()
    await asyncio.sleep(1.0)
    assert ours.calls == ["made", "pause"]
    theirs.transport.resume_reading()
    await asyncio.sleep(1.0)
    assert theirs.data == octets + b"y" * 1500
    assert ours.calls == ["made", "pause", "resume", "lost"]


async def test_one_that_is_closing_does_not_keep_its_peer_from_it() -> None:
    ours, theirs = await pair(stays=True)
    for end in (ours, theirs):
        end.transport.pause_reading()
        end.transport.write(b"x" * 300_000)
    await asyncio.sleep(0.1)
    assert [end.calls for end in (ours, theirs)] == [["made"], ["made"]]
    ours.transport.resume_reading()
    await asyncio.sleep(0.1)
    ours.transport.close()
    theirs.transport.write(b"y" * 300_000)
    theirs.transport.write_eof()
    await asyncio.sleep(0.1)
    # Ours waits until it is read, and throws away what comes.
    assert (ours.calls, len(ours.data), theirs.transport.get_write_buffer_size()) == (["made"], 300_000, 0)
    theirs.transport.close()
    await asyncio.sleep(0.1)
    assert isinstance(ours.lost, ConnectionResetError)
    assert (ours.calls, theirs.calls) == (["made", "lost"], ["made", "lost"])


@pytest.mark.virtual_clock(loss=0.5, delay=0.01, seed=4)
async def test_what_is_lost_comes_later_and_in_order() -> None:
    ours, theirs = await pair()
    began = now()
    for number in range(200):
        ours.transport.write(bytes([number]))
    await asyncio.sleep(600.0)
    assert theirs.data == bytes(range(200))
    assert theirs.at == sorted(theirs.at)
    assert theirs.at[-1] > began + 10.0


@pytest.mark.virtual_clock(delay=(0.0, 1.0), duplicate=0.5, reorder=0.5, seed=1)
async def test_nothing_is_doubled_or_out_of_order() -> None:
    ours, theirs = await pair()
    for number in range(100):
        ours.transport.write(bytes([number]))
        await asyncio.sleep(0.05)
    await asyncio.sleep(10.0)
    assert theirs.data == bytes(range(100))


async def test_a_path_that_is_cut_for_a_while_delivers_afterwards() -> None:
    ours, theirs = await pair()
    loop().network.partition(HOST)
    ours.transport.write(b"one")
    ours.transport.write(b"two")
    await asyncio.sleep(60.0)
    assert theirs.data == b""
    loop().network.heal()
    await asyncio.sleep(60.0)
    assert (theirs.data, ours.calls) == (b"onetwo", ["made"])


async def test_a_path_that_stays_cut_ends_a_connection_and_the_peer_knows_nothing() -> None:
    ours, theirs = await pair()
    loop().network.faults = Faults(silence=True)
    ours.transport.write(b"one")
    await asyncio.sleep(920.0)
    assert ours.calls == ["made"]
    await asyncio.sleep(10.0)
    assert isinstance(ours.lost, TimeoutError)
    assert theirs.calls == ["made"]


async def test_no_path_lets_a_connect_time_out() -> None:
    loop().network.faults = Faults(silence=True)
    with pytest.raises(TimeoutError) as caught:
        await loop().create_connection(End, HOST, 5060)
    assert (caught.value.errno, now()) == (errno.ETIMEDOUT, 127.0)


async def test_no_way_back_is_no_path() -> None:
    await listen(port=5060)
    loop().network.shape(Faults(silence=True), source=(HOST, 5060))
    connecting = asyncio.create_task(loop().create_connection(End, HOST, 5060))
    await asyncio.sleep(2.0)
    assert not connecting.done()
    loop().network.heal()
    await connecting
    assert now() == 3.0


async def test_protocols_with_buffers_of_their_own() -> None:
    class Small(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(3)
            self.data = b""

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.data += self.buffer[:nbytes]

    theirs = Small()
    server = await listen(lambda: theirs)
    transport, _ = await loop().create_connection(End, HOST, server.getsockname()[1])
    transport.write(b"12345678")
    await asyncio.sleep(0.1)
    assert theirs.data == b"12345678"


async def test_tls_is_made_by_asyncio_on_top() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(server_context())
        writer.write(await reader.readexactly(5))
        writer.close()

    server = await asyncio.start_server(echo, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection(HOST, port, ssl=client_context())
    writer.write(b"hello")
    assert await reader.read() == b"hello"
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    writer.close()
    await writer.wait_closed()
    server.close()


async def test_tls_may_fail_on_the_client() -> None:
    server = await listen(End)
    port = server.getsockname()[1]
    connecting = loop().create_connection(End, HOST, port, ssl=client_context(), ssl_handshake_timeout=5.0)
    with pytest.raises(ConnectionAbortedError, match="5"):
        await connecting
    assert now() == 5.0
    plain = await listen(lambda: Talker(b"220 no TLS here\r\n"))
    with pytest.raises(ssl.SSLError):
        await loop().create_connection(End, HOST, plain.getsockname()[1], ssl=client_context())


class Talker(asyncio.Protocol):
    """Speaks first."""

    def __init__(self, words: bytes) -> None:
        self.words = words

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self.words)


async def test_a_virtual_server_has_no_tls() -> None:
    with pytest.raises(NotImplementedError):
        await loop().create_server(End, HOST, 0, ssl=server_context())
