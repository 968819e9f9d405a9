"""TCP and TLS against Debian's Kamailio; what the package believes is compared with what Kamailio holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import (
    AuthInfo,
    Core,
    ProxyConfig,
    ProxyParams,
    Reason,
    RegistrationState,
    TlsParams,
    TransportParams,
    WebSocketParams,
)
from benchmarks.crowd import crowd
from tests.certificates import authority
from tests.peers.kamailio import Options

if TYPE_CHECKING:
    from tests.peers.kamailio import Kamailio

OK, REFRESHING, CLEARED, FAILED = (
    RegistrationState.OK, RegistrationState.REFRESHING, RegistrationState.CLEARED, RegistrationState.FAILED
)  # fmt: skip
TOTO = AuthInfo("toto", password="secret")
TRUSTING = TlsParams(ca_data=authority().pem)
PATH = TransportParams(websockets=(WebSocketParams(server="127.0.0.1", path="/ws"),))

both = pytest.mark.parametrize("transport", ["tcp", "tls"])
secured = pytest.mark.parametrize("kamailio", [Options(tls=True)], indirect=True)


def account(kamailio: Kamailio, transport: str, user: str = "toto", **settings: Any) -> ProxyParams:
    return ProxyParams(f"sip:{user}@sip.titi.com", server=kamailio.uri_by(transport), **settings)


async def agrees(kamailio: Kamailio, proxy: ProxyConfig, transport: str) -> bool:
    """Whether Kamailio holds exactly the binding that the account believes in, and got it by this transport."""
    stored = await kamailio.bindings("toto")
    binding = proxy.binding
    if binding is None or len(stored) != 1:
        return False
    remaining = binding.expires_at - asyncio.get_running_loop().time()
    came_in = (stored[0].socket or "").partition(":")[0]
    same = stored[0].contact == str(binding.contact.uri) and abs(stored[0].expires - remaining) <= 2
    return same and came_in == transport


@both
@secured
async def test_TRA_1_the_whole_life_of_an_account(kamailio: Kamailio, transport: str) -> None:
    async with Core(auth=TOTO, tls=TRUSTING) as core, asyncio.timeout(20):
        proxy = core.add_proxy_config(account(kamailio, transport))
        binding = await proxy.registered()
        assert core.stats.sent == 2, "the first one was challenged"
        assert str(binding.contact.uri).startswith("sips:" if transport == "tls" else "sip:")
        assert await agrees(kamailio, proxy, transport)
        await proxy.refresh()
        assert await agrees(kamailio, proxy, transport)
        assert core.stats.sent == 3, "the kept nonce saves the round trip"
        events = proxy.events()
        with proxy.edit() as draft:
            draft.expires = 300
        while proxy.state is not OK or proxy.binding is None or proxy.binding.expires != 300:
            await anext(events)
        await events.aclose()
        assert await agrees(kamailio, proxy, transport)
        assert len(await proxy.fetch_bindings()) == 1
        with proxy.edit() as draft:
            draft.register = False
        await proxy.wait_for(CLEARED)
        assert await kamailio.bindings() == ()
        assert core.stats.retransmitted == 0
        assert core.stats.dropped.total() == 0


@both
@secured
async def test_REG_33_a_hundred_accounts_on_one_connection(kamailio: Kamailio, transport: str) -> None:
    outcome = await crowd(kamailio, transport, 100)
    assert (outcome.connections, outcome.sent, outcome.repeated) == (1, 400, 0)


@both
@secured
async def test_F_16_a_connection_that_the_server_closes_is_replaced(kamailio: Kamailio, transport: str) -> None:
    async with Core(auth=TOTO, tls=TRUSTING) as core, asyncio.timeout(20):
        proxy = core.add_proxy_config(account(kamailio, transport))
        first = await proxy.registered()
        (connection,) = await kamailio.connections(transport)
        await kamailio.hang_up(connection)
        event = await proxy.wait_for(REFRESHING)
        assert event.reason is Reason.IO_ERROR
        await proxy.refresh()
        assert await agrees(kamailio, proxy, transport)
        assert proxy.binding is not None
        assert proxy.binding.contact.uri != first.contact.uri


@secured
async def test_TLS_1_it_gets_nothing_from_who_does_not_trust_it(kamailio: Kamailio) -> None:
    async with Core(auth=TOTO) as core, asyncio.timeout(20):
        proxy = core.add_proxy_config(account(kamailio, "tls"))
        event = await proxy.wait_for(FAILED)
        assert (event.reason, event.retry_at) == (Reason.TLS_ERROR, None)
        assert core.stats.sent == 0
        with proxy.edit() as draft:
            draft.tls = TRUSTING
        await proxy.registered()
        assert await agrees(kamailio, proxy, "tls")


@pytest.mark.parametrize("kamailio", [Options(tls=True, websocket=True, wants_certificate=True)], indirect=True)
@pytest.mark.parametrize("transport", ["tls", "wss"])
@pytest.mark.parametrize("late", [False, True])
async def test_TLS_9_it_may_want_a_certificate(kamailio: Kamailio, transport: str, late: bool) -> None:
    ours = authority().issue(common="toto")
    async with Core(auth=TOTO, tls=TRUSTING, transports=PATH) as core, asyncio.timeout(20):
        proxy = core.add_proxy_config(account(kamailio, transport))
        event = await proxy.wait_for(FAILED)
        assert event.reason in (Reason.IO_ERROR, Reason.TLS_ERROR)
        assert await kamailio.bindings() == ()
        if late:
            core.add_auth_info(AuthInfo("toto", client_cert=ours.pem, client_key=ours.key_pem()))
        else:
            with proxy.edit() as draft:
                draft.tls = TRUSTING.replace(client_cert=ours.pem, client_key=ours.key_pem())
        await proxy.registered()
        assert await agrees(kamailio, proxy, "tls")


@pytest.mark.parametrize("kamailio", [Options()], indirect=True)
@pytest.mark.parametrize(("settings", "came_in"), [({}, "tcp"), ({"udp_only": True}, "udp")])
async def test_TRA_2_a_request_too_large_for_a_datagram(
    kamailio: Kamailio, settings: dict[str, Any], came_in: str
) -> None:
    large = (("X-Large", "x" * 1300),)
    async with Core(auth=TOTO) as core, asyncio.timeout(20):
        params = ProxyParams("sip:toto@sip.titi.com", server=kamailio.uri, headers=large, **settings)
        proxy = core.add_proxy_config(params)
        await proxy.registered()
        assert await agrees(kamailio, proxy, came_in)
        await proxy.refresh()
        assert await agrees(kamailio, proxy, came_in)
    assert await kamailio.bindings() == ()
