"""A whole core over WebSocket, on real sockets: what an account says and does when nobody can connect to it."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import (
    AuthInfo,
    Core,
    DnsParams,
    ProxyParams,
    Reason,
    RegistrationState,
    RetryPolicy,
    TlsParams,
    TransportParams,
    WebSocketParams,
)
from aiosipreg.engine.targets import ResolutionFailed, Transport
from aiosipreg.net.resolver import Resolver
from tests import certificates
from tests.certificates import authority
from tests.tcp_server import reply
from tests.test_tcp import CHALLENGE, TOTO
from tests.websocket_server import Peer, Server, websockets_at

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request as Opening
    from websockets.http11 import Response as Answer

    from aiosipreg.wire import Request, Response

OK, REFRESHING, CLEARED, FAILED = (
    RegistrationState.OK, RegistrationState.REFRESHING, RegistrationState.CLEARED, RegistrationState.FAILED
)  # fmt: skip
TRUSTING = TlsParams(ca_data=authority().pem)


def at(server: Server, user: str = "toto", scheme: str = "sip", transport: str = "ws", **settings: Any) -> ProxyParams:
    uri = f"{scheme}:127.0.0.1:{server.port};transport={transport}"
    return ProxyParams(f"{scheme}:{user}@titi.com", server=uri, **settings)


def knowing(**settings: Any) -> TransportParams:
    return TransportParams(websockets=(WebSocketParams(server="127.0.0.1", **settings),))


def challenging(_peer: Peer, request: Request) -> Response:
    return reply(request) if request.headers.get("Authorization") else reply(request, 401, CHALLENGE)


@pytest.mark.parametrize(
    ("scheme", "transport", "word"), [("sip", "ws", "WS"), ("sip", "wss", "WSS"), ("sips", "ws", "WSS")]
)
async def test_WS_1_WS_4_TRA_6_an_account_registers_and_leaves_by_websocket(
    tmp_path: Path, scheme: str, transport: str, word: str
) -> None:
    identity = authority().issue(addresses=["127.0.0.1"])
    context = identity.context(tmp_path) if word == "WSS" else None
    async with asyncio.timeout(10), websockets_at(context=context) as server:
        server.rule = challenging
        async with Core(auth=TOTO, tls=TRUSTING) as core:
            proxy = core.add_proxy_config(at(server, scheme=scheme, transport=transport))
            binding = await proxy.registered()
            await proxy.refresh()
        (peer,) = server.peers
        match = re.fullmatch(rf"{scheme}:toto@([0-9a-f]{{16}}\.invalid);transport=ws", str(binding.contact.uri))
        assert match is not None
        assert [request.expires for request in peer.requests] == [3600, 3600, 3600, 0]
        for request in peer.requests:
            assert str(request.uri) == f"{scheme}:127.0.0.1:{server.port};transport=ws"
            assert request.via is not None
            assert (request.via.transport, request.via.host, request.via.port) == (word, match[1], None)
            assert request.headers.get("Content-Length") == "0"
        (opening,) = server.openings
        assert (opening.path, opening.headers["Sec-WebSocket-Protocol"]) == ("/", "sip")
        assert opening.headers["Host"] == f"127.0.0.1:{server.port}"
        assert proxy.state is CLEARED


async def test_REG_33_many_accounts_share_one_websocket() -> None:
    async with asyncio.timeout(20), websockets_at() as server:
        async with Core(pacing=None) as core:
            proxies = [core.add_proxy_config(at(server, f"user{number}")) for number in range(50)]
            for proxy in proxies:
                await proxy.registered()
        assert {proxy.state for proxy in proxies} == {CLEARED}
        assert len(server.peers) == 1
        assert len({request.call_id for request in server.requests}) == 50


async def test_TRA_13_WS_4_the_contact_stays_when_a_lost_websocket_is_replaced() -> None:
    async with asyncio.timeout(10), websockets_at() as server, Core() as core:
        proxy = core.add_proxy_config(at(server))
        first = await proxy.registered()
        await server.peers[0].connection.close(1001, "going away")
        event = await proxy.wait_for(REFRESHING)
        assert event.reason is Reason.IO_ERROR
        assert "closed by the server" in event.message
        assert "going away" in event.message
        await proxy.refresh()
        assert [len(peer.requests) for peer in server.peers] == [1, 1]
        (renewal,) = server.peers[1].requests
        assert [(entry.uri, entry.expires) for entry in renewal.contacts] == [(first.contact.uri, 3600)]


async def test_WS_4_NAT_3_received_and_rport_change_nothing() -> None:
    def seeing(_peer: Peer, request: Request) -> Response:
        response = reply(request)
        via = f"{request.headers.get('Via')};received=203.0.113.7".replace(";rport", ";rport=4711")
        return type(response)(200, "OK", [("Via", via), *list(response.headers.items())[1:]])

    async with asyncio.timeout(10), websockets_at() as server:
        server.rule = seeing
        async with Core() as core:
            binding = await core.add_proxy_config(at(server)).registered()
        assert ".invalid;" in str(binding.contact.uri)
        assert len(server.requests) == 2


async def test_TRA_17_the_server_may_ask_on_the_websocket() -> None:
    async with asyncio.timeout(10), websockets_at() as server, Core() as core:
        await core.add_proxy_config(at(server)).registered()
        peer, _ = await server.next()
        await peer.connection.send(
            "OPTIONS sip:toto@x.invalid;transport=ws SIP/2.0\r\nVia: SIP/2.0/WS 127.0.0.1;branch=z9hG4bK9\r\n"
            "From: <sip:titi.com>;tag=9\r\nTo: <sip:toto@titi.com>\r\nCall-ID: 9\r\nCSeq: 1 OPTIONS\r\n\r\n"
        )
        _, answer = await server.next()
        assert isinstance(answer, str)
        assert answer.startswith("SIP/2.0 200 OK\r\n")


@pytest.mark.parametrize(
    ("subprotocol", "status", "told"),
    [(None, 0, "subprotocol"), ("sip", 403, "403 Forbidden"), ("sip", 404, "WebSocketParams.path decides")],
)
async def test_WS_1_what_opens_no_websocket_for_sip_is_a_failure(
    subprotocol: str | None, status: int, told: str
) -> None:
    async with asyncio.timeout(10), websockets_at(subprotocol=subprotocol) as server, Core(retry=RetryPolicy()) as core:
        if status:
            server.doorman = lambda connection, _opening: connection.respond(status, "")
        event = await core.add_proxy_config(at(server)).wait_for(FAILED)
        assert event.reason is Reason.IO_ERROR
        assert told in event.message
        assert event.retry_at is not None
        assert server.requests == []


async def test_WS_5_path_and_cookies_are_those_of_the_application() -> None:
    transports = knowing(
        path="/sip?x=1", headers=(("Cookie", "id=7"), ("Cookie", "b=8"), ("Origin", "https://titi.com"))
    )
    async with asyncio.timeout(10), websockets_at() as server, Core(transports=transports) as core:
        await core.add_proxy_config(at(server)).registered()
        (opening,) = server.openings
        assert opening.path == "/sip?x=1"
        assert opening.headers.get_all("Cookie") == ["id=7", "b=8"]
        assert opening.headers["Origin"] == "https://titi.com"


def asking(*challenges: str) -> Any:
    def doorman(connection: ServerConnection, opening: Opening) -> Answer | None:
        if "Authorization" in opening.headers and "refused" not in opening.headers["Authorization"]:
            return None
        answer = connection.respond(401, "")
        for challenge in challenges:
            answer.headers["WWW-Authenticate"] = challenge
        return answer

    return doorman


DIGEST = 'Digest realm="gate", nonce="n1", qop="auth", algorithm=SHA-256'


async def test_WS_5_a_handshake_that_is_challenged_is_answered_by_digest(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    transports = knowing(path="/ws", auth=AuthInfo("door", password="planted-secret"), allow_basic=True)
    async with asyncio.timeout(10), websockets_at() as server, Core(transports=transports) as core:
        server.doorman = asking('Basic realm="gate"', DIGEST)
        await core.add_proxy_config(at(server)).registered()
        first, second = server.openings
        assert "Authorization" not in first.headers
        answer = second.headers["Authorization"]
        assert answer.startswith('Digest username="door", realm="gate", nonce="n1", uri="/ws", algorithm=SHA-256')
        ours = [record.getMessage() for record in caplog.records if "server" not in record.name]
        assert [line for line in ours if answer[-20:] in line or "planted" in line] == []


@pytest.mark.parametrize(
    ("challenge", "settings"),
    [
        (DIGEST, {}),
        (DIGEST.replace("gate", "refused"), {"auth": AuthInfo("door", password="x")}),
        (DIGEST, {"auth": AuthInfo("door", password="x", realm="another")}),
        ('Basic realm="gate"', {"auth": AuthInfo("door", password="x"), "allow_basic": True}),
    ],
)
async def test_WS_5_no_answer_or_a_wrong_one_is_a_failure(challenge: str, settings: dict[str, Any]) -> None:
    async with asyncio.timeout(10), websockets_at() as server, Core(transports=knowing(**settings)) as core:
        server.doorman = asking(challenge)
        event = await core.add_proxy_config(at(server)).wait_for(FAILED)
        assert "401 Unauthorized; WebSocketParams.auth decides on that" in event.message
        assert len(server.openings) == 1 + ("refused" in challenge)


@pytest.mark.parametrize("allowed", [True, False])
async def test_WS_5_basic_needs_wss_and_permission(tmp_path: Path, allowed: bool) -> None:
    context = authority().issue(addresses=["127.0.0.1"]).context(tmp_path)
    transports = knowing(auth=AuthInfo("door", password="s3"), allow_basic=allowed)
    async with (
        asyncio.timeout(10), websockets_at(context=context) as server, Core(transports=transports, tls=TRUSTING) as core
    ):  # fmt: skip
        server.doorman = asking('Basic realm="gate"')
        event = await core.add_proxy_config(at(server, transport="wss")).wait_for(OK if allowed else FAILED)
        assert event.state is (OK if allowed else FAILED)
        assert [opening.headers.get("Authorization") for opening in server.openings] == (
            [None, "Basic ZG9vcjpzMw=="] if allowed else [None]
        )


async def test_WS_5_a_client_certificate(tmp_path: Path) -> None:
    context = authority().issue(addresses=["127.0.0.1"]).context(tmp_path, clients=authority().pem)
    ours = authority().issue(common="toto")
    tls = TRUSTING.replace(client_cert=ours.pem, client_key=ours.key_pem())
    async with asyncio.timeout(10), websockets_at(context=context) as server, Core(tls=tls) as core:
        await core.add_proxy_config(at(server, transport="wss")).registered()
        shown = server.peers[0].connection.transport.get_extra_info("peercert")
        assert (("commonName", "toto"),) in shown["subject"]


@pytest.mark.parametrize(
    ("names", "usages", "told"),
    [
        ({"dns": ["sip.titi.com"]}, None, ""),
        ({"dns": ["*.titi.com"]}, (certificates.SERVER,), ""),
        ({"dns": ["sip.titi.com"], "uris": ["sip:tata.com"]}, None, ""),
        ({"uris": ["sip:sip.titi.com"]}, None, "not for sip.titi.com"),
        ({"dns": ["titi.com"]}, None, "not for sip.titi.com"),
        ({"dns": ["sip.titi.com"]}, (certificates.SIP_DOMAIN,), "purpose"),
    ],
)
async def test_WS_6_the_certificate_is_judged_like_that_of_a_web_server(
    tmp_path: Path, names: dict[str, Any], usages: Any, told: str
) -> None:
    (tmp_path / "hosts").write_text("127.0.0.1 sip.titi.com\n")
    dns, strict = DnsParams(hosts_file=str(tmp_path / "hosts")), TRUSTING.replace(wildcards=False, strict_usage=True)
    context = authority().issue(**names, usages=usages).context(tmp_path)
    async with asyncio.timeout(10), websockets_at(context=context) as server, Core(tls=strict, dns=dns) as core:
        uri = f"sip:sip.titi.com:{server.port};transport=wss"
        event = await core.add_proxy_config(ProxyParams("sip:toto@titi.com", server=uri)).wait_for(OK, FAILED)
        assert event.state is (FAILED if told else OK)
        assert told in event.message
        assert bool(server.openings) is not bool(told)
        if told:
            assert event.reason is Reason.TLS_ERROR
        else:
            assert server.openings[0].headers["Host"] == f"sip.titi.com:{server.port}"


async def test_WS_1_without_the_package_the_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets", None)
    async with asyncio.timeout(10), Core() as core:
        params = ProxyParams("sip:toto@titi.com", server="sip:127.0.0.1;transport=ws")
        event = await core.add_proxy_config(params).wait_for(FAILED)
        assert "install aiosipreg with the extra `ws`" in event.message
        assert event.retry_at is None


@pytest.mark.parametrize(("transport", "off"), [("ws", "tcp"), ("wss", "tls")])
async def test_SEC_19_who_wants_nothing_in_clear_text_gets_no_websocket_either(transport: str, off: str) -> None:
    switches: dict[str, Any] = {off: None}
    async with asyncio.timeout(10), Core(transports=TransportParams(**switches)) as core:
        params = ProxyParams("sip:toto@titi.com", server=f"sip:127.0.0.1;transport={transport}")
        event = await core.add_proxy_config(params).wait_for(FAILED)
        assert f"wants {transport.upper()}, and there is only" in event.message


@pytest.mark.parametrize(
    ("server", "offered"),
    [
        ("sip:titi.com", "TLS UDP TCP"),
        ("sip:titi.com;transport=ws", "TLS UDP TCP WS"),
        ("sips:titi.com;transport=ws", "TLS UDP TCP WSS"),
        ("sip:titi.com;transport=wss", "TLS UDP TCP WSS"),
    ],
)
async def test_DNS_24_websocket_is_searched_for_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch, server: str, offered: str
) -> None:
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def locate(_resolver: Resolver, _uri: object, transports: tuple[Transport, ...]) -> None:
        asked.put_nowait(" ".join(transport.value for transport in transports))
        raise ResolutionFailed("nothing", absent=True)

    monkeypatch.setattr(Resolver, "locate", locate)
    async with asyncio.timeout(10), Core() as core:
        core.add_proxy_config(ProxyParams("sip:toto@titi.com", server=server))
        assert await asked.get() == offered
