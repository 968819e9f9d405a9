"""aiosipreg/net/udp.py, on real loopback sockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg.engine.effects import Flow
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.net.sockets import make_room
from aiosipreg.net.stats import Stats
from aiosipreg.net.udp import UdpTransport
from aiosipreg.settings import TransportParams
from aiosipreg.testing import VirtualNetwork, run
from aiosipreg.wire import ParseError
from tests.free_ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiosipreg.wire import Request, Response

REQUEST = b"OPTIONS sip:toto@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK1\r\n\r\n"
RESPONSE = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK1\r\n\r\n"


class Recorder:
    """Takes what the sockets receive, or raises."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.awaited = False
        self.stun: list[tuple[bytes, tuple[str, int]]] = []
        self.seen: asyncio.Queue[tuple[object, ...]] = asyncio.Queue()

    def response_received(self, response: Response, source: tuple[str, int], serial: int) -> None:
        assert serial == 0
        self._take(response.status, source)

    def request_received(self, request: Request, source: tuple[str, int], serial: int, reply: Any) -> None:
        reply(b"answer", source)
        self._take(request.method, source)

    def request_lost(self, branch: str, cause: str) -> None:
        self._take(branch, cause)

    def connection_lost(self, serial: int, cause: str) -> None:
        raise AssertionError("there are no connections")

    def pong_received(self, serial: int) -> None:
        raise AssertionError("there are no connections")

    def stun_received(self, data: bytes, source: tuple[str, int]) -> bool:
        self.stun.append((data, source))
        return self.awaited

    def _take(self, *seen: object) -> None:
        self.seen.put_nowait(seen)
        if self.error is not None:
            raise self.error

    async def next(self) -> tuple[object, ...]:
        async with asyncio.timeout(5):
            return await self.seen.get()


@pytest.fixture
def handler() -> Recorder:
    return Recorder()


@pytest.fixture
def stats() -> Stats:
    return Stats()


@pytest.fixture
async def udp(handler: Recorder, stats: Stats) -> AsyncIterator[UdpTransport]:
    async with opened(TransportParams(), handler, stats) as udp:
        yield udp


@contextlib.asynccontextmanager
async def opened(params: TransportParams, handler: Recorder, stats: Stats) -> AsyncIterator[UdpTransport]:
    udp = UdpTransport(params, handler, stats)
    try:
        yield udp
    finally:
        await udp.close()
        await asyncio.sleep(0)


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock


def target(host: str, port: int) -> Target:
    return Target(host, port, Transport.UDP, host)


async def test_a_socket_is_opened_when_it_is_needed_and_shared_from_then_on(udp: UdpTransport) -> None:
    one, other = target("127.0.0.1", 5060), target("127.0.0.1", 5070)
    assert udp.flow(one) is None
    first, second = await asyncio.gather(udp.open(one), udp.open(other))
    assert first == Flow(one, "127.0.0.1", first.port)
    assert second == Flow(other, "127.0.0.1", first.port)
    assert udp.flow(one) == first
    assert udp.flow(target("::1", 5060)) is None


async def test_REG_11_the_local_address_is_the_one_toward_the_target(udp: UdpTransport) -> None:
    assert (await udp.open(target("127.0.0.1", 5060))).host == "127.0.0.1"
    flow = await udp.open(target("::1", 5060))
    assert flow.host == "::1"
    assert flow.sent_by == f"[::1]:{flow.port}"


@pytest.mark.virtual_clock
async def test_REG_11_who_asks_at_the_same_time_gets_the_same_answer(handler: Recorder, stats: Stats) -> None:
    async with opened(TransportParams(), handler, stats) as udp:
        first = await udp.open(target("127.0.0.1", 5060))
        other = udp.flow(target("127.0.0.2", 5060))
        assert other is not None
        assert (first.host, other.host) == ("127.0.0.1", "127.0.0.1")
        await asyncio.sleep(0.9)
        assert udp.flow(target("127.0.0.1", 5060)) is first
        await asyncio.sleep(0.1)
        again = udp.flow(target("127.0.0.1", 5060))
        assert again == first
        assert again is not first
        udp.forget()
        assert udp.flow(target("127.0.0.1", 5060)) is not again


async def test_a_bound_address_is_used_for_its_family(handler: Recorder, stats: Stats, peer: socket.socket) -> None:
    async with opened(TransportParams(bind=("127.0.0.5",)), handler, stats) as udp:
        flow = await udp.open(target(*peer.getsockname()))
        assert flow.host == "127.0.0.5"
        udp.send(flow, b"hello")
        assert await asyncio.to_thread(peer.recvfrom, 100) == (b"hello", ("127.0.0.5", flow.port))
        assert (await udp.open(target("::1", 5060))).host == "::1"


@pytest.mark.parametrize("hosts", [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
async def test_a_fixed_port_serves_both_families(handler: Recorder, stats: Stats, hosts: tuple[str, str]) -> None:
    port = free_port()
    async with opened(TransportParams(udp=port), handler, stats) as udp:
        for host in hosts:
            assert await udp.open(target(host, 5060)) == Flow(target(host, 5060), host, port)


def test_a_fixed_port_on_a_virtual_network(handler: Recorder, stats: Stats) -> None:
    port = free_port()

    async def main() -> None:
        async with opened(TransportParams(udp=port), handler, stats) as udp:
            for host in ("127.0.0.1", "::1"):
                assert (await udp.open(target(host, 5060))).port == port

    run(main(), network=VirtualNetwork())


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_a_port_in_use_is_an_error(
    handler: Recorder, stats: Stats, family: socket.AddressFamily, host: str
) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as taken:
        taken.bind((host, 0))
        async with opened(TransportParams(udp=taken.getsockname()[1]), handler, stats) as udp:
            with pytest.raises(OSError, match="in use"):
                await udp.open(target(host, 5060))
            assert udp.flow(target(host, 5060)) is None


async def test_no_route_is_an_error(udp: UdpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    await udp.open(target("127.0.0.1", 5060))
    with pytest.raises(OSError, match=r"ermission|nreachable"):
        udp.flow(target("255.255.255.255", 5060))  # broadcast, which needs a permission that nobody asked for


async def test_REG_20_the_way_to_a_target_is_the_same_for_all(udp: UdpTransport) -> None:
    flow = await udp.open(target("127.0.0.1", 5060))
    assert udp.way(flow.target) == flow
    assert udp.way(target("255.255.255.255", 5060)) is None, "there is no route"


@pytest.mark.parametrize(
    ("host", "level", "option"),
    [
        ("127.0.0.1", socket.IPPROTO_IP, socket.IP_TOS),
        ("::1", socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
    ],
)
async def test_datagrams_carry_the_dscp_mark(
    handler: Recorder, stats: Stats, host: str, level: int, option: int
) -> None:
    async with opened(TransportParams(dscp=46), handler, stats) as udp:
        await udp.open(target(host, 5060))
        (endpoint,) = udp._endpoints.values()
        sock = endpoint.transport.get_extra_info("socket")
        assert sock.getsockopt(level, option) == 46 << 2


async def test_there_is_room_for_more_answers_than_the_system_gives_a_socket_by_itself(
    udp: UdpTransport, peer: socket.socket
) -> None:
    await udp.open(target(*peer.getsockname()))
    (endpoint,) = udp._endpoints.values()
    assert endpoint._socket is not None
    usual = peer.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    assert endpoint._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > usual


async def test_what_the_system_refuses_raises_and_the_next_datagram_leaves(
    udp: UdpTransport, stats: Stats, peer: socket.socket
) -> None:
    flow = await udp.open(target(*peer.getsockname()))
    with pytest.raises(OSError, match="too long"):
        udp.send(flow, b"x" * 70_000)
    udp.send(flow, b"hello")
    assert (await asyncio.to_thread(peer.recvfrom, 100))[0] == b"hello"
    assert stats.dropped == {}


@pytest.mark.parametrize(("host", "most"), [("127.0.0.1", 1472), ("::1", 1452)])
async def test_TRA_4_a_datagram_that_does_not_fit_a_frame_is_logged(
    udp: UdpTransport, caplog: pytest.LogCaptureFixture, host: str, most: int
) -> None:
    caplog.set_level(logging.INFO, "aiosipreg")
    flow = await udp.open(target(host, 9))
    udp.send(flow, b"x" * most)
    assert caplog.records == []
    udp.send(flow, b"x" * (most + 1))
    assert f"{most + 1} octets to ('{host}', 9) go in fragments" in caplog.text


async def test_a_closed_transport_sends_nothing(udp: UdpTransport) -> None:
    flow = await udp.open(target("127.0.0.1", 5060))
    (endpoint,) = udp._endpoints.values()
    await udp.close()
    await udp.close()
    with pytest.raises(OSError, match="closed"):
        udp.send(flow, b"hello")
    with pytest.raises(OSError, match="closed"):
        endpoint.send(b"hello", ("127.0.0.1", 5060))


async def test_messages_are_told_apart(udp: UdpTransport, handler: Recorder, peer: socket.socket) -> None:
    flow = await udp.open(target(*peer.getsockname()))
    peer.sendto(REQUEST, (flow.host, flow.port))
    assert await handler.next() == ("OPTIONS", peer.getsockname())
    assert (await asyncio.to_thread(peer.recvfrom, 100))[0] == b"answer"
    peer.sendto(RESPONSE, (flow.host, flow.port))
    assert await handler.next() == (200, peer.getsockname())


async def test_TRA_5_the_longest_datagram_arrives_whole(
    udp: UdpTransport, handler: Recorder, peer: socket.socket
) -> None:
    flow = await udp.open(target(*peer.getsockname()))
    head = REQUEST.removesuffix(b"\r\n") + b"Content-Length: 65000\r\n"
    padding = 65_507 - 65_000 - len(head) - len(b"Subject: \r\n\r\n")
    peer.sendto(head + b"Subject: " + b"x" * padding + b"\r\n\r\n" + b"x" * 65_000, (flow.host, flow.port))
    assert await handler.next() == ("OPTIONS", peer.getsockname())


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "keep-alive"),
        (b"\r\n\r\n", "keep-alive"),
        (b"\0", "keep-alive"),
        (b"\0\0\r\n", "keep-alive"),
        (b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12), "stun"),
        (b"\1\1\0\0\x21\x12\xa4\x42" + bytes(12), "stun"),
        (b"\2", "malformed"),
        (b"\x80\x60rtp", "malformed"),
        (b"hello", "malformed"),
        (b"SIP/2.0 999 Odd\r\n\r\n", "malformed"),
        (b"\xff" * 100, "malformed"),
    ],
)
async def test_TRA_16_what_is_no_message_is_counted(
    udp: UdpTransport, handler: Recorder, stats: Stats, peer: socket.socket, data: bytes, cause: str
) -> None:
    flow = await udp.open(target(*peer.getsockname()))
    peer.sendto(data, (flow.host, flow.port))
    peer.sendto(REQUEST, (flow.host, flow.port))
    assert await handler.next() == ("OPTIONS", peer.getsockname())
    assert stats.dropped == {cause: 1}
    assert handler.stun == ([(data, peer.getsockname())] if cause == "stun" else [])


async def test_TRA_16_stun_that_somebody_waits_for_is_not_dropped(
    udp: UdpTransport, handler: Recorder, stats: Stats, peer: socket.socket
) -> None:
    handler.awaited = True
    flow = await udp.open(target(*peer.getsockname()))
    for data in (b"\1\1", b"\0\1", b"\r\n", REQUEST):
        peer.sendto(data, (flow.host, flow.port))
    assert await handler.next() == ("OPTIONS", peer.getsockname())
    assert [data for data, _ in handler.stun] == [b"\1\1", b"\0\1"]
    assert stats.dropped == {"keep-alive": 1}
    assert not udp.receiving(0)
    udp.fail(0, "nothing that could be ended")
    udp.hang_up(0, "nothing that could be ended")
    udp.send(flow, b"still open")
    assert [peer.recv(100), peer.recv(100)] == [b"answer", b"still open"]


@pytest.mark.parametrize("data", [REQUEST, RESPONSE])
async def test_MSG_17_a_header_that_proves_malformed_later_is_counted(
    udp: UdpTransport, handler: Recorder, stats: Stats, peer: socket.socket, data: bytes
) -> None:
    handler.error = ParseError("x", 0, "a Via")
    flow = await udp.open(target(*peer.getsockname()))
    peer.sendto(data, (flow.host, flow.port))
    await handler.next()
    assert stats.dropped == {"malformed": 1}


async def test_TRA_7_a_request_leaves_by_the_socket_that_its_answer_arrives_at(
    udp: UdpTransport, handler: Recorder, peer: socket.socket
) -> None:
    flow = await udp.open(target(*peer.getsockname()))
    for _ in range(2):
        udp.send(flow, REQUEST)
        data, source = await asyncio.to_thread(peer.recvfrom, 1000)
        assert (data, source) == (REQUEST, (flow.host, flow.port))
        assert flow.sent_by == f"{flow.host}:{flow.port}"
        peer.sendto(RESPONSE, source)
        assert await handler.next() == (200, peer.getsockname())


async def test_ROB_8_an_error_of_ours_stays_out_of_the_loop(
    udp: UdpTransport, handler: Recorder, stats: Stats, peer: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    handler.error = RuntimeError("boom")
    flow = await udp.open(target(*peer.getsockname()))
    for _ in range(2):
        peer.sendto(REQUEST, (flow.host, flow.port))
        await handler.next()
    assert stats.dropped == {"error": 2}
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


async def test_network_text_in_the_log_is_escaped(
    udp: UdpTransport, handler: Recorder, peer: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiosipreg")
    flow = await udp.open(target(*peer.getsockname()))
    peer.sendto(b"hello \x1b[31m\r\n%s\r\n\r\n", (flow.host, flow.port))
    peer.sendto(REQUEST, (flow.host, flow.port))
    await handler.next()
    assert "dropped 19 octets" in caplog.text
    assert "\x1b" not in caplog.text


async def test_the_zone_of_an_address_is_left_out(udp: UdpTransport, handler: Recorder) -> None:
    await udp.open(target("::1", 5060))
    (endpoint,) = udp._endpoints.values()
    address: tuple[object, ...] = ("fe80::1%eth0", 5060, 0, 2)
    endpoint.datagram_received(REQUEST, address)  # type: ignore[arg-type]  # what asyncio gives for IPv6
    assert await handler.next() == ("OPTIONS", ("fe80::1", 5060))


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells an unconnected socket")


@linux_only
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_TRA_12_a_request_to_a_closed_port_is_reported_lost(
    udp: UdpTransport, handler: Recorder, stats: Stats, family: socket.AddressFamily, host: str
) -> None:
    flow = await udp.open(target(host, free_port(host)))
    udp.send(flow, REQUEST)
    assert await handler.next() == ("z9hG4bK1", "Connection refused")
    assert stats.dropped == {"icmp": 1}


@linux_only
async def test_TRA_12_news_of_one_datagram_does_not_cost_another(
    udp: UdpTransport, handler: Recorder, peer: socket.socket
) -> None:
    dead = await udp.open(target("127.0.0.1", free_port()))
    alive = await udp.open(target(*peer.getsockname()))
    for _ in range(5):
        udp.send(dead, REQUEST)
        # The system tells of the datagram before within this call, instead of sending.
        udp.send(alive, b"hello")
        assert (await asyncio.to_thread(peer.recvfrom, 100))[0] == b"hello"
        assert await handler.next() == ("z9hG4bK1", "Connection refused")


@linux_only
async def test_SEC_15_a_report_without_a_branch_concerns_nobody(
    udp: UdpTransport, handler: Recorder, stats: Stats, peer: socket.socket
) -> None:
    dead = await udp.open(target("127.0.0.1", free_port()))
    udp.send(dead, b"REGISTER sip:x SIP/2.0\r\n\r\n")
    peer.sendto(REQUEST, (dead.host, dead.port))
    assert (await handler.next())[0] == "OPTIONS"
    assert stats.dropped == {"icmp": 1}


async def test_an_error_without_details_is_remembered_for_the_send_it_belongs_to(
    udp: UdpTransport, handler: Recorder, stats: Stats, peer: socket.socket
) -> None:
    flow = await udp.open(target(*peer.getsockname()))
    (endpoint,) = udp._endpoints.values()
    endpoint.error_received(ConnectionResetError("as other systems tell"))
    udp.send(flow, b"hello")
    assert (await asyncio.to_thread(peer.recvfrom, 100))[0] == b"hello"
    assert handler.seen.empty()
    assert stats.dropped == {}


class Faulty:
    """A socket that one call of fails."""

    def __init__(self, sock: socket.socket, **errors: OSError) -> None:
        self._sock = sock
        self._errors = errors

    def sendto(self, data: bytes, address: tuple[str, int]) -> int:
        self._fail("sendto")
        return self._sock.sendto(data, address)

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        self._fail("recvfrom")
        return self._sock.recvfrom(size)

    def close(self) -> None:
        self._sock.close()

    def _fail(self, call: str) -> None:
        if (error := self._errors.pop(call, None)) is not None:
            raise error


def break_once(udp: UdpTransport, **errors: OSError) -> None:
    (endpoint,) = udp._endpoints.values()
    assert endpoint._socket is not None
    endpoint._socket = Faulty(endpoint._socket, **errors)  # type: ignore[assignment]


async def test_what_waits_is_taken_in_one_turn(udp: UdpTransport, handler: Recorder, peer: socket.socket) -> None:
    flow = await udp.open(target(*peer.getsockname()))
    for _ in range(5):
        peer.sendto(RESPONSE, (flow.host, flow.port))
    assert await handler.next() == (200, peer.getsockname())
    assert handler.seen.qsize() == 4


class Scripted:
    """A socket at which datagrams wait, and which notes what is done with it."""

    def __init__(self, *waiting: bytes, **errors: OSError) -> None:
        self.calls: list[str] = []
        self._waiting = list(waiting)
        self._errors = errors

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        if not self._waiting:
            raise BlockingIOError
        self.calls.append("recvfrom")
        return self._waiting.pop(0), ("127.0.0.1", 9)

    def sendto(self, data: bytes, address: tuple[str, int]) -> int:
        self.calls.append("sendto")
        if error := self._errors.pop("sendto", None):
            raise error
        return len(data)


async def test_what_goes_out_because_of_what_came_in_leaves_together(udp: UdpTransport) -> None:
    flow = await udp.open(target("127.0.0.1", 9))
    (endpoint,) = udp._endpoints.values()
    script = Scripted(REQUEST, REQUEST)
    sock, endpoint._socket = endpoint._socket, script  # type: ignore[assignment]
    endpoint.datagram_received(REQUEST, ("127.0.0.1", 9))
    udp.send(flow, REQUEST)
    assert script.calls == ["recvfrom"] * 2 + ["sendto"] * 4
    endpoint._socket = sock


async def test_TXN_8_a_request_that_the_system_refuses_then_is_reported_lost(
    udp: UdpTransport, handler: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = await udp.open(target("127.0.0.1", 9))
    (endpoint,) = udp._endpoints.values()

    def follow(*_: object) -> None:
        udp.send(flow, REQUEST)

    monkeypatch.setattr(handler, "response_received", follow)
    script = Scripted(sendto=OSError(errno.ENETUNREACH, "Network is unreachable"))
    sock, endpoint._socket = endpoint._socket, script  # type: ignore[assignment]
    endpoint.datagram_received(RESPONSE, ("127.0.0.1", 9))
    assert await handler.next() == ("z9hG4bK1", f"[Errno {errno.ENETUNREACH}] Network is unreachable")
    endpoint._socket = sock


async def test_an_answer_that_the_system_refuses_then_is_nobodys_loss(udp: UdpTransport, handler: Recorder) -> None:
    await udp.open(target("127.0.0.1", 9))
    (endpoint,) = udp._endpoints.values()
    script = Scripted(sendto=OSError(errno.ENETUNREACH, "Network is unreachable"))
    sock, endpoint._socket = endpoint._socket, script  # type: ignore[assignment]
    endpoint.datagram_received(REQUEST, ("127.0.0.1", 9))
    assert script.calls == ["sendto"]
    assert await handler.next() == ("OPTIONS", ("127.0.0.1", 9))
    await asyncio.sleep(0)
    assert handler.seen.empty()
    endpoint._socket = sock


async def test_who_comes_while_the_socket_is_being_opened_uses_the_same(udp: UdpTransport) -> None:
    one, other = await asyncio.gather(*[udp.open(target("127.0.0.1", port)) for port in (5060, 5070)])
    assert (one.host, one.port) == (other.host, other.port)
    assert len(udp._endpoints) == 1


class Endless:
    """A socket at which there is always one more."""

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        return RESPONSE, ("127.0.0.1", 9)


async def test_a_flood_does_not_keep_others_from_their_turn(udp: UdpTransport, handler: Recorder) -> None:
    await udp.open(target("127.0.0.1", 9))
    (endpoint,) = udp._endpoints.values()
    sock, endpoint._socket = endpoint._socket, Endless()  # type: ignore[assignment]
    endpoint.datagram_received(RESPONSE, ("127.0.0.1", 9))
    assert handler.seen.qsize() == 65
    endpoint._socket = sock


async def test_nothing_is_taken_after_the_end(
    udp: UdpTransport, handler: Recorder, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = await udp.open(target(*peer.getsockname()))
    (endpoint,) = udp._endpoints.values()

    def take(*seen: object) -> None:
        endpoint.close()
        handler.seen.put_nowait(seen)

    monkeypatch.setattr(handler, "_take", take)
    for _ in range(2):
        peer.sendto(RESPONSE, (flow.host, flow.port))
    assert await handler.next() == (200, peer.getsockname())
    assert handler.seen.empty()


async def test_what_the_socket_has_no_room_for_leaves_later(udp: UdpTransport, peer: socket.socket) -> None:
    flow = await udp.open(target(*peer.getsockname()))
    break_once(udp, sendto=BlockingIOError())
    udp.send(flow, b"hello")
    assert (await asyncio.to_thread(peer.recvfrom, 100))[0] == b"hello"


async def test_an_error_between_two_datagrams_costs_none(
    udp: UdpTransport, handler: Recorder, peer: socket.socket
) -> None:
    flow = await udp.open(target(*peer.getsockname()))
    break_once(udp, recvfrom=ConnectionRefusedError())
    for _ in range(2):
        peer.sendto(RESPONSE, (flow.host, flow.port))
    assert await handler.next() == (200, peer.getsockname())
    assert await handler.next() == (200, peer.getsockname())


def test_a_system_that_gives_no_such_buffer_goes_on_with_the_usual_one() -> None:
    class Limited(socket.socket):
        def setsockopt(self, *_: Any) -> None:
            raise OSError(errno.ENOBUFS, "No buffer space available")

    with Limited(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        make_room(sock)
