"""The pieces of aiosipreg.testing together, around an unmodified `Core`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from aiosipreg import AuthInfo, Core, ProxyParams, Reason, RegistrationState, TlsParams
from aiosipreg.testing import Registrar, StreamFaults, VirtualNetwork, run
from tests.certificates import authority
from tests.testing.certificates import server_context
from tests.testing.requests import AOR

if TYPE_CHECKING:
    from aiosipreg import ProxyConfig
    from aiosipreg.testing.flow import Transport

USERS = {"alice": "secret", "bob": "secret", "toto": "secret"}


def test_a_day_of_three_accounts_with_a_third_of_all_packets_lost() -> None:
    async def main() -> None:
        registrar = Registrar(users=USERS, nonce_lifetime=7200.0)
        credentials = [AuthInfo(user, password=password) for user, password in USERS.items()]
        async with registrar, Core(auth=credentials) as core:
            for user in USERS:
                core.add_proxy_config(ProxyParams(f"sip:{user}@sip.titi.com", server=registrar.uri, expires=600))
            registered = 0
            for _ in range(24 * 60):
                await asyncio.sleep(60.0)
                registered += len(registrar.bindings)
            # A refresh may lose all of its eleven copies, once in 1600 times.
            assert registered > 0.99 * 3 * 24 * 60
        assert registrar.bindings_at(86_400.0) == {}
        assert any(packet.retransmission for packet in registrar.requests)

    network = VirtualNetwork(loss=0.3, delay=(0.01, 0.05), seed=1)
    run(main(), network=network)
    assert 0.27 < network.lost / network.sent < 0.33


@pytest.mark.virtual_clock
async def test_options_reach_an_account_behind_its_binding(sip_registrar: Registrar) -> None:
    async with Core(auth=AuthInfo("toto", password="secret")) as core:
        proxy: ProxyConfig = core.add_proxy_config(ProxyParams("sip:toto@sip.titi.com", server=sip_registrar.uri))
        await proxy.registered(timeout=5)
        assert (await sip_registrar.options("sip:toto@sip.titi.com")).status == 200


@pytest.mark.virtual_clock(loss=0.1, delay=0.05, seed=2)
@pytest.mark.parametrize("transport", ["tcp", "tls", "ws", "wss"])
async def test_a_day_over_a_connection_that_is_broken_now_and_then(transport: Transport) -> None:
    credentials, tls = AuthInfo("toto", password="secret"), TlsParams(ca_data=authority().pem)
    registrar = Registrar(transports=["udp", transport], tls=server_context())
    async with registrar, Core(auth=credentials, tls=tls) as core:
        server = registrar.uri_of(transport)
        proxy = core.add_proxy_config(ProxyParams("sip:toto@sip.titi.com", server=server, expires=600))
        await proxy.registered(timeout=60)
        for hour in range(24):
            await asyncio.sleep(1800.0)
            assert len(registrar.bindings[AOR]) == 1
            registrar.break_next(StreamFaults(reset="request"), times=hour % 2)
            registrar.kill_connections()
            await asyncio.sleep(1800.0)
        assert (await registrar.options(AOR)).status == 200
        assert {packet.flow.transport for packet in registrar.requests} == {transport}
        assert len({packet.flow for packet in registrar.requests}) >= 24
    assert registrar.bindings == {}


@pytest.mark.virtual_clock
async def test_a_registrar_that_stalls_is_found_out_and_come_back_to() -> None:
    registrar = Registrar(transports=["tcp"])
    async with registrar, Core(auth=AuthInfo("toto", password="secret")) as core:
        server = registrar.uri
        proxy = core.add_proxy_config(ProxyParams("sip:toto@sip.titi.com", server=server, expires=600))
        await proxy.registered(timeout=5)
        registrar.stream_faults = StreamFaults(stall="request")
        failed = await proxy.wait_for(RegistrationState.FAILED)
        # The binding may run out first: when it is renewed is drawn by lot.
        assert failed.reason in (Reason.NO_RESPONSE, Reason.EXPIRED)
        registrar.stream_faults = StreamFaults()
        await proxy.registered()
