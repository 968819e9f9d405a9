"""liblinphone's suite "Register" as far as it is about TCP and TLS; `rows.py` has all of it.

Where we do better on purpose the docstring says so.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import pytest

from aiosipreg import AuthInfo, Core, ProxyParams, Reason, RegistrationTimeout, TlsParams, TransportParams
from aiosipreg.testing import Registrar
from tests.accounts import AOR, CLEARED, FAILED, OK, REFRESHING, account, methods, registered
from tests.certificates import authority
from tests.parity.scene import TRUSTING, by_tls, counted, hosts, now, requests, secured, uri

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiosipreg import ProxyConfig

pytestmark = pytest.mark.virtual_clock(delay=0.01)

NOBODY = "sip:127.0.0.99:5060;transport=tcp"


@pytest.fixture
async def tcp_registrar() -> AsyncIterator[Registrar]:
    async with Registrar(users=None, transports=["tcp"]) as registrar:
        yield registrar


async def life(core: Core, params: ProxyParams) -> dict[str, int]:
    """How often each state of an account was told, from the beginning to the stop of the core."""
    async with core:
        proxy = core.add_proxy_config(params)
        events = proxy.events()
        await proxy.registered(timeout=20)
    return await counted(events)


async def test_register_03_tcp_register(tcp_registrar: Registrar) -> None:
    assert await life(Core(), account(tcp_registrar)) == {"Progress": 2, "Ok": 1, "Cleared": 1}
    assert {packet.flow.transport for packet in tcp_registrar.requests} == {"tcp"}


async def test_register_04_tcp_register_2(tcp_registrar: Registrar) -> None:
    """Better: a route is used for REGISTER too, so one that leads nowhere is told and not ignored."""
    async with Core() as core:
        proxy = core.add_proxy_config(account(tcp_registrar, routes=(NOBODY,)))
        failed = await proxy.wait_for(FAILED, timeout=60)
        assert (failed.reason, failed.target) == (Reason.IO_ERROR, "tcp:127.0.0.99:5060")
        assert tcp_registrar.requests == ()
        with proxy.edit() as draft:
            draft.routes = (tcp_registrar.uri,)
        await proxy.registered(timeout=5)
        assert requests(tcp_registrar)[0].headers.get("Route") == f"<{tcp_registrar.uri};lr>"
    assert proxy.state is CLEARED


async def test_register_08_tls_register(tmp_path: Path) -> None:
    async with secured(tmp_path, ["titi.com"]) as registrar:
        core = Core(tls=TRUSTING, dns=hosts(tmp_path, "titi.com"))
        assert await life(core, by_tls(registrar)) == {"Progress": 2, "Ok": 1, "Cleared": 1}
        assert {packet.flow.transport for packet in registrar.requests} == {"tls"}


async def refused(proxy: ProxyConfig, why: str) -> None:
    """The certificate is not accepted, which is final."""
    event = await proxy.wait_for(FAILED, timeout=20)
    assert (event.reason, event.retry_at) == (Reason.TLS_ERROR, None)
    assert why in event.message


async def test_register_09_tls_register_with_server_giving_wrong_name_in_certificate(tmp_path: Path) -> None:
    async with (
        secured(tmp_path, ["tata.com"]) as registrar,
        Core(tls=TRUSTING, dns=hosts(tmp_path, "titi.com")) as core,
    ):
        await refused(core.add_proxy_config(by_tls(registrar)), "the certificate is for tata.com, not for titi.com")
        await asyncio.sleep(3600)
        assert registrar.requests == ()


async def test_register_10_tls_register_with_alt_name_certificate(tmp_path: Path) -> None:
    async with secured(tmp_path, ["tata.com", "titi.com"]) as registrar:
        core = Core(tls=TRUSTING, dns=hosts(tmp_path, "titi.com"))
        assert await life(core, by_tls(registrar)) == {"Progress": 2, "Ok": 1, "Cleared": 1}


async def test_register_11_tls_register_with_wildcard_certificate(tmp_path: Path) -> None:
    names = "sip.titi.com", "tel.titi.com"
    async with secured(tmp_path, ["*.titi.com"]) as registrar, Core(tls=TRUSTING, dns=hosts(tmp_path, *names)) as core:
        proxies = [core.add_proxy_config(by_tls(registrar, name)) for name in names]
        for proxy in proxies:
            await proxy.registered(timeout=20)
        assert len(registrar.bindings) == 2


async def trusted_at_last(directory: Path, wrong: TlsParams, right: TlsParams) -> None:
    """Failed with an authority that is not the server's, and with those of the system; then Ok with the right one."""
    async with secured(directory, ["titi.com"]) as registrar, Core(dns=hosts(directory, "titi.com")) as core:
        proxy = core.add_proxy_config(by_tls(registrar, tls=wrong))
        events = proxy.events()
        await refused(proxy, "is not trusted: unable to get local issuer certificate")
        with proxy.edit() as draft:
            draft.tls = TlsParams()
        await refused(proxy, "is not trusted: unable to get local issuer certificate")
        assert registrar.requests == ()
        with proxy.edit() as draft:
            draft.tls = right
        await proxy.registered(timeout=20)
        await core.stop()
        assert (await counted(events))["Failed"] == 2


async def test_register_12_tls_certificate_not_verified(tmp_path: Path) -> None:
    wrong, right = tmp_path / "wrong.pem", tmp_path / "right.pem"
    wrong.write_text(authority("Somebody else").pem)
    right.write_text(authority().pem)
    await trusted_at_last(tmp_path, TlsParams(ca_file=str(wrong)), TlsParams(ca_file=str(right)))


async def test_register_15_tls_certificate_given_by_string_instead_of_file(tmp_path: Path) -> None:
    await trusted_at_last(tmp_path, TlsParams(ca_data=authority("Somebody else").pem), TRUSTING)


async def test_register_14_tls_certificate_subjects_check(tmp_path: Path) -> None:
    """Better: a name that the certificate has to be for, or the pin of its key; no regular expression over a text."""
    context = authority().issue(dns=["titi.com"], common="registrar").context(tmp_path)
    async with (
        Registrar(users=None, transports=["tls"], tls=context) as registrar,
        Core(dns=hosts(tmp_path, "titi.com")) as core,
    ):
        proxy = core.add_proxy_config(by_tls(registrar, tls=TRUSTING.replace(pins=("0" * 64,))))
        await refused(proxy, "the key of titi.com is not pinned: ")
        assert proxy.last_event is not None
        pin = proxy.last_event.message.partition("is not pinned: ")[2][:64]
        with proxy.edit() as draft:
            draft.tls = TRUSTING.replace(pins=(pin,))
        await proxy.registered(timeout=20)
        core.network_reachable = False
        await asyncio.sleep(1)
        core.network_reachable = True
        await proxy.wait_for(OK, timeout=20)
        assert methods(registrar) == [3600, 3600]


async def test_register_16_tls_with_non_tls_server(tmp_path: Path, tcp_registrar: Registrar) -> None:
    async with Core(tls=TRUSTING, dns=hosts(tmp_path, "titi.com")) as core:
        proxy = core.add_proxy_config(by_tls(tcp_registrar))
        began = now()
        event = await proxy.wait_for(FAILED, timeout=20)
        assert event.reason is Reason.TLS_ERROR
        assert now() - began < 5.1
        assert tcp_registrar.requests == ()


async def test_register_35_transport_changes() -> None:
    """Better: what a core may use is settled when it is made; an account that needs more says what is missing."""
    async with Registrar(users=None, transports=["udp", "tcp"]) as registrar:
        async with Core() as core:
            for transport in ("udp", "tcp"):
                params = ProxyParams(f"sip:{transport}@titi.com", server=registrar.uri_of(transport))
                await core.add_proxy_config(params).registered(timeout=5)
        async with Core(transports=TransportParams(tcp=None, tls=None)) as core:
            others = [
                core.add_proxy_config(ProxyParams(AOR, server=f"{registrar.uri};transport={transport}"))
                for transport in ("tcp", "tls")
            ]
            for proxy in others:
                event = await proxy.wait_for(FAILED, timeout=5)
                assert "there is only UDP" in event.message
            proxy = core.add_proxy_config(account(registrar))
            await proxy.registered(timeout=5)


async def test_register_36_transport_configured_with_dontbind_option() -> None:
    async with Registrar(users=None, transports=["udp", "tcp"]) as registrar, Core() as core:
        proxy = core.add_proxy_config(ProxyParams(AOR, server=registrar.uri_of("tcp")))
        binding = await proxy.registered(timeout=5)
        (connection,) = registrar.connections
        assert uri(binding.contact).port == connection.flow.peer[1]
        events = proxy.events()
        with proxy.edit() as draft:
            draft.server = registrar.uri
        await asyncio.sleep(5)
        assert proxy.state is OK
        assert registrar.bindings[AOR][0].flow.transport == "udp"
        await core.stop()
        assert (await counted(events))["Failed"] == 0


async def test_register_37_proxy_transport_changes() -> None:
    """Better: the old binding is taken away where it was made, and that is told: for a moment there is none."""
    async with Registrar(transports=["udp", "tcp"]) as registrar, registered(registrar) as proxy:
        events = proxy.events()
        with proxy.edit() as draft:
            draft.server = registrar.uri_of("tcp")
        await asyncio.sleep(5)
        assert proxy.state is OK
        assert [binding.flow.transport for binding in registrar.bindings[AOR]] == ["tcp"]
        assert methods(registrar) == [3600, 3600, 0, 3600, 3600]
    assert await counted(events) == {"Ok": 2, "Progress": 3, "Cleared": 2}


async def test_register_42_io_recv_error(tcp_registrar: Registrar) -> None:
    """Better: Refreshing with the reason, not Progress: the binding is alive."""
    async with registered(tcp_registrar) as proxy:
        events = proxy.events()
        await asyncio.sleep(60)
        tcp_registrar.kill_connections()
        event = await proxy.wait_for(REFRESHING, timeout=5)
        assert (event.reason, event.retry_at is None) == (Reason.IO_ERROR, False)
    states = await counted(events)
    assert states["Failed"] == 0


async def test_register_43_io_recv_error_with_recovery(tcp_registrar: Registrar) -> None:
    async with registered(tcp_registrar) as proxy:
        await asyncio.sleep(60)
        tcp_registrar.kill_connections()
        lost = await proxy.wait_for(REFRESHING, timeout=5)
        found = await proxy.wait_for(OK, timeout=5)
        assert found.at - lost.at < 2.1
        assert len(tcp_registrar.connections) == 1


async def test_register_44_io_recv_error_with_late_recovery() -> None:
    """Better: Refreshing for as long as the binding lives, with the time of the next attempt each time."""
    registrar = Registrar(users=None, transports=["tcp"])
    async with Core() as core:
        async with registrar:
            proxy = core.add_proxy_config(account(registrar))
            await proxy.registered(timeout=5)
            events = proxy.events()
            await asyncio.sleep(60)
        await asyncio.sleep(60)
        assert proxy.state is REFRESHING
        assert proxy.retry_at is not None
        async with registrar:
            await proxy.wait_for(OK, timeout=600)
            await core.stop()
            assert (await counted(events))["Failed"] == 0


async def test_register_45_io_recv_error_without_active_registration(tcp_registrar: Registrar) -> None:
    async with registered(tcp_registrar) as proxy:
        await proxy.unregister(timeout=5)
        events = proxy.events()
        tcp_registrar.kill_connections()
        await asyncio.sleep(3600)
        assert proxy.state is CLEARED
    assert await counted(events) == {"Cleared": 1}


@pytest.mark.parametrize("transport", ["tcp", "ws"])
async def test_register_56_cleanup_of_unreliable_channels(transport: Literal["tcp", "ws"]) -> None:
    """Better: not silence counts, but a request without an answer; the next attempt goes by another connection."""
    async with Registrar(users=None, transports=[transport]) as registrar, registered(registrar) as proxy:
        events = proxy.events()
        await asyncio.sleep(120)
        (dead,) = registrar.connections
        dead.stall()
        proxy.wake()
        await proxy.wait_for(REFRESHING, timeout=1)
        await proxy.wait_for(OK, timeout=32 + 60)
        assert registrar.bindings[AOR][0].flow == registrar.connections[-1].flow != dead.flow
        await proxy.core.stop()
        assert (await counted(events))["Failed"] == 0


async def shown(directory: Path, tls: TlsParams, *infos: AuthInfo) -> None:
    """A server that wants a certificate gets it."""
    async with secured(directory, ["titi.com"], clients=authority().pem) as registrar:
        core = Core(auth=infos, tls=tls, dns=hosts(directory, "titi.com"))
        assert (await life(core, by_tls(registrar)))["Ok"] == 1


def as_text() -> dict[str, str]:
    """A certificate of ours and its key."""
    identity = authority().issue(common="toto")
    return {"client_cert": identity.pem, "client_key": identity.key_pem()}


def as_paths(directory: Path) -> dict[str, str]:
    """The same as files."""
    certificate, key = authority().issue(common="toto").files(directory, "toto")
    return {"client_cert": str(certificate), "client_key": str(key)}


async def test_register_47_global_tls_client_certificate_authentication(tmp_path: Path) -> None:
    """Both stand in one file; and whoever shows nothing is sent away."""
    identity, file = authority().issue(common="toto"), tmp_path / "both.pem"
    file.write_text(identity.pem + identity.key_pem())
    await shown(tmp_path, TRUSTING.replace(client_cert=str(file)))
    with pytest.raises(RegistrationTimeout, match="certificate required"):
        await shown(tmp_path, TRUSTING)


async def test_register_48_global_tls_client_certificate_authentication_using_api(tmp_path: Path) -> None:
    await shown(tmp_path, TRUSTING.replace(**as_text()))


async def test_register_49_global_tls_client_certificate_authentication_using_api_2(tmp_path: Path) -> None:
    await shown(tmp_path, TRUSTING.replace(**as_paths(tmp_path)))


async def test_register_50_authinfo_tls_client_certificate_authentication_using_api(tmp_path: Path) -> None:
    await shown(tmp_path, TRUSTING, AuthInfo("toto", **as_text()))


async def test_register_51_authinfo_tls_client_certificate_authentication_using_api_2(tmp_path: Path) -> None:
    await shown(tmp_path, TRUSTING, AuthInfo("toto", **as_paths(tmp_path)))
