"""aiosipreg/hub.py: the way of messages between the sockets and whoever waits for them."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from aiosipreg import (
    DnsParams,
    IncomingRequest,
    KeepAlive,
    Pacing,
    RetryPolicy,
    SipTimers,
    Stats,
    TlsParams,
    TransportParams,
)
from aiosipreg.engine.effects import Flow, Send, TargetFailed
from aiosipreg.engine.replies import TROUBLES
from aiosipreg.engine.targets import Located, Target, Transport
from aiosipreg.hub import Hub
from aiosipreg.net.resolver import Resolver
from aiosipreg.ports import NoTransport
from aiosipreg.wire import Response, SipUri, parse_message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiosipreg.engine.session import Session

pytestmark = pytest.mark.virtual_clock

TLS = TlsParams()
_numbers = itertools.count(1)


class Waiter:
    """Waits for answers and deadlines, and notes them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.wanted_at: float | None = None
        self.entry: Any = None
        self.log: list[tuple[Any, ...]] = []
        self.wrong: str | None = None
        self.error: Exception | None = None
        self.session = cast("Session", self)
        self.bound = None
        self.identity = f"sip:account{next(_numbers)}@titi.com"

    def mismatch(self, response: Response) -> str | None:
        return self.wrong

    def due(self) -> None:
        self.log.append(("due", self.loop.time()))

    def received(self, response: Response) -> None:
        self.log.append(("received", response.status))
        if self.error is not None:
            raise self.error

    def settle(self, response: Response) -> None:
        response.pack()

    def failed(self, cause: str, row: str = "RSP-REF") -> None:
        self.log.append(("failed", cause, row))

    def flow_lost(self, flow: Flow, cause: str) -> None:
        self.log.append(("flow lost", flow, cause))

    def proved(self) -> None:
        self.log.append(("proved",))

    def admitted(self) -> None:
        self.log.append(("admitted", self.loop.time()))

    def recovered(self) -> None:
        self.log.append(("recovered",))


class Peer(asyncio.DatagramProtocol):
    """Another host of the virtual network."""

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.got: list[tuple[float, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.address: tuple[str, int] = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self.got.append((asyncio.get_running_loop().time(), data))

    @property
    def responses(self) -> list[Response]:
        messages = [parse_message(data) for _, data in self.got]
        return [message for message in messages if isinstance(message, Response)]


class World:
    """A hub and its surroundings."""

    def __init__(self, hub: Hub, stats: Stats) -> None:
        self.hub = hub
        self.stats = stats
        self.peers: list[Peer] = []
        self.kept: list[Session] = []
        self.flow: Flow

    async def peer(self, host: str = "127.0.0.1") -> Peer:
        loop = asyncio.get_running_loop()
        _, peer = await loop.create_datagram_endpoint(Peer, local_addr=(host, 0))
        self.peers.append(peer)
        return peer

    async def flow_to(self, peer: Peer) -> Flow:
        host, port = peer.address
        return await self.hub.open(Target(host, port, Transport.UDP, host), TLS)

    async def ask(self, peer: Peer, data: bytes, pause: float = 0.01) -> None:
        """Have the peer send a message to the hub."""
        flow = await self.flow_to(peer)
        peer.transport.sendto(data.replace(OURS.encode(), str(flow.port).encode()), (flow.host, flow.port))
        await asyncio.sleep(pause)


@asynccontextmanager
async def world(
    on_request: Any = None, pacing: Pacing | None = None, transports: TransportParams | None = None
) -> AsyncIterator[World]:
    stats = Stats()

    async def keep(session: Session) -> None:
        made.kept.append(session)

    async with asyncio.TaskGroup() as group:
        hub = Hub(
            group,
            stats=stats,
            transports=transports or TransportParams(),
            dns=DnsParams(hosts_file=None),
            timers=SipTimers(),
            retry=RetryPolicy(),
            random=Random(1),
            is_ours=lambda user: user == "toto",
            accounts=lambda: 1,
            on_request=on_request,
            pacing=pacing,
            keep=keep,
            keepalive=KeepAlive(),
        )
        made = World(hub, stats)
        try:
            yield made
        finally:
            await hub.close()
            await hub.close()
            for peer in made.peers:
                peer.transport.close()
            await asyncio.sleep(0)


OURS = "ours"


def answer(
    branch: str = "z9hG4bK1", status: int = 200, cseq: str = "CSeq: 1 REGISTER", sent_by: str = f"127.0.0.1:{OURS}"
) -> bytes:
    """An answer; `World.ask` puts the hub's own port where it belongs."""
    via = f"Via: SIP/2.0/UDP {sent_by};branch={branch}" if branch else f"Via: SIP/2.0/UDP {sent_by}"
    return f"SIP/2.0 {status} Whatever\r\n{via}\r\n{cseq}\r\n\r\n".encode()


def request(method: str = "OPTIONS", user: str = "toto@", branch: str = "", rows: str = "", cseq: str = "") -> bytes:
    branch = branch or f"z9hG4bK{next(_numbers)}"
    return (
        f"{method} sip:{user}127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5060;branch={branch};rport\r\n"
        f"From: <sip:registrar@titi.com>;tag=1\r\nTo: <sip:toto@titi.com>\r\n"
        f"Call-ID: call\r\nCSeq: {cseq or f'1 {method}'}\r\n{rows}\r\n"
    ).encode()


class TestAnswers:
    async def test_TXN_9_an_answer_goes_to_whoever_sent_the_request(self) -> None:
        async with world() as it:
            peer, waiter, other = await it.peer(), Waiter(), Waiter()
            flow = await it.flow_to(peer)
            it.hub.send(waiter, Send(flow, b"one", "z9hG4bK1"))
            it.hub.send(other, Send(flow, b"two", "z9hG4bK2"))
            it.hub.send(other, Send(flow, b"two", "z9hG4bK2", again=True))
            await asyncio.sleep(0)
            assert [data for _, data in peer.got] == [b"one", b"two", b"two"]
            await it.ask(peer, answer("z9hG4bK1", 401))
            await it.ask(peer, answer("Z9HG4BK2", 200))
            assert (waiter.log, other.log) == ([("received", 401)], [("received", 200)])
            assert it.stats == Stats(sent=3, retransmitted=1, received=2, dropped=it.stats.dropped)
            assert it.stats.dropped == {}

    async def test_TXN_6_what_comes_after_the_final_answer_is_absorbed(self) -> None:
        async with world() as it:
            peer, waiter = await it.peer(), Waiter()
            it.hub.send(waiter, Send(await it.flow_to(peer), b"one", "z9hG4bK1"))
            await it.ask(peer, answer())
            it.hub.done("z9hG4bK1", it.hub.now())
            it.hub.done("z9hG4bK1", it.hub.now())
            await it.ask(peer, answer())
            assert waiter.log == [("received", 200)]
            assert it.stats.dropped == {"repeated": 1}

    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            (answer("z9hG4bKother"), "unmatched"),
            (answer(cseq="CSeq: 1 OPTIONS"), "unmatched"),
            (answer(branch=""), "malformed"),
            (answer(cseq="X: y"), "malformed"),
            (answer(cseq="CSeq: x REGISTER"), "malformed"),
            (b"SIP/2.0 200 OK\r\n\r\n", "malformed"),
        ],
    )
    async def test_TXN_10_what_matches_nothing_is_counted(self, data: bytes, cause: str) -> None:
        async with world() as it:
            peer, waiter = await it.peer(), Waiter()
            it.hub.send(waiter, Send(await it.flow_to(peer), b"one", "z9hG4bK1"))
            await it.ask(peer, data)
            assert waiter.log == []
            assert it.stats.dropped == {cause: 1}

    async def test_SEC_16_an_answer_counts_only_from_the_host_that_was_asked(self) -> None:
        async with world() as it:
            peer, same_host, stranger, waiter = await it.peer(), await it.peer(), await it.peer("127.0.0.9"), Waiter()
            it.hub.send(waiter, Send(await it.flow_to(peer), b"one", "z9hG4bK1"))
            await it.ask(stranger, answer())
            assert it.stats.dropped == {"foreign source": 1}
            await it.ask(same_host, answer())
            assert waiter.log == [("received", 200)]

    @pytest.mark.parametrize("sent_by", [f"127.0.0.2:{OURS}", "127.0.0.1:1", "127.0.0.1", f"titi.com:{OURS}"])
    async def test_TRA_9_an_answer_counts_only_with_the_address_that_we_wrote(self, sent_by: str) -> None:
        async with world() as it:
            peer, waiter = await it.peer(), Waiter()
            it.hub.send(waiter, Send(await it.flow_to(peer), b"one", "z9hG4bK1"))
            await it.ask(peer, answer(sent_by=sent_by))
            assert waiter.log == []
            assert it.stats.dropped == {"foreign sent-by": 1}

    @pytest.mark.parametrize("written", ["[::1]", "[0:0:0:0:0:0:0:1]"])
    async def test_TRA_9_in_whatever_way_it_is_spelt(self, written: str) -> None:
        async with world() as it:
            peer, waiter = await it.peer("::1"), Waiter()
            it.hub.send(waiter, Send(await it.flow_to(peer), b"one", "z9hG4bK1"))
            await it.ask(peer, answer(sent_by=f"{written}:{OURS}"))
            assert waiter.log == [("received", 200)]

    async def test_MSG_22_an_answer_to_another_request_is_counted_by_what_gave_it_away(self) -> None:
        async with world() as it:
            peer, waiter = await it.peer(), Waiter()
            waiter.wrong = "CSeq"
            it.hub.send(waiter, Send(await it.flow_to(peer), b"one", "z9hG4bK1"))
            await it.ask(peer, answer())
            assert waiter.log == []
            assert it.stats.dropped == {"mismatch: CSeq": 1}

    async def test_TRA_12_a_request_that_is_lost_is_told_to_its_sender(self) -> None:
        async with world() as it:
            peer, waiter = await it.peer(), Waiter()
            it.hub.send(waiter, Send(await it.flow_to(peer), b"one", "z9hG4bK1"))
            it.hub.request_lost("z9hG4bKother", "Connection refused")
            it.hub.request_lost("z9hG4bK1", "Connection refused")
            assert waiter.log == [("failed", "Connection refused", "RSP-REF")]


class TestRequests:
    async def test_TRA_12_what_the_system_refuses_to_send_leaves_nothing_behind(self) -> None:
        async with world() as it:
            peer, waiter = await it.peer(), Waiter()
            with pytest.raises(OSError, match="Message too long"):
                it.hub.send(waiter, Send(await it.flow_to(peer), bytes(65_508), "z9hG4bK1"))
            assert (it.stats.sent, len(it.hub._table)) == (0, 0)
            await it.ask(peer, answer())
            assert (waiter.log, it.stats.dropped) == ([], {"unmatched": 1})

    async def test_TRA_17_an_account_answers_options(self) -> None:
        async with world() as it:
            peer = await it.peer()
            await it.ask(peer, request())
            (response,) = peer.responses
            assert response.status == 200
            assert response.via is not None
            assert (response.via.received, response.via.rport) == peer.address
            assert it.stats.requests == 1

    async def test_SEC_28_other_users_are_not_found(self) -> None:
        async with world() as it:
            peer = await it.peer()
            await it.ask(peer, request(user="titi@"))
            assert [response.status for response in peer.responses] == [404]

    async def test_TRA_17_a_repeat_gets_the_same_answer(self) -> None:
        asked = []

        async def handler(incoming: IncomingRequest) -> Response:
            asked.append(incoming)
            return incoming.response(202, "Accepted")

        async with world(handler) as it:
            peer = await it.peer()
            for _ in range(3):
                await it.ask(peer, request(branch="z9hG4bKsame"))
            assert [response.status for response in peer.responses] == [202, 202, 202]
            assert len({data for _, data in peer.got}) == 1
            assert len(asked) == 1
            assert it.stats.requests == 3

    @pytest.mark.parametrize("result", [None, "nonsense", 200])
    async def test_what_the_application_leaves_open_gets_the_default(self, result: Any) -> None:
        async def handler(incoming: IncomingRequest) -> Any:
            await asyncio.sleep(1)
            return result

        async with world(handler) as it:
            peer = await it.peer()
            await it.ask(peer, request(), 2)
            assert [(at, parse_message(data).headers.get("Allow")) for at, data in peer.got] == [
                (1.0, "OPTIONS, NOTIFY")
            ]

    async def test_ROB_8_a_handler_that_raises(self, caplog: pytest.LogCaptureFixture) -> None:
        async def handler(incoming: IncomingRequest) -> Response:
            raise RuntimeError("boom")

        async with world(handler) as it:
            peer = await it.peer()
            await it.ask(peer, request())
            assert [response.status for response in peer.responses] == [200]
            assert "boom" in caplog.text

    async def test_a_handler_that_hangs_is_given_up_when_nobody_waits_any_more(self) -> None:
        async def handler(incoming: IncomingRequest) -> Response | None:
            await asyncio.Event().wait()
            return None

        async with world(handler) as it:
            peer = await it.peer()
            await it.ask(peer, request(), 100)
            assert [at for at, _ in peer.got] == [32.0]

    async def test_a_handler_that_hangs_does_not_hold_up_the_end(self) -> None:
        ended = []

        async def handler(incoming: IncomingRequest) -> Response | None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(asyncio.get_running_loop().time())
            return None

        async with world(handler) as it:
            await it.ask(await it.peer(), request(), 5)
        assert ended == [5.0]

    async def test_SEC_26_no_answer_is_much_larger_than_its_request(self) -> None:
        async def handler(incoming: IncomingRequest) -> Response:
            return incoming.response(200, "OK", body=b"x" * 3000)

        async with world(handler) as it:
            peer = await it.peer()
            await it.ask(peer, request())
            assert peer.got == []
            assert it.stats.dropped == {"answer too large": 1}

    async def test_SEC_26_a_flood_is_not_answered(self) -> None:
        async with world() as it:
            peer = await it.peer()
            for _ in range(30):
                await it.ask(peer, request(), 0)
            await asyncio.sleep(0)
            assert len(peer.got) == 20
            assert it.stats.dropped == {"flood": 10}

    @pytest.mark.parametrize(
        ("data", "cause"), [(request("ACK"), "no answer wanted"), (request(cseq="x OPTIONS"), "malformed")]
    )
    async def test_what_gets_no_answer_is_counted(self, data: bytes, cause: str) -> None:
        async with world() as it:
            peer = await it.peer()
            await it.ask(peer, data)
            assert peer.got == []
            assert it.stats.dropped == {cause: 1}

    async def test_an_answer_that_cannot_be_sent_is_no_trouble(self) -> None:
        async with world() as it:
            peer = await it.peer()
            message = parse_message(request())
            assert not isinstance(message, Response)

            def reply(data: bytes, source: tuple[str, int]) -> None:
                raise OSError("the socket is closed")

            it.hub.request_received(message, ("127.0.0.1", 5060), 0, reply)
            assert peer.got == []
            assert it.stats.requests == 1


class Line:
    """A carrier with two connections to one place; notes whether anybody uses them."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []

    def flow(self, target: Target, tls: TlsParams) -> Flow | None:
        assert tls is TLS
        return Flow(target, "127.0.0.1", 5062, 7)

    async def open(self, target: Target, tls: TlsParams) -> Flow:
        assert tls is TLS
        return Flow(target, "127.0.0.1", 5064, 8)

    def way(self, target: Target) -> Flow | None:
        return Flow(target, "127.0.0.1", 5062, 7)

    def send(self, flow: Flow, data: bytes) -> None:
        if data == b"refuse":
            raise OSError("too many messages wait")
        self.log.append((flow.serial, data))

    def receiving(self, serial: int) -> bool:
        return False

    def fail(self, serial: int, cause: str) -> None:
        self.log.append((serial, "fail", cause))

    def hang_up(self, serial: int, cause: str) -> None:
        self.log.append((serial, "hang up", cause))

    def doubt(self, serial: int, since: float) -> None:
        self.log.append((serial, "doubt", since))

    def use(self, serial: int, *, in_use: bool) -> None:
        self.log.append((serial, in_use))

    def forget(self) -> None:
        self.log.append(("forget",))

    async def close(self) -> None:
        self.log.append(("closed",))


class TestConnections:
    TARGET = Target("192.0.2.1", 5060, Transport.TCP, "titi.com")
    ONE = Flow(TARGET, "127.0.0.1", 5062, 7)
    OTHER = Flow(TARGET, "127.0.0.1", 5064, 8)

    async def test_each_transport_has_its_carrier(self) -> None:
        async with world() as it:
            line = it.hub._carriers[Transport.TCP] = Line()
            assert (it.hub.flow(self.TARGET, TLS), await it.hub.open(self.TARGET, TLS)) == (self.ONE, self.OTHER)
            it.hub.send(Waiter(), Send(self.ONE, b"one", "z9hG4bK1"))
            assert line.log == [(7, b"one")]
        assert line.log[1:] == [("closed",)] * 2

    async def test_REG_35_what_belongs_to_the_network_as_it_was_is_forgotten(self) -> None:
        async with world() as it:
            line = it.hub._carriers[Transport.TCP] = Line()
            it.hub.network_changed()
            assert line.log == [("forget",)]

    async def test_RSP_F0_a_connection_is_doubted_when_a_request_on_it_got_no_answer(self) -> None:
        failures = [TargetFailed(self.TARGET, TROUBLES[row], None, 100.0) for row in ("RSP-F0", "RSP-REF", "RSP-CLOSE")]
        other = self.ONE._replace(target=self.TARGET._replace(port=5070))
        async with world() as it:
            line = it.hub._carriers[Transport.TCP] = Line()
            for flow in (None, other, self.ONE):
                for failure in failures:
                    it.hub.target_failed(Waiter(), failure, flow)
            assert line.log == [(7, "doubt", 68.0)], "nothing came in for all of Timer F"

    async def test_REG_20_what_stands_in_the_way_of_a_request_on_a_flow(self) -> None:
        failure = TargetFailed(self.TARGET._replace(port=5070), TROUBLES["RSP-F0"], None, 0.0)
        async with world() as it:
            it.hub._carriers[Transport.TCP] = Line()
            assert it.hub.at_once(self.ONE)
            assert not it.hub.at_once(self.OTHER), "the carrier knows another one"
            it.hub.target_failed(Waiter(), failure, None)
            assert not it.hub.at_once(self.ONE), "what is held against targets is looked at with care (OVL-7)"
        async with world() as it:
            it.hub._carriers[Transport.TCP] = Line()
            for number in range(128):
                assert it.hub.at_once(self.ONE)
                it.hub.send(Waiter(), Send(self.ONE, b"", f"z9hG4bK{number}"))
            assert not it.hub.at_once(self.ONE), "so many take turns (OVL-8)"
        async with world(pacing=Pacing()) as it:
            it.hub._carriers[Transport.TCP] = Line()
            assert not it.hub.at_once(self.ONE), "there is a pace (OVL-8)"

    async def test_the_way_for_a_uri_is_known_where_there_is_one_for_all(self) -> None:
        async with world() as it:
            peer = await it.peer()
            flow = await it.flow_to(peer)
            here = SipUri.parse(f"sip:127.0.0.1:{peer.address[1]};transport=udp")
            assert it.hub.way(here) == flow._replace(target=flow.target._replace(name="127.0.0.1"))
            assert it.hub.way(SipUri.parse("sip:titi.com")) is None, "the name was never resolved"
            assert it.hub.way(here.replace(params={"transport": "tcp"})) is None, "accounts may trust different servers"
            assert it.hub.way(here.replace(params={"transport": "sctp"})) is None, "it is the answer that says why not"
            failure = TargetFailed(self.TARGET._replace(port=5070), TROUBLES["RSP-F0"], None, 0.0)
            it.hub.target_failed(Waiter(), failure, None)
            assert it.hub.way(here) is None, "what is held against targets is looked at with care (OVL-7)"
        async with world(pacing=Pacing()) as it:
            await it.flow_to(await it.peer())
            assert it.hub.way(here) is None, "there is a pace (OVL-8)"

    async def test_TRA_1_a_transport_that_is_switched_off(self) -> None:
        async with world(transports=TransportParams(tcp=None)) as it:
            with pytest.raises(OSError, match="TCP is switched off"):
                it.hub.flow(self.TARGET, TLS)
            with pytest.raises(OSError, match="TCP is switched off"):
                await it.hub.open(self.TARGET, TLS)

    async def test_TRA_8_SEC_15_an_answer_counts_only_on_the_connection_of_its_request(self) -> None:
        async with world() as it:
            it.hub._carriers[Transport.TCP] = Line()
            waiter = Waiter()
            it.hub.send(waiter, Send(self.ONE, b"one", "z9hG4bK1"))
            response = parse_message(answer(sent_by="127.0.0.1:5062"))
            assert isinstance(response, Response)
            for serial in (8, 0):
                it.hub.response_received(response, ("192.0.2.1", 5060), serial)
            assert (waiter.log, it.stats.dropped) == ([], {"foreign source": 2})
            it.hub.response_received(response, ("192.0.2.1", 5060), 7)
            assert waiter.log == [("received", 200)]

    async def test_a_request_that_was_not_sent_is_not_waited_for(self) -> None:
        async with world() as it:
            it.hub._carriers[Transport.TCP] = Line()
            with pytest.raises(OSError, match="too many"):
                it.hub.send(Waiter(), Send(self.ONE, b"refuse", "z9hG4bK1"))
            assert len(it.hub._table) == 0
            assert it.stats.sent == 0

    async def test_TRA_11_a_connection_is_in_use_from_its_first_user_to_its_last(self) -> None:
        async with world() as it:
            line = it.hub._carriers[Transport.TCP] = Line()
            one, other = Waiter(), Waiter()
            renamed = Flow(Target("192.0.2.1", 5060, Transport.TCP, "tata.com"), "127.0.0.1", 5062, 7)
            it.hub.use(one, self.ONE)
            it.hub.use(other, self.ONE)
            it.hub.use(one, renamed)
            it.hub.leave(one, self.ONE)
            it.hub.leave(other, self.ONE)
            assert line.log == [(7, True)]
            it.hub.leave(one, renamed)
            it.hub.leave(one, renamed)
            assert line.log == [(7, True), (7, False)]
            assert it.hub._users == {}

    async def test_TRA_13_its_loss_is_told_to_all_who_use_it(self) -> None:
        async with world() as it:
            line = it.hub._carriers[Transport.TCP] = Line()
            one, other, third = Waiter(), Waiter(), Waiter()
            it.hub.use(one, self.ONE)
            it.hub.use(other, self.ONE)
            it.hub.use(third, self.OTHER)
            it.hub.connection_lost(7, "closed by the server")
            it.hub.connection_lost(7, "closed by the server")
            assert one.log == other.log == [("flow lost", self.ONE, "closed by the server")]
            assert third.log == []
            it.hub.leave(one, self.ONE)
            assert line.log == [(7, True), (8, True)]


class TestTurns:
    async def test_deadlines(self) -> None:
        async with world() as it:
            waiter = Waiter()
            it.hub.wake(waiter, 3.0)
            assert it.hub.now() == 0.0
            await asyncio.sleep(5)
            assert waiter.log == [("due", 3.0)]

    async def test_OVL_8_without_pacing_everybody_begins_at_once(self) -> None:
        async with world() as it:
            target = Target("127.0.0.1", 5060, Transport.UDP, "titi.com")
            assert all(it.hub.admit(Waiter(), target, it.hub.now()) for _ in range(100))
            it.hub.release(Waiter(), it.hub.now())

    async def test_OVL_8_attempts_toward_a_target_begin_at_its_pace(self) -> None:
        async with world(pacing=Pacing(rate=10, in_flight=100)) as it:
            target, other = (Target("127.0.0.1", port, Transport.UDP, "titi.com") for port in (5060, 5070))
            waiters = [Waiter() for _ in range(5)]
            at_once = [it.hub.admit(waiter, target, it.hub.now()) for waiter in waiters].count(True)
            assert at_once <= 2
            assert it.hub.admit(Waiter(), other, it.hub.now())
            await asyncio.sleep(10)
            times = sorted(entry[1] for waiter in waiters for entry in waiter.log)
            assert times == pytest.approx([0.1 * number for number in range(1, 6 - at_once)])

    async def test_OVL_8_no_more_than_so_many_wait_for_an_answer(self) -> None:
        async with world(pacing=Pacing(rate=1000, in_flight=2)) as it:
            target = Target("127.0.0.1", 5060, Transport.UDP, "titi.com")
            waiters = [Waiter() for _ in range(4)]
            begun = [waiter for waiter in waiters if it.hub.admit(waiter, target, it.hub.now())]
            await asyncio.sleep(5)
            begun += [waiter for waiter in waiters if waiter.log]
            assert len(begun) == 2
            it.hub.release(begun[0], it.hub.now())
            await asyncio.sleep(5)
            begun += [waiter for waiter in waiters if waiter.log and waiter not in begun]
            assert len(begun) == 3
            for waiter in waiters:
                it.hub.release(waiter, it.hub.now())
            await asyncio.sleep(5)
            assert sum(len(waiter.log) for waiter in waiters) <= 2

    async def test_a_pace_that_nobody_needs_is_forgotten(self) -> None:
        async with world(pacing=Pacing()) as it:
            for port in range(1, 100):
                waiter = Waiter()
                it.hub.admit(waiter, Target("127.0.0.1", port, Transport.UDP, "titi.com"), it.hub.now())
                await asyncio.sleep(1)
                it.hub.release(waiter, it.hub.now())
            assert len(it.hub._lanes) == 0
            assert it.hub._lanes._lane_of == {}


def silence(number: int = 1, row: str = "RSP-F0") -> TargetFailed:
    return TargetFailed(Target(f"127.0.0.{number}", 5060, Transport.UDP, "titi.com"), TROUBLES[row], None, 0.0)


class TestMarks:
    async def test_DNS_16_a_target_that_failed_comes_after_the_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        targets = [silence(number).target for number in (1, 2, 3)]

        async def locate(_: Resolver, uri: SipUri, transports: Sequence[Transport]) -> Located:
            return Located(tuple(targets), 60.0)

        monkeypatch.setattr(Resolver, "locate", locate)
        async with world() as it:
            it.hub.target_failed(Waiter(), silence(1), None)
            assert list(await it.hub.locate(SipUri.parse("sip:titi.com"))) == [*targets[1:], targets[0]]
            await asyncio.sleep(61)
            assert list(await it.hub.locate(SipUri.parse("sip:titi.com"))) == targets

    async def test_SEC_19_a_target_that_failed_opens_no_way_from_tls_to_clear_text(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        udp = silence(1).target
        tls = Target("192.0.2.2", 5061, Transport.TLS, "titi.com")
        offered: list[Target] = []

        async def locate(_: Resolver, uri: SipUri, transports: Sequence[Transport]) -> Located:
            return Located(tuple(offered), 60.0)

        monkeypatch.setattr(Resolver, "locate", locate)
        async with world() as it:
            for answer, left in (([udp, tls], [udp, tls]), ([tls, udp], [tls])):
                offered[:] = answer
                assert list(await it.hub.locate(SipUri.parse("sip:titi.com"))) == left
            it.hub.target_failed(Waiter(), silence(1), None)
            offered[:] = [udp, tls]
            assert list(await it.hub.locate(SipUri.parse("sip:titi.com"))) == [tls]
            it.hub.target_failed(Waiter(), TargetFailed(tls, TROUBLES["RSP-TLS"], None, 0.0), None)
            offered[:] = [tls, udp]
            assert list(await it.hub.locate(SipUri.parse("sip:titi.com"))) == [tls]

    @pytest.mark.parametrize("status", [100, 200, 401, 403, 500, 408, 503])
    async def test_OVL_7_an_answer_wakes_those_who_wait_unless_it_is_a_bad_one(self, status: int) -> None:
        async with world() as it:
            peer, asker, waiter, gone = await it.peer(), Waiter(), Waiter(), Waiter()
            flow = await it.flow_to(peer)
            failure = TargetFailed(flow.target, TROUBLES["RSP-F0"], None, 0.0)
            for one in (asker, waiter, gone):
                it.hub.target_failed(one, failure, None)
            assert it.hub.refusal(waiter, flow.target, it.hub.now(), insist=False) is not None
            it.hub.forget(gone)
            assert it.hub.refusal(asker, flow.target, it.hub.now(), insist=True) is None
            it.hub.send(asker, Send(flow, b"one", "z9hG4bK1"))
            await it.ask(peer, answer(status=status))
            assert asker.log[0] == ("received", status)
            bad = status in (408, 503)
            assert (asker.log[1:], waiter.log, gone.log) == (([], [], []) if bad else ([("recovered",)],) * 2 + ([],))
            assert (it.hub.refusal(waiter, flow.target, it.hub.now(), insist=False) is None) is not bad

    async def test_OVL_7_one_account_alone_proves_nothing(self) -> None:
        async with world() as it:
            one, another_attempt = Waiter(), Waiter()
            another_attempt.identity = one.identity
            for waiter in (one, another_attempt):
                it.hub.target_failed(waiter, silence(), None)
            assert it.hub.refusal(Waiter(), silence().target, it.hub.now(), insist=False) is None

    async def test_REG_35_in_another_network_all_is_asked_anew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        forgotten: list[bool] = []
        monkeypatch.setattr(Resolver, "forget", lambda _: forgotten.append(True))
        async with world() as it:
            for waiter in (Waiter(), Waiter()):
                it.hub.target_failed(waiter, silence(), None)
            it.hub.network_changed()
            assert it.hub.refusal(Waiter(), silence().target, it.hub.now(), insist=False) is None
            assert forgotten == [True]


class TestPlaces:
    async def test_an_address_needs_no_looking_up(self) -> None:
        async with world() as it:
            (target,) = await it.hub.locate(SipUri.parse("sip:127.0.0.1:5070"))
            assert str(target) == "udp:127.0.0.1:5070"
            assert it.hub.located(SipUri.parse("sip:127.0.0.1:5070")) == (target,)

    async def test_a_name_is_not_at_hand(self) -> None:
        async with world() as it:
            assert it.hub.located(SipUri.parse("sip:titi.com")) is None

    @pytest.mark.parametrize(
        ("uri", "wants"),
        [
            ("sip:127.0.0.1;transport=tcp", "wants TCP, and there is only UDP"),
            ("sip:127.0.0.1;transport=sctp", "wants SCTP, and there is only UDP"),
            ("sips:127.0.0.1", "wants TLS, and there is only UDP"),
            ("sips:127.0.0.1;transport=tcp", "wants TLS, and there is only UDP"),
            ("sips:127.0.0.1;transport=ws", "wants WSS, and there is only UDP"),
        ],
    )
    async def test_TRA_1_a_transport_that_there_is_not(self, uri: str, wants: str) -> None:
        async with world(transports=TransportParams(tcp=None, tls=None)) as it:
            with pytest.raises(NoTransport, match=wants):
                await it.hub.locate(SipUri.parse(uri))
            with pytest.raises(NoTransport, match=wants):
                it.hub.located(SipUri.parse(uri))

    async def test_a_flow_is_at_hand_once_it_was_opened(self) -> None:
        async with world() as it:
            target = Target("127.0.0.1", 5070, Transport.UDP, "titi.com")
            assert it.hub.flow(target, TLS) is None
            flow = await it.hub.open(target, TLS)
            assert it.hub.flow(target, TLS) == flow

    async def test_a_record_is_written_by_whoever_keeps_the_accounts(self) -> None:
        async with world() as it:
            waiter = Waiter()
            await it.hub.keep(waiter.session)
            assert it.kept == [waiter.session]

    async def test_a_task_belongs_to_the_group(self) -> None:
        ended = []

        async def work() -> None:
            await asyncio.sleep(5)
            ended.append(True)

        async with world() as it:
            it.hub.spawn(work())
        assert ended == [True]
