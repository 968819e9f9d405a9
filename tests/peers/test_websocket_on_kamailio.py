"""WebSocket against Debian's Kamailio; what the package believes is compared with what Kamailio holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from aiosipreg import (
    AuthInfo,
    Core,
    Pacing,
    Reason,
    RegistrationState,
)
from tests.peers.kamailio import Options
from tests.peers.test_streams_on_kamailio import PATH, TOTO, TRUSTING, account, agrees

if TYPE_CHECKING:
    from tests.peers.kamailio import Kamailio

OK, REFRESHING, CLEARED, FAILED = (
    RegistrationState.OK, RegistrationState.REFRESHING, RegistrationState.CLEARED, RegistrationState.FAILED
)  # fmt: skip
SOCKETS = {"ws": "tcp", "wss": "tls"}  # what Kamailio takes a WebSocket for

pytestmark = [
    pytest.mark.parametrize("transport", ["ws", "wss"]),
    pytest.mark.parametrize("kamailio", [Options(tls=True, websocket=True)], indirect=True),
]


async def websockets(kamailio: Kamailio) -> int:
    return len((await kamailio.rpc("ws.dump"))["connections"])


async def test_WS_1_WS_4_the_whole_life_of_an_account(kamailio: Kamailio, transport: str) -> None:
    async with Core(auth=TOTO, tls=TRUSTING, transports=PATH) as core, asyncio.timeout(20):
        proxy = core.add_proxy_config(account(kamailio, transport))
        await proxy.registered()
        assert core.stats.sent == 2, "the first one was challenged"
        assert await agrees(kamailio, proxy, SOCKETS[transport])
        await proxy.refresh()
        assert await agrees(kamailio, proxy, SOCKETS[transport])
        assert core.stats.sent == 3, "the kept nonce saves the round trip"
        events = proxy.events()
        with proxy.edit() as draft:
            draft.expires = 300
        while proxy.state is not OK or proxy.binding is None or proxy.binding.expires != 300:
            await anext(events)
        await events.aclose()
        assert await agrees(kamailio, proxy, SOCKETS[transport])
        assert len(await proxy.fetch_bindings()) == 1
        with proxy.edit() as draft:
            draft.register = False
        await proxy.wait_for(CLEARED)
        assert await kamailio.bindings() == ()
        assert core.stats.retransmitted == 0
        assert core.stats.dropped.total() == 0


async def test_REG_33_some_dozens_of_accounts_on_one_websocket(kamailio: Kamailio, transport: str) -> None:
    users = [(f"user{number:04}", f"secret{number:04}") for number in range(60)]
    async with Core(pacing=Pacing(rate=2000, in_flight=100), tls=TRUSTING, transports=PATH) as core:
        proxies = [
            core.add_proxy_config(account(kamailio, transport, user, auth=AuthInfo(user, password=password)))
            for user, password in users
        ]
        async with asyncio.timeout(20):
            for proxy in proxies:
                await proxy.registered()
        stored = await kamailio.bindings()
        assert {binding.user for binding in stored} == {user for user, _ in users}
        assert await websockets(kamailio) == 1
    assert {proxy.state for proxy in proxies} == {CLEARED}
    assert await kamailio.bindings() == ()


async def test_F_16_a_websocket_that_the_server_closes_is_replaced(kamailio: Kamailio, transport: str) -> None:
    async with Core(auth=TOTO, tls=TRUSTING, transports=PATH) as core, asyncio.timeout(20):
        proxy = core.add_proxy_config(account(kamailio, transport))
        first = await proxy.registered()
        (line,) = (await kamailio.rpc("ws.dump"))["connections"]
        await kamailio.rpc("ws.close", int(line.partition(":")[0]))
        event = await proxy.wait_for(REFRESHING)
        assert event.reason is Reason.IO_ERROR
        await proxy.refresh()
        assert await agrees(kamailio, proxy, SOCKETS[transport])
        assert proxy.binding is not None
        assert proxy.binding.contact.uri == first.contact.uri


async def test_WS_1_the_wrong_path_is_a_failure(kamailio: Kamailio, transport: str) -> None:
    async with Core(auth=TOTO, tls=TRUSTING) as core, asyncio.timeout(20):
        event = await core.add_proxy_config(account(kamailio, transport)).wait_for(FAILED)
        assert "404 Not Found; WebSocketParams.path decides on that" in event.message
