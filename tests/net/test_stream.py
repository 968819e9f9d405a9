"""aiosipreg/net/stream.py, on real connections of the loopback interface."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg.engine.effects import Flow
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.net import stream
from aiosipreg.net.failure import TransportFailure
from aiosipreg.net.stats import Stats
from aiosipreg.net.stream import StreamTransport
from aiosipreg.settings import TlsParams, TransportParams
from tests.free_ports import free_port
from tests.tcp_server import Server, ended, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiosipreg.wire import Request, Response

TLS = TlsParams()
OPTIONS = (
    b"OPTIONS sip:toto@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n"
)
OK = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 127.0.0.1:5062;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n"


class Recorder:
    """Takes what the connections receive."""

    def __init__(self) -> None:
        self.seen: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    def response_received(self, response: Response, source: tuple[str, int], serial: int) -> None:
        self.seen.put_nowait((response.status, source, serial))

    def request_received(self, request: Request, source: tuple[str, int], serial: int, reply: Any) -> None:
        reply(OK, source)
        self.seen.put_nowait((request.method, source))

    def request_lost(self, branch: str, cause: str) -> None:
        raise AssertionError("the hub knows which requests were on a connection")

    def connection_lost(self, serial: int, cause: str) -> None:
        self.seen.put_nowait((serial, cause))

    def pong_received(self, serial: int) -> None:
        self.seen.put_nowait((serial, "pong"))

    def stun_received(self, data: bytes, source: tuple[str, int]) -> bool:
        raise AssertionError("STUN is for datagrams")

    async def next(self) -> tuple[Any, ...]:
        async with asyncio.timeout(5):
            return await self.seen.get()


@contextlib.asynccontextmanager
async def opened(
    handler: Recorder, params: TransportParams | None = None, idle: float = 32.0
) -> AsyncIterator[StreamTransport]:
    transport = StreamTransport(params or TransportParams(), idle, handler, Stats())
    try:
        yield transport
    finally:
        await transport.close()
        await transport.close()
        await asyncio.sleep(0)


@pytest.fixture
def handler() -> Recorder:
    return Recorder()


@pytest.fixture
async def tcp(handler: Recorder) -> AsyncIterator[StreamTransport]:
    async with opened(handler) as tcp:
        yield tcp


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving(agree=False) as server:
        yield server


def target(port: int, name: str = "titi.com", host: str = "127.0.0.1") -> Target:
    return Target(host, port, Transport.TCP, name)


async def test_messages_go_both_ways(tcp: StreamTransport, handler: Recorder, server: Server) -> None:
    flow = await tcp.open(target(server.port), TLS)
    tcp.send(flow, OPTIONS)
    peer, _ = await server.next()
    host, port = peer.transport.get_extra_info("peername")
    assert flow == Flow(target(server.port), host, port, flow.serial)
    peer.transport.write(OK)
    assert await handler.next() == (200, ("127.0.0.1", server.port), flow.serial)


async def test_TLS_7_a_connection_is_asked_for_each_time(tcp: StreamTransport, server: Server) -> None:
    await tcp.open(target(server.port), TLS)
    assert tcp.way(target(server.port)) is None


async def test_TRA_17_a_request_is_answered_on_the_connection_it_came_on(
    tcp: StreamTransport, handler: Recorder, server: Server
) -> None:
    tcp.send(await tcp.open(target(server.port), TLS), OPTIONS)
    peer, _ = await server.next()
    peer.transport.write(OPTIONS)
    assert await handler.next() == ("OPTIONS", ("127.0.0.1", server.port))
    answered, response = await server.next()
    assert (answered, bytes(response)) == (peer, OK)


async def test_TRA_10_one_connection_is_shared_by_all(tcp: StreamTransport, server: Server) -> None:
    assert tcp.flow(target(server.port), TLS) is None
    flows = await asyncio.gather(*(tcp.open(target(server.port, name), TLS) for name in ("titi.com", "tata.com") * 10))
    assert {(flow.target.name, flow.serial, flow.port) for flow in flows} == {
        ("titi.com", flows[0].serial, flows[0].port),
        ("tata.com", flows[0].serial, flows[0].port),
    }
    assert tcp.flow(target(server.port), TLS) == flows[0] == await tcp.open(target(server.port), TLS)
    assert tcp.flow(target(server.port, "toto.com"), TLS) is not None
    tcp.send(flows[1], OPTIONS)
    await server.next()
    assert len(server.peers) == 1


async def test_RSP_430_a_connection_that_is_hung_up_is_told_and_nobody_gets_it_any_more(
    tcp: StreamTransport, handler: Recorder, server: Server
) -> None:
    flow = await tcp.open(target(server.port), TLS)
    tcp.send(flow, OPTIONS)
    peer, _ = await server.next()
    tcp.hang_up(flow.serial, "it leads nowhere")
    assert tcp.flow(target(server.port), TLS) is None
    assert await handler.next() == (flow.serial, "it leads nowhere")
    assert await peer.lost is None
    tcp.hang_up(flow.serial, "it leads nowhere")
    assert (await tcp.open(target(server.port), TLS)).serial != flow.serial


async def test_another_place_is_another_connection(tcp: StreamTransport, server: Server) -> None:
    async with serving() as other:
        one, two = await tcp.open(target(server.port), TLS), await tcp.open(target(other.port), TLS)
        assert one.serial != two.serial
        assert {one.serial, two.serial}.isdisjoint({0})


async def test_TRA_13_a_connection_that_is_closed_is_told_and_replaced(
    tcp: StreamTransport, handler: Recorder, server: Server
) -> None:
    flow = await tcp.open(target(server.port), TLS)
    tcp.send(flow, OPTIONS)
    peer, _ = await server.next()
    peer.transport.close()
    assert await handler.next() == (flow.serial, "closed by the server")
    assert tcp.flow(target(server.port), TLS) is None
    with pytest.raises(TransportFailure) as caught:
        tcp.send(flow, OPTIONS)
    assert caught.value.row == "RSP-CLOSE"
    tcp.use(flow.serial, in_use=False)
    again = await tcp.open(target(server.port), TLS)
    assert again.serial != flow.serial


async def test_TRA_13_a_reset_is_told(tcp: StreamTransport, handler: Recorder, server: Server) -> None:
    flow = await tcp.open(target(server.port), TLS)
    tcp.send(flow, OPTIONS)
    peer, _ = await server.next()
    linger = b"\1\0\0\0\0\0\0\0"
    peer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    peer.transport.abort()
    serial, cause = await handler.next()
    assert serial == flow.serial
    assert "reset" in cause


async def test_a_closed_port_is_refused_at_once(tcp: StreamTransport, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    caplog.set_level(logging.DEBUG, "aiosipreg.stream")
    outcomes = await asyncio.gather(*(tcp.open(target(port), TLS) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ConnectionRefusedError] * 3
    await asyncio.sleep(0)
    assert caplog.record_tuples == [
        ("aiosipreg.stream", logging.DEBUG, f"no connection to tcp:127.0.0.1:{port}: {outcomes[0]}")
    ]
    assert tcp.flow(target(port), TLS) is None


async def test_who_gives_up_waiting_does_not_take_the_connection_from_others(
    tcp: StreamTransport, server: Server
) -> None:
    impatient = asyncio.create_task(tcp.open(target(server.port), TLS))
    patient = asyncio.create_task(tcp.open(target(server.port), TLS))
    await asyncio.sleep(0)
    impatient.cancel()
    flow = await patient
    assert impatient.cancelled()
    assert tcp.flow(target(server.port), TLS) == flow
    assert len(server.peers) <= 1


async def test_an_attempt_that_nobody_waits_for_any_more_may_fail(tcp: StreamTransport) -> None:
    impatient = asyncio.create_task(tcp.open(target(free_port()), TLS))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.wait(tcp._opening.values())
    await asyncio.sleep(0)
    assert impatient.cancelled()
    assert tcp._opening == {}


async def test_what_the_address_allows_is_all_that_is_used(handler: Recorder, server: Server) -> None:
    async with opened(handler, TransportParams(bind=("127.0.0.5",))) as tcp:
        assert (await tcp.open(target(server.port), TLS)).host == "127.0.0.5"


async def test_ipv6(tcp: StreamTransport) -> None:
    async with serving(host="::1") as server:
        flow = await tcp.open(target(server.port, host="::1"), TLS)
        assert flow.host == "::1"


@pytest.mark.parametrize("bind", [(), ("127.0.0.5",)])
async def test_a_fixed_port_is_shared_by_connections_to_different_places(
    handler: Recorder, server: Server, bind: tuple[str, ...]
) -> None:
    port = free_port()
    async with opened(handler, TransportParams(tcp=port, bind=bind)) as tcp, serving() as other:
        flows = [await tcp.open(target(server.port), TLS), await tcp.open(target(other.port), TLS)]
        assert [(flow.host, flow.port) for flow in flows] == [((bind or ("127.0.0.1",))[0], port)] * 2


async def test_a_fixed_port_that_is_taken(handler: Recorder, server: Server) -> None:
    async with opened(handler, TransportParams(tcp=server.port)) as tcp:
        with pytest.raises(OSError, match="in use"):
            await tcp.open(target(server.port), TLS)


async def test_a_fixed_port_and_a_closed_one(handler: Recorder) -> None:
    async with opened(handler, TransportParams(tcp=free_port())) as tcp:
        with pytest.raises(ConnectionRefusedError):
            await tcp.open(target(free_port()), TLS)


@pytest.mark.parametrize(
    ("host", "level", "option"),
    [("127.0.0.1", socket.IPPROTO_IP, socket.IP_TOS), ("::1", socket.IPPROTO_IPV6, socket.IPV6_TCLASS)],
)
async def test_connections_carry_the_dscp_mark(handler: Recorder, host: str, level: int, option: int) -> None:
    async with serving(host=host) as server, opened(handler, TransportParams(dscp=46)) as tcp:
        await tcp.open(target(server.port, host=host), TLS)
        (connection,) = tcp._connections.values()
        assert connection._transport is not None
        assert connection._transport.get_extra_info("socket").getsockopt(level, option) == 46 << 2


async def test_RSP_F0_a_connection_that_has_been_silent_too_long_is_given_to_nobody_any_more(
    tcp: StreamTransport, handler: Recorder, server: Server
) -> None:
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    flow = await tcp.open(target(server.port), TLS)
    tcp.doubt(flow.serial, asked_at)
    assert tcp.flow(target(server.port), TLS) == flow, "it was not even open then"
    tcp.doubt(flow.serial, loop.time())
    assert tcp.flow(target(server.port), TLS) is None
    other = await tcp.open(target(server.port), TLS)
    assert other.serial != flow.serial
    # Whoever uses the first one may go on.
    tcp.send(flow, OPTIONS)
    peer, _ = await server.next()
    peer.transport.write(OK)
    assert await handler.next() == (200, ("127.0.0.1", server.port), flow.serial)
    tcp.doubt(99, loop.time())
    assert tcp.flow(target(server.port), TLS) == other


async def test_TRA_12_a_connection_on_which_nothing_is_acknowledged_is_given_up(
    handler: Recorder, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = socket.TCP_USER_TIMEOUT
    async with opened(handler) as tcp:
        await tcp.open(target(server.port), TLS)
        tcp.forget()
        monkeypatch.delattr(socket, "TCP_USER_TIMEOUT")
        await tcp.open(target(server.port), TLS)
        limits = []
        for connection in tcp._connections.values():
            assert connection._transport is not None
            sock = connection._transport.get_extra_info("socket")
            limits.append(sock.getsockopt(socket.IPPROTO_TCP, option))
    assert limits == [16_000, 0], "milliseconds; not every system can"


@pytest.mark.virtual_clock
async def test_TRA_14_a_server_that_swallows_everything_is_given_up_after_five_seconds(
    tcp: StreamTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "create_connection", lambda *_args, **_options: asyncio.Event().wait())
    with pytest.raises(OSError, match="no connection within 5 s"):
        await tcp.open(target(5060), TLS)
    assert loop.time() == 5.0


@pytest.mark.virtual_clock
async def test_closing_ends_what_is_still_being_opened(tcp: StreamTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        asyncio.get_running_loop(), "create_connection", lambda *_args, **_options: asyncio.Event().wait()
    )
    waiting = asyncio.create_task(tcp.open(target(5060), TLS))
    await asyncio.sleep(1)
    await tcp.close()
    with pytest.raises(OSError, match="the transport is closed"):
        await waiting


async def test_there_is_an_end_to_how_many_there_may_be(
    tcp: StreamTransport, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_CONNECTIONS", 1)
    await tcp.open(target(server.port), TLS)
    with pytest.raises(OSError, match="there are 1 connections already"):
        await tcp.open(target(free_port()), TLS)


async def test_one_that_is_gone_before_anything_was_sent(
    tcp: StreamTransport, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    dial = tcp._dial

    async def dial_and_lose(*args: Any) -> asyncio.Transport:
        transport = await dial(*args)
        transport.abort()
        return transport

    monkeypatch.setattr(tcp, "_dial", dial_and_lose)
    with pytest.raises(TransportFailure, match="closed by the server before anything was sent"):
        await tcp.open(target(server.port), TLS)
    assert tcp.flow(target(server.port), TLS) is None


async def test_REG_35_on_another_network_nobody_gets_a_connection_of_before(
    tcp: StreamTransport, handler: Recorder, server: Server
) -> None:
    before = await tcp.open(target(server.port), TLS)
    async with serving(agree=False) as other:
        waiting = asyncio.create_task(tcp.open(target(other.port), TLS))
        await asyncio.sleep(0)
        tcp.forget()
        assert tcp.flow(target(server.port), TLS) is None
        after = await tcp.open(target(server.port), TLS)
        assert after.serial != before.serial
        assert (await waiting).serial not in (before.serial, after.serial)
        assert tcp.flow(target(other.port), TLS) is None
        for flow in (before, after):
            tcp.send(flow, OPTIONS)
            await server.next()
        server.hang_up()
        assert {(await handler.next())[0], (await handler.next())[0]} == {before.serial, after.serial}
        assert tcp.flow(target(server.port), TLS) is None


async def test_TRA_11_one_that_nobody_uses_is_closed(handler: Recorder, server: Server) -> None:
    async with opened(handler, idle=0.05) as tcp:
        flow = await tcp.open(target(server.port), TLS)
        tcp.use(flow.serial, in_use=True)
        tcp.send(flow, OPTIONS)
        peer, _ = await server.next()
        tcp.use(flow.serial, in_use=False)
        assert await handler.next() == (flow.serial, "nobody used it")
        await ended((peer,))


async def test_closing_is_no_news_to_a_server_that_is_slow(handler: Recorder, server: Server) -> None:
    async with opened(handler) as tcp:
        flow = await tcp.open(target(server.port), TLS)
        tcp.send(flow, OPTIONS)
        peer, _ = await server.next()
    assert await handler.next() == (flow.serial, "the transport is closed")
    await ended((peer,))
    with pytest.raises(OSError, match="closed"):
        tcp.send(flow, OPTIONS)


async def test_KA_6_a_connection_that_is_found_dead_ends_at_once(
    tcp: StreamTransport, handler: Recorder, server: Server
) -> None:
    flow = await tcp.open(target(server.port), TLS)
    tcp.send(flow, OPTIONS + b"\r\n\r\n")
    peer, _ = await server.next()
    assert not tcp.receiving(flow.serial)
    peer.transport.write(b"\r\n" + OK[:20])
    assert await handler.next() == (flow.serial, "pong")
    assert tcp.receiving(flow.serial)
    tcp.fail(flow.serial, "no answer to a ping within 10 s")
    assert await handler.next() == (flow.serial, "no answer to a ping within 10 s")
    assert not tcp.receiving(flow.serial)
    tcp.fail(flow.serial, "once more")
    assert tcp.flow(target(server.port), TLS) is None
