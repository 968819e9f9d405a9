"""A whole core over TLS, on real sockets: which accounts trust whom, and what is never sent in the clear."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import AuthInfo, Core, DigestPolicy, DnsParams, ProxyParams, Reason, RegistrationState, TlsParams
from aiosipreg.engine.dns import Address, Answer, Srv
from aiosipreg.net.resolver import Resolver
from tests import certificates
from tests.certificates import authority
from tests.tcp_server import reply, serving
from tests.test_tcp import TOTO, challenging

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from aiosipreg import ProxyConfig, RegistrationEvent
    from aiosipreg.engine.dns import Question
    from aiosipreg.wire import Request, Response
    from tests.tcp_server import Server

OK, CLEARED, FAILED = RegistrationState.OK, RegistrationState.CLEARED, RegistrationState.FAILED
TRUSTING = TlsParams(ca_data=authority().pem)


class World:
    """A server that has a certificate for titi.com, and says so at the address that titi.com has here."""

    def __init__(self, server: Server, dns: DnsParams) -> None:
        self.server = server
        self.dns = dns

    @property
    def port(self) -> int:
        return self.server.port

    def account(self, identity: str, server: str, **settings: Any) -> ProxyParams:
        return ProxyParams(identity, server=server.replace("PORT", str(self.port)), **settings)

    def core(self, **settings: Any) -> Core:
        return Core(**{"auth": TOTO, "tls": TRUSTING, "dns": self.dns, **settings})


@contextlib.asynccontextmanager
async def world(directory: Path, *names: str, context: ssl.SSLContext | None = None) -> AsyncIterator[World]:
    (directory / "hosts").write_text("127.0.0.1 titi.com tata.com proxy.titi.com\n")
    context = context or certificates.server(*(names or ("titi.com",))).context(directory)
    async with asyncio.timeout(20), serving(context=context) as server:
        server.rule = challenging
        yield World(server, DnsParams(hosts_file=str(directory / "hosts")))


async def failed(proxy: ProxyConfig) -> RegistrationEvent:
    return await proxy.wait_for(FAILED, timeout=10)


@pytest.mark.parametrize(
    ("identity", "server", "request_uri", "contact"),
    [
        ("sips:toto@titi.com", "sips:titi.com:PORT", "sips:titi.com:PORT", "sips:toto@HERE"),
        ("sips:toto@titi.com", "sips:titi.com:PORT;transport=tls", "sips:titi.com:PORT", "sips:toto@HERE"),
        (
            "sips:toto@titi.com",
            "sips:titi.com:PORT;transport=tcp",
            "sips:titi.com:PORT;transport=tcp",
            "sips:toto@HERE",
        ),
        ("sip:toto@titi.com", "sip:titi.com:PORT;transport=tls", "sip:titi.com:PORT", "sip:toto@HERE"),
        ("sip:toto@titi.com", "sips:titi.com:PORT", "sips:titi.com:PORT", "sips:toto@HERE"),
    ],
)
async def test_SIPS_5_SIPS_7_sips_and_the_first_hop_alone(
    tmp_path: Path, identity: str, server: str, request_uri: str, contact: str
) -> None:
    async with world(tmp_path) as it:
        async with it.core() as core:
            proxy = core.add_proxy_config(it.account(identity, server))
            binding = await proxy.registered()
            (peer,) = it.server.peers
            host, port = peer.transport.get_extra_info("peername")
            here = f"{host}:{port}"
            assert str(binding.contact.uri) == contact.replace("HERE", here)
            await proxy.refresh()
        assert [request.expires for request in peer.requests] == [3600, 3600, 3600, 0]
        for request in peer.requests:
            both = [str(entry.uri) for entry in (request.from_, request.to) if entry]
            assert both == [f"{contact.partition(':')[0]}:toto@titi.com"] * 2
            assert str(request.uri) == request_uri.replace("PORT", str(it.port))
            assert request.via is not None
            assert (request.via.transport, f"{request.via.host}:{request.via.port}") == ("TLS", here)
            assert b"transport=tls" not in bytes(request).lower()


async def test_SIPS_6_a_sips_route_is_gone_by_tls_and_the_registrar_stays_sip(tmp_path: Path) -> None:
    async with world(tmp_path, "proxy.titi.com") as it, it.core() as core:
        route = f"sips:proxy.titi.com:{it.port};lr"
        proxy = core.add_proxy_config(ProxyParams("sip:toto@titi.com", routes=(route,)))
        binding = await proxy.registered()
        request = it.server.requests[0]
        assert (request.uri, request.headers.get("Route")) == ("sip:titi.com", f"<{route}>")
        assert str(binding.contact.uri).startswith("sips:")


async def test_TLS_1_a_server_that_is_not_trusted_sees_nothing_and_is_not_asked_again(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.core(tls=TlsParams()) as core:
        event = await failed(core.add_proxy_config(it.account("sips:toto@titi.com", "sips:titi.com:PORT")))
        assert (event.reason, event.retry_at) == (Reason.TLS_ERROR, None)
        assert "TlsParams.ca_file decides on that" in event.message
        assert [peer.octets for peer in it.server.peers if peer.octets] == []


async def test_TLS_2_the_name_is_the_domain_of_the_server(tmp_path: Path) -> None:
    async with world(tmp_path, "sip1.hoster.net") as it, it.core() as core:
        refused = core.add_proxy_config(it.account("sip:toto@titi.com", "sip:titi.com:PORT;transport=tls"))
        event = await failed(refused)
        assert "is for sip1.hoster.net, not for titi.com" in event.message
        assert [peer.octets for peer in it.server.peers if peer.octets] == []
        with refused.edit() as draft:
            draft.tls = TRUSTING.replace(extra_names=("sip1.hoster.net",))
        await refused.registered()


async def test_TLS_7_each_account_may_have_its_own_trust(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.core(tls=TlsParams()) as core:
        stranger = core.add_proxy_config(it.account("sips:toto@titi.com", "sips:titi.com:PORT"))
        friend = core.add_proxy_config(it.account("sips:toto@titi.com", "sips:titi.com:PORT", tls=TRUSTING))
        await friend.registered()
        await failed(stranger)
        assert len(it.server.peers) == 1
        await friend.fetch_bindings()
        assert len(it.server.peers) == 1


async def test_TLS_9_an_account_shows_its_certificate(tmp_path: Path) -> None:
    ours = authority().issue(common="toto")
    context = certificates.server("titi.com").context(tmp_path, clients=authority().pem)
    async with world(tmp_path, context=context) as it, it.core() as core:
        tls = TRUSTING.replace(client_cert=ours.pem, client_key=ours.key_pem())
        await core.add_proxy_config(it.account("sips:toto@titi.com", "sips:titi.com:PORT", tls=tls)).registered()
        (peer,) = it.server.peers
        assert peer.transport.get_extra_info("peercert")["subject"] == ((("commonName", "toto"),),)


def wanting(directory: Path) -> ssl.SSLContext:
    """For a server that lets nobody in without a certificate."""
    return certificates.server("titi.com").context(directory, clients=authority().pem)


def certified(user: str, common: str, directory: Path | None = None, **secrets: Any) -> AuthInfo:
    """Credentials with a certificate; with ``directory`` as paths of files there."""
    ours = authority().issue(common=common)
    certificate, key = (ours.pem, ours.key_pem()) if directory is None else map(str, ours.files(directory, user))
    return AuthInfo(user, client_cert=certificate, client_key=key, **secrets)


def shown(it: World) -> list[str]:
    """Who stands in the certificates that were shown, connection by connection."""
    subjects = [peer.transport.get_extra_info("peercert")["subject"] for peer in it.server.peers if peer.got]
    return [subject[0][0][1] for subject in subjects]


@pytest.mark.parametrize("paths", [False, True])
async def test_TLS_7_TLS_9_TRA_10_each_account_shows_the_certificate_of_its_credentials(
    tmp_path: Path, paths: bool
) -> None:
    async with world(tmp_path, context=wanting(tmp_path)) as it:
        directory = tmp_path if paths else None
        infos = [certified(user, f"{user}'s", directory, password="secret") for user in ("toto", "tata")]
        async with it.core(auth=infos) as core:
            for user in ("toto", "tata"):
                proxy = core.add_proxy_config(it.account(f"sips:{user}@titi.com", "sips:titi.com:PORT"))
                await proxy.registered()
                await proxy.fetch_bindings()
            own = it.account("sips:trunk@titi.com", "sips:titi.com:PORT", auth=infos[1], id="trunk")
            await core.add_proxy_config(own).registered()
            # Whoever shows the same shares a connection, and nobody else.
            assert shown(it) == ["toto's", "tata's"]


async def test_TLS_9_a_certificate_may_come_late_and_be_replaced(tmp_path: Path) -> None:
    async with world(tmp_path, context=wanting(tmp_path)) as it, it.core() as core:
        proxy = core.add_proxy_config(it.account("sips:toto@titi.com", "sips:titi.com:PORT"))
        event = await failed(proxy)
        assert event.reason in (Reason.IO_ERROR, Reason.TLS_ERROR)
        core.add_auth_info(certified("tata", "nobody"))
        assert proxy.state is FAILED
        core.add_auth_info(certified("toto", "old"))
        old = await proxy.registered()
        core.add_auth_info(certified("toto", "new"))
        assert proxy.state is RegistrationState.REFRESHING
        await proxy.wait_for(OK)
        assert proxy.binding is not None
        assert proxy.binding.contact.uri != old.contact.uri
        assert shown(it) == ["old", "new"]
        core.clear_auth_infos()
        assert proxy.state is OK


async def test_TLS_9_OUTB_10_a_flow_that_showed_another_certificate_is_replaced(tmp_path: Path) -> None:
    def rule(_peer: object, request: Request) -> Response:
        return reply(request, 200, ("Require", "outbound"))

    async with world(tmp_path, context=wanting(tmp_path)) as it, it.core(auth=certified("toto", "old")) as core:
        it.server.rule = rule
        outbound = {"outbound": True, "instance_id": "urn:uuid:00000000-0000-1000-8000-000a95a0e128"}
        proxy = core.add_proxy_config(it.account("sips:toto@titi.com", "sips:titi.com:PORT", **outbound))
        await proxy.registered()
        core.add_auth_info(certified("toto", "new"))
        await proxy.wait_for(OK)
        assert shown(it) == ["old", "new"]
        assert [contact.params["reg-id"] for request in it.server.requests for contact in request.contacts] == ["1"] * 2


async def test_TLS_9_a_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    async with world(tmp_path, context=wanting(tmp_path)) as it, it.core() as core:
        core.add_auth_info(AuthInfo("toto", client_cert=str(tmp_path / "nowhere.pem")))
        event = await failed(core.add_proxy_config(it.account("sips:toto@titi.com", "sips:titi.com:PORT")))
        assert (event.reason, event.retry_at) == (Reason.TLS_ERROR, None)
        assert "nowhere.pem: No such file" in event.message


async def test_other_trust_moves_the_binding_to_another_connection(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.core() as core:
        proxy = core.add_proxy_config(it.account("sips:toto@titi.com", "sips:titi.com:PORT"))
        first = await proxy.registered()
        with proxy.edit() as draft:
            draft.tls = TRUSTING.replace(wildcards=False)
        while proxy.binding is None or proxy.binding.contact.uri == first.contact.uri:
            await proxy.wait_for(RegistrationState.REFRESHING)
            await proxy.wait_for(OK)
        assert len(it.server.peers) == 2
        renewal = it.server.peers[1].requests[0]
        assert [(entry.uri, entry.expires) for entry in renewal.contacts][1:] == [(first.contact.uri, 0)]


@pytest.mark.parametrize(
    ("names", "tls", "reason"),
    [
        (("titi.com",), TRUSTING, Reason.NONE),
        (("tata.com",), TRUSTING.replace(extra_names=("tata.com",)), Reason.REALM_MISMATCH),
        (("tata.com",), TRUSTING.replace(insecure_skip_verify=True), Reason.NONE),
    ],
    ids=["its own", "another", "nobody looked"],
)
async def test_SEC_6_the_realm_is_compared_with_what_the_certificate_says(
    tmp_path: Path, names: tuple[str, ...], tls: TlsParams, reason: Reason
) -> None:
    async with world(tmp_path, *names) as it, it.core(tls=tls) as core:
        params = it.account("sip:toto@tata.com", "sip:tata.com:PORT;transport=tls")
        if reason is Reason.NONE:
            params = it.account("sip:toto@titi.com", "sip:titi.com:PORT;transport=tls")
        event = await core.add_proxy_config(params).wait_for(OK, timeout=10)
        assert event.reason is reason


async def test_SEC_6_pins_say_nothing_about_names(tmp_path: Path) -> None:
    identity = certificates.server("tata.com")
    pinned = TlsParams(pins=(identity.pin,), pins_suffice=True)
    async with world(tmp_path, context=identity.context(tmp_path)) as it, it.core(tls=pinned) as core:
        proxy = core.add_proxy_config(it.account("sip:toto@tata.com", "sip:tata.com:PORT;transport=tls"))
        assert (await proxy.wait_for(OK, timeout=10)).reason is Reason.NONE


async def test_SEC_6_a_realm_of_another_domain_may_be_refused(tmp_path: Path) -> None:
    async with world(tmp_path, "tata.com") as it, it.core(digest=DigestPolicy(refuse_realm_mismatch=True)) as core:
        proxy = core.add_proxy_config(it.account("sip:toto@tata.com", "sip:tata.com:PORT;transport=tls"))
        event = await failed(proxy)
        assert (event.reason, event.retry_at) == (Reason.REALM_MISMATCH, None)
        assert [request.headers.get("Authorization") for request in it.server.requests] == [None]
        core.add_auth_info(AuthInfo("toto", password="secret", realm="titi.com"))
        await proxy.registered()


async def test_SIPS_1_RSP_416_does_not_make_sip_of_sips(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        it.server.rule = lambda _peer, request: reply(request, 416)
        async with it.core() as core:
            event = await failed(core.add_proxy_config(it.account("sips:toto@titi.com", "sips:titi.com:PORT")))
            assert (event.status, event.retry_at) == (416, None)
        assert len(it.server.requests) == 1


async def test_TLS_11_no_via_asks_for_connections_of_the_server_to_us(tmp_path: Path) -> None:
    async with world(tmp_path) as it, it.core() as core:
        await core.add_proxy_config(it.account("sips:toto@titi.com", "sips:titi.com:PORT")).registered()
        assert [sorted(request.via.params) for request in it.server.requests if request.via] == [
            ["branch", "rport"]
        ] * 2


class Ear(asyncio.DatagramProtocol):
    """Hears what goes over UDP."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.append(data)


@pytest.mark.parametrize("server", ["sips:titi.com", "sip:titi.com;transport=tls", "sip:titi.com"])
async def test_SEC_19_no_way_leads_from_tls_to_clear_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    """A domain that offers everything, and a wrong certificate: whoever is there gets nothing at all."""
    loop = asyncio.get_running_loop()
    async with world(tmp_path, "tata.com") as it, serving() as clear:
        transport, ear = await loop.create_datagram_endpoint(Ear, local_addr=("127.0.0.1", 0))
        ports = {"_sips._tcp": it.port, "_sip._udp": transport.get_extra_info("sockname")[1], "_sip._tcp": clear.port}

        async def answers(_: Resolver, questions: Sequence[Question], _deadline: float) -> tuple[Answer, ...]:
            return tuple(Answer(records(question), 60.0) for question in questions)

        def records(question: Question) -> tuple[Srv | Address, ...]:
            if question.type == "A":
                return (Address("127.0.0.1", ttl=60.0),)
            port = ports.get(question.name.removesuffix(".titi.com")) if question.type == "SRV" else None
            return (Srv(priority=0, weight=0, port=port, target="titi.com", ttl=60.0),) if port else ()

        monkeypatch.setattr(Resolver, "_answers", answers)
        async with it.core() as core:
            event = await failed(core.add_proxy_config(it.account("sip:toto@titi.com", server)))
            assert (event.reason, event.retry_at) == (Reason.TLS_ERROR, None)
            assert ear.heard == []
            assert [peer.octets for peer in clear.peers] == []
        transport.close()
        await asyncio.sleep(0)
