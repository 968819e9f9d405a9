"""A whole core over TCP, on real sockets: what an account says and does when its flow is a connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from aiosipreg import AuthInfo, Core, ProxyParams, Reason, RegistrationState, RetryPolicy, TlsParams, TransportParams
from aiosipreg.testing import Registrar
from aiosipreg.wire import Request, parse_message
from tests.certificates import authority
from tests.tcp_server import Peer, ended, reply, serving
from tests.testing.certificates import server_context

if TYPE_CHECKING:
    from aiosipreg import IncomingRequest, ProxyConfig
    from aiosipreg.wire import Response
    from tests.tcp_server import Server

OK, REFRESHING, CLEARED, FAILED = (
    RegistrationState.OK, RegistrationState.REFRESHING, RegistrationState.CLEARED, RegistrationState.FAILED
)  # fmt: skip
TOTO = AuthInfo("toto", password="secret")
CHALLENGE = ("WWW-Authenticate", 'Digest realm="titi.com", nonce="1", algorithm=MD5, qop="auth"')


def at(server: Server, user: str = "toto", **settings: object) -> ProxyParams:
    uri = f"sip:127.0.0.1:{server.port};transport=tcp"
    return ProxyParams(f"sip:{user}@titi.com", server=uri, **settings)  # type: ignore[arg-type]


def challenging(_peer: Peer, request: Request) -> Response:
    return reply(request) if request.headers.get("Authorization") else reply(request, 401, CHALLENGE)


async def test_TRA_1_an_account_registers_and_leaves_by_tcp() -> None:
    async with serving() as server, asyncio.timeout(10):
        server.rule = challenging
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(at(server))
            binding = await proxy.registered()
            (peer,) = server.peers
            host, port = peer.transport.get_extra_info("peername")
            assert str(binding.contact.uri) == f"sip:toto@{host}:{port};transport=tcp"
            await proxy.refresh()
        requests = peer.requests
        assert [request.expires for request in requests] == [3600, 3600, 3600, 0]
        assert [
            request.via and (request.via.transport, request.via.host, request.via.port) for request in requests
        ] == [("TCP", host, port)] * 4
        assert [str(request.uri) for request in requests[:1]] == [f"sip:127.0.0.1:{server.port};transport=tcp"]
        await ended((peer,))


async def test_REG_33_many_accounts_share_one_connection() -> None:
    async with serving() as server, asyncio.timeout(20):
        async with Core(pacing=None) as core:
            proxies = [core.add_proxy_config(at(server, f"user{number}")) for number in range(200)]
            for proxy in proxies:
                await proxy.registered()
            assert len(server.peers) == 1
        assert {proxy.state for proxy in proxies} == {CLEARED}
        assert len(server.peers) == 1
        assert len({request.call_id for request in server.requests}) == 200


async def test_TRA_13_F_16_a_lost_connection_is_replaced_and_the_binding_moves_there() -> None:
    async with serving() as server, asyncio.timeout(10):
        async with Core() as core:
            proxy = core.add_proxy_config(at(server))
            first = await proxy.registered()
            server.hang_up()
            event = await proxy.wait_for(REFRESHING)
            assert event.reason is Reason.IO_ERROR
            assert "closed by the server" in event.message
            # A server that hangs up right after its answer is not asked again at once (REG-36).
            await proxy.refresh()
            second = proxy.binding
            assert second is not None
            assert second.contact.uri != first.contact.uri
        assert [len(peer.requests) for peer in server.peers] == [1, 2]
        renewal = server.peers[1].requests[0]
        assert [(entry.uri, entry.expires) for entry in renewal.contacts] == [
            (second.contact.uri, 3600), (first.contact.uri, 0)
        ]  # fmt: skip


async def test_RSP_CLOSE_a_connection_that_was_closed_meanwhile_costs_one_more_request() -> None:
    async with serving() as server, asyncio.timeout(10):
        async with Core() as core:
            proxy = core.add_proxy_config(at(server))
            await proxy.registered()

            def hang_up_once(peer: Peer, request: Request) -> Response | None:
                if peer is server.peers[0]:
                    peer.transport.close()
                    return None
                return reply(request)

            server.rule = hang_up_once
            await proxy.refresh()
            assert proxy.state is OK
        assert [len(peer.requests) for peer in server.peers] == [2, 2]


async def test_REG_36_a_refusal_and_a_closed_connection_are_one_failure() -> None:
    async with serving() as server, asyncio.timeout(10):

        def refuse_and_hang_up(peer: Peer, request: Request) -> Response | None:
            peer.transport.write(bytes(reply(request, 500)))
            peer.transport.close()
            return None

        server.rule = refuse_and_hang_up
        async with Core() as core:
            proxy = core.add_proxy_config(at(server))
            event = await proxy.wait_for(FAILED)
            await ended(server.peers)
            assert (event.status, proxy.last_event, proxy.state) == (500, event, FAILED)
        assert len(server.requests) == 1


async def test_TRA_3_a_closed_port_is_told_with_what_was_tried() -> None:
    async with serving() as server:
        settings = at(server)
    async with Core(retry=RetryPolicy()) as core, asyncio.timeout(10):
        event = await core.add_proxy_config(settings).wait_for(FAILED)
        assert event.reason is Reason.IO_ERROR
        assert event.retry_at is not None
        assert "refused" in event.message.lower() or "connect call failed" in event.message.lower()


async def test_REG_35_on_another_network_it_registers_on_a_connection_of_its_own() -> None:
    async with serving() as server, asyncio.timeout(10), Core() as core:
        proxy = core.add_proxy_config(at(server))
        first = await proxy.registered()
        core.network_reachable = False
        core.network_reachable = True
        await proxy.refresh()
        assert proxy.binding is not None
        assert proxy.binding.contact.uri != first.contact.uri
        assert len(server.peers) == 2


async def test_TRA_17_the_server_may_ask_on_the_connection() -> None:
    async with serving() as server, asyncio.timeout(10), Core() as core:
        await core.add_proxy_config(at(server)).registered()
        (peer,) = server.peers
        host, port = peer.transport.get_extra_info("peername")
        while not server.news.empty():
            server.news.get_nowait()
        peer.transport.write(
            f"OPTIONS sip:toto@{host}:{port};transport=tcp SIP/2.0\r\n"
            "Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK9\r\nFrom: <sip:titi.com>;tag=9\r\nTo: <sip:toto@titi.com>\r\n"
            "Call-ID: 9\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode()
        )
        answered, answer = await server.next()
        assert answered is peer
        assert bytes(answer).startswith(b"SIP/2.0 200 OK\r\n")


async def test_TRA_1_only_tcp() -> None:
    async with serving() as server, asyncio.timeout(10), Core(transports=TransportParams(udp=None)) as core:
        proxy = core.add_proxy_config(ProxyParams("sip:toto@titi.com", server=f"sip:127.0.0.1:{server.port}"))
        await proxy.registered()
        assert server.requests[0].via is not None


async def test_TRA_1_only_udp(sip_registrar: Registrar) -> None:
    async with Core(transports=TransportParams(tcp=None)) as core, asyncio.timeout(10):
        event = await core.add_proxy_config(
            ProxyParams("sip:toto@titi.com", server="sip:127.0.0.1;transport=tcp")
        ).wait_for(FAILED)
        assert event.reason is Reason.IO_ERROR
        assert event.retry_at is None
        assert "wants TCP, and there is only TLS, UDP" in event.message


async def bound(proxy: ProxyConfig) -> str:
    return str((await proxy.registered()).contact.uri)


async def test_accounts_of_two_domains_at_one_address_share_the_connection() -> None:
    async with serving() as server, asyncio.timeout(10), Core() as core:
        uri = f"sip:127.0.0.1:{server.port};transport=tcp"
        contacts = [
            await bound(core.add_proxy_config(ProxyParams(f"sip:toto@{domain}", server=uri)))
            for domain in ("titi.com", "tata.com")
        ]
        assert contacts[0] == contacts[1]
        assert len(server.peers) == 1


@pytest.mark.parametrize("transports", [TransportParams(), TransportParams(tcp=None, tls=None)])
async def test_TRA_3_a_large_request_goes_by_udp_where_tcp_is_refused(transports: TransportParams) -> None:
    loop = asyncio.get_running_loop()
    udp, registrar = await loop.create_datagram_endpoint(DatagramRegistrar, local_addr=("127.0.0.1", 0))
    port = udp.get_extra_info("sockname")[1]
    async with asyncio.timeout(10), Core(transports=transports) as core:
        large = (("X-Large", "x" * 1300),)
        params = ProxyParams("sip:toto@titi.com", server=f"sip:127.0.0.1:{port}", headers=large)
        await core.add_proxy_config(params).registered()
    assert [request.via and request.via.transport for request in registrar.requests] == ["UDP", "UDP"]
    assert [request.cseq and request.cseq.number for request in registrar.requests] == [1, 2]
    udp.close()
    await asyncio.sleep(0)


class DatagramRegistrar(asyncio.DatagramProtocol):
    """Agrees to everything, by UDP."""

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = parse_message(data)
        assert isinstance(request, Request)
        self.requests.append(request)
        self.transport.sendto(bytes(reply(request)), addr)


@pytest.mark.virtual_clock(delay=0.01)
@pytest.mark.parametrize("transport", ["tcp", "tls", "ws", "wss"])
async def test_SEC_26_a_flood_on_a_connection_is_not_answered(transport: Any) -> None:
    """What is left over is dropped, and the connection lives on."""

    async def handler(incoming: IncomingRequest) -> Response:
        return incoming.response(200, "OK", body=b"x" * 5000)

    async with Registrar(transports=(transport,), tls=server_context()) as registrar:
        tls = TlsParams(ca_data=authority().pem)
        async with Core(auth=TOTO, tls=tls, on_request=handler) as core:
            proxy = core.add_proxy_config(ProxyParams("sip:toto@titi.com", server=registrar.uri))
            await proxy.registered(timeout=5)
            await asyncio.sleep(10 - asyncio.get_running_loop().time() % 1)
            asked = [registrar.options("sip:toto@titi.com", timeout=5) for _ in range(30)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert core.stats.dropped == {"flood": 10}
            answered = [answer for answer in answers if not isinstance(answer, BaseException)]
            assert [len(answer.body) for answer in answered] == [5000] * 20
            assert (await registrar.options("sip:toto@titi.com", timeout=5)).status == 200
            assert len(registrar.connections) == 1
