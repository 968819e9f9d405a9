"""Outbound flows and GRUUs (RFC 5626, RFC 5627) as Debian's Kamailio gives them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from aiosipreg import AuthInfo, Core, ProxyConfig, ProxyParams, RegistrationState, RetryPolicy
from tests.peers.kamailio import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.kamailio import Kamailio

TOTO = AuthInfo("toto", password="secret")
AOR = "sip:toto@sip.titi.com"
INSTANCE = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
FLOWS = Options(outbound=True, gruu=True)


async def becomes(proxy: ProxyConfig, wanted: Callable[[], bool]) -> None:
    """Look again at each event of the account."""
    events = proxy.events()
    async with asyncio.timeout(20):
        while not wanted():
            await anext(events)


def flows_ok(proxy: ProxyConfig) -> bool:
    return [flow.state for flow in proxy.flows] == [RegistrationState.OK] * 2


@pytest.mark.parametrize("kamailio", [FLOWS], indirect=True)
async def test_OUTB_1_6_GRUU_1_kamailio_keeps_a_binding_for_each_flow(kamailio: Kamailio) -> None:
    params = ProxyParams(AOR, outbound_proxies=(kamailio.tcp_uri, kamailio.uri), instance_id=INSTANCE)
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(params)
        await becomes(proxy, lambda: flows_ok(proxy))
        stored = {binding.reg_id: binding for binding in await kamailio.bindings("toto")}
        assert sorted(filter(None, stored)) == [1, 2]
        assert {binding.instance_id for binding in stored.values()} == {f"<{INSTANCE}>"}
        assert [stored[number].socket for number in (1, 2)] == [
            f"{transport}:127.0.0.1:{kamailio.port}" for transport in ("tcp", "udp")
        ]
        assert proxy.pub_gruu == f"{AOR};gr={INSTANCE}"
        assert len(proxy.temp_gruus) == 2, "one of each registration"
    assert await kamailio.bindings("toto") == ()


@pytest.mark.parametrize("kamailio", [FLOWS], indirect=True)
async def test_OUTB_13_a_flow_that_kamailio_closes_comes_back_while_the_other_holds(kamailio: Kamailio) -> None:
    params = ProxyParams(AOR, outbound_proxies=(kamailio.tcp_uri, kamailio.uri), instance_id=INSTANCE)
    # A flow that dies within 30 s of its binding counts as failed, and waits as that does.
    soon = RetryPolicy(base=0.5, base_not_all_failed=0.5)
    async with Core(auth=TOTO, retry=soon) as core:
        proxy = core.add_proxy_config(params)
        await becomes(proxy, lambda: flows_ok(proxy))
        before = {binding.reg_id: binding.contact for binding in await kamailio.bindings("toto")}
        [connection] = await kamailio.connections("tcp")
        states = []
        events = proxy.events()
        await kamailio.hang_up(connection)
        async with asyncio.timeout(20):
            async for event in events:
                states.append((event.flow, event.state))
                if len(states) > 2 and flows_ok(proxy):
                    break
        # A stream begins with what was last, here of the other flow.
        assert states[1:] == [(1, RegistrationState.OK)] * 2, "lost, and back"
        after = {binding.reg_id: binding.contact for binding in await kamailio.bindings("toto")}
        assert after[2] == before[2]
        assert after[1] != before[1]
