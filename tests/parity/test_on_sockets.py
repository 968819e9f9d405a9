"""Rows that a virtual network cannot show: both address families on one socket, local ports, name servers."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from aiosipreg import Core, DnsParams, ProxyParams, Reason, RetryPolicy, TransportParams
from aiosipreg.testing import Registrar
from tests.accounts import AOR, FAILED, OK, REFRESHING, TOTO, registered
from tests.free_ports import free_port
from tests.parity.scene import TRUSTING, host, secured, uri
from tests.peers.fake_dns import FakeDns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from aiosipreg.testing.flow import Transport


async def dual(transport: Transport) -> None:
    """A server that takes IPv4 on its IPv6 socket is reached by IPv4."""
    async with Registrar(host="::", transports=[transport]) as registrar, Core(auth=TOTO) as core:
        server = f"sip:127.0.0.1:{registrar.port};transport={transport}"
        proxy = core.add_proxy_config(ProxyParams(AOR, server=server))
        await proxy.registered(timeout=5)
        assert registrar.requests[0].peer[0] == "::ffff:127.0.0.1"
        assert host(proxy.contact) == "127.0.0.1"


async def test_refresher_19_register_udp_from_ipv6_to_ipv6_with_ipv4() -> None:
    await dual("udp")


async def test_refresher_23_register_tcp_from_ipv6_to_ipv6_with_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    create_server: Any = loop.create_server

    async def listen(factory: Callable[[], asyncio.Protocol], host: str, port: int, **options: Any) -> asyncio.Server:
        # asyncio itself makes listeners of one family only.
        both = socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=True)
        server: asyncio.Server = await create_server(factory, sock=both, **options)
        return server

    monkeypatch.setattr(loop, "create_server", listen)
    await dual("tcp")


async def test_register_07_tcp_register_compatibility_mode() -> None:
    """Other: what DNS offers decides, not which port is open; without records it is UDP (RFC 3263 4.1)."""
    async with (
        Registrar(users=None, transports=["tcp"]) as registrar,
        FakeDns(
            f"_sip._tcp.titi.test. 300 SRV 0 0 {registrar.port} one.titi.test.", "one.titi.test. 300 A 127.0.0.1"
        ) as dns,
        Core(dns=DnsParams(nameservers=(dns.nameserver,), hosts_file=None)) as core,
    ):
        proxy = core.add_proxy_config("sip:toto@titi.test")
        await proxy.registered(timeout=5)
        assert proxy.last_event is not None
        assert proxy.last_event.target == f"tcp:127.0.0.1:{registrar.port}"


async def test_register_13_tls_certificate_against_srv_target(tmp_path: Path) -> None:
    async with (
        secured(tmp_path, ["one.titi.test"]) as registrar,
        FakeDns(
            f"_sips._tcp.titi.test. 300 SRV 0 0 {registrar.port} one.titi.test.", "one.titi.test. 300 A 127.0.0.1"
        ) as dns,
        Core(tls=TRUSTING, dns=DnsParams(nameservers=(dns.nameserver,), hosts_file=None)) as core,
    ):
        proxy = core.add_proxy_config("sip:toto@titi.test")
        event = await proxy.wait_for(FAILED, timeout=5)
        assert (event.reason, event.retry_at) == (Reason.TLS_ERROR, None)
        assert "the certificate is for one.titi.test, not for titi.test" in event.message
        assert registrar.requests == ()
        with proxy.edit() as draft:
            draft.tls = TRUSTING.replace(extra_names=("one.titi.test",))
        await proxy.registered(timeout=5)


async def test_belle_register_20_channel_moving_to_error_test_and_cleaned() -> None:
    """The next connection has the same local port."""
    port = free_port()
    async with (
        Registrar(transports=["tcp"]) as registrar,
        registered(registrar, transports=TransportParams(tcp=port), retry=RetryPolicy(base=0.1)) as proxy,
    ):
        registrar.kill_connections()
        await proxy.wait_for(REFRESHING, timeout=5)
        await proxy.wait_for(OK, timeout=5)
        (connection,) = registrar.connections
        assert [binding.flow for binding in registrar.bindings[AOR]] == [connection.flow]
        assert connection.flow.peer[1] == uri(proxy.contact).port == port


async def random_ports(registrar_host: str) -> None:
    """Connections begin at free ports of the system, another one each time."""
    async with Registrar(transports=["tcp"], host=registrar_host) as registrar:
        ports = set()
        for _ in range(3):
            async with registered(registrar) as proxy:
                ports.add(uri(proxy.contact).port)
                assert registrar.requests[-1].peer == (registrar_host, uri(proxy.contact).port)
            await asyncio.sleep(0)
        assert len(ports) == 3
        assert not ports & {0, 5060, None}


async def test_refresher_27_register_tcp_from_random_port_using_af_inet() -> None:
    await random_ports("127.0.0.1")


async def test_refresher_28_register_tcp_from_random_port_using_af_inet6() -> None:
    await random_ports("::1")
