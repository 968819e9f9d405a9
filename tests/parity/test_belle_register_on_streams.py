"""The suite "Register" of belle-sip as far as it is about connections; `rows.py` has all of it."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from aiosipreg import Core, ProxyParams, Reason
from aiosipreg.testing import Registrar, StreamFaults
from tests.accounts import AOR, FAILED, OK, REFRESHING, methods, registered
from tests.certificates import authority
from tests.parity.scene import TRUSTING, by_tls, hosts, now, secured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiosipreg import RegistrationEvent

pytestmark = pytest.mark.virtual_clock(delay=0.01)


@pytest.fixture
async def tcp_registrar() -> AsyncIterator[Registrar]:
    async with Registrar(users=None, transports=["tcp"]) as registrar:
        yield registrar


async def test_belle_register_02_stateful_tcp(tcp_registrar: Registrar) -> None:
    async with registered(tcp_registrar) as proxy:
        assert AOR in tcp_registrar.bindings
        await proxy.unregister(timeout=5)
        assert tcp_registrar.bindings == {}
        assert methods(tcp_registrar) == [3600, 0]


async def test_belle_register_03_stateful_tls(tmp_path: Path) -> None:
    async with (
        secured(tmp_path, ["titi.com"]) as registrar,
        Core(tls=TRUSTING, dns=hosts(tmp_path, "titi.com")) as core,
    ):
        proxy = core.add_proxy_config(by_tls(registrar))
        await proxy.registered(timeout=5)
        await proxy.unregister(timeout=5)
        assert registrar.bindings == {}
        assert methods(registrar) == [3600, 0]


async def test_belle_register_11_stateful_tls_with_wrong_cname(tmp_path: Path) -> None:
    """The name does not matter where another one is named, or the key is."""
    async with (
        secured(tmp_path, ["tata.com"]) as registrar,
        Core(tls=TRUSTING, dns=hosts(tmp_path, "titi.com")) as core,
    ):
        proxy = core.add_proxy_config(by_tls(registrar))
        event = await proxy.wait_for(FAILED, timeout=5)
        assert (event.reason, event.retry_at) == (Reason.TLS_ERROR, None)
        assert "TlsParams.extra_names decides on that" in event.message
        with proxy.edit() as draft:
            draft.tls = TRUSTING.replace(extra_names=("tata.com",))
        await proxy.registered(timeout=5)


async def test_belle_register_14_bad_tcp_request(tcp_registrar: Registrar) -> None:
    async with registered(tcp_registrar) as proxy:
        (connection,) = tcp_registrar.connections
        via = f"Via: SIP/2.0/TCP 127.0.0.1:{tcp_registrar.port};branch=z9hG4bKbad"
        connection.send(f"OPTIONS sip:toto@titi.com SIP/2.0\r\n{via}\r\nContent-Length: 0\r\n\r\n".encode())
        await asyncio.sleep(1)
        assert proxy.core.stats.dropped["malformed"] == 1
        assert (await tcp_registrar.options(AOR)).status == 200
        await proxy.refresh(timeout=5)
        assert tcp_registrar.connections == (connection,)


async def test_belle_register_17_tls_client_cert_authentication(tmp_path: Path) -> None:
    identity = authority().issue(common="toto")
    async with secured(tmp_path, ["titi.com"], clients=authority().pem) as registrar:
        shown = TRUSTING.replace(client_cert=identity.pem, client_key=identity.key_pem())
        async with Core(tls=shown, dns=hosts(tmp_path, "titi.com")) as core:
            await core.add_proxy_config(by_tls(registrar)).registered(timeout=5)


async def test_belle_register_18_tls_client_cert_bad_ciphersuites(tmp_path: Path) -> None:
    context = authority().issue(dns=["titi.com"]).context(tmp_path, clients=authority().pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # its key is for ECDSA
    async with (
        Registrar(users=None, transports=["tls"], tls=context) as registrar,
        Core(tls=TRUSTING, dns=hosts(tmp_path, "titi.com")) as core,
    ):
        event = await core.add_proxy_config(by_tls(registrar)).wait_for(FAILED, timeout=5)
        assert event.reason is Reason.TLS_ERROR
        assert "no TLS handshake with titi.com" in event.message
        assert registrar.requests == ()


async def test_belle_register_19_channel_inactive(tcp_registrar: Registrar) -> None:
    async with registered(tcp_registrar) as proxy:
        await asyncio.sleep(1800)
        assert len(tcp_registrar.connections) == 1, "as long as there is a binding it is in use"
        await proxy.unregister(timeout=5)
        await asyncio.sleep(31)
        assert len(tcp_registrar.connections) == 1
        await asyncio.sleep(2)
        assert len(tcp_registrar.connections) == 0


async def test_belle_register_21_channel_moving_to_error_test_and_cleaned_with_dont_bind(
    tcp_registrar: Registrar,
) -> None:
    async with registered(tcp_registrar) as proxy:
        await asyncio.sleep(60)
        tcp_registrar.kill_connections()
        await proxy.wait_for(REFRESHING, timeout=5)
        await proxy.wait_for(OK, timeout=5)
        (connection,) = tcp_registrar.connections
        assert [binding.flow for binding in tcp_registrar.bindings[AOR]] == [connection.flow]


async def failure(params: ProxyParams, core: Core, within: float) -> RegistrationEvent:
    """It fails within so many seconds, and will be tried again."""
    async with core:
        began = now()
        event = await core.add_proxy_config(params).wait_for(FAILED, timeout=60)
        assert now() - began == pytest.approx(within, abs=0.1)
        assert event.retry_at is not None
        return event


async def test_belle_register_22_tcp_connection_failure() -> None:
    event = await failure(ProxyParams(AOR, server="sip:127.0.0.99:5060;transport=tcp"), Core(), 0)
    assert event.reason is Reason.IO_ERROR
    assert "Connection refused" in event.message


async def test_belle_register_23_tcp_connection_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "create_connection", lambda *_args, **_options: asyncio.Event().wait())
    event = await failure(ProxyParams(AOR, server="sip:192.0.2.1:5060;transport=tcp"), Core(), 5)
    assert event.reason is Reason.IO_ERROR
    assert "no connection within 5 s" in event.message


async def test_belle_register_24_tls_connection_too_long(tmp_path: Path) -> None:
    async with secured(tmp_path, ["titi.com"], stream_faults=StreamFaults(stall="accept")) as registrar:
        core = Core(tls=TRUSTING, dns=hosts(tmp_path, "titi.com"))
        event = await failure(by_tls(registrar), core, 5)
        assert event.reason is Reason.TLS_ERROR
        assert "it took too long" in event.message


async def test_belle_register_25_tls_connection_to_tcp_server(tmp_path: Path, tcp_registrar: Registrar) -> None:
    core = Core(tls=TRUSTING, dns=hosts(tmp_path, "titi.com"))
    event = await failure(by_tls(tcp_registrar), core, 5)
    assert event.reason is Reason.TLS_ERROR
    assert tcp_registrar.requests == ()
