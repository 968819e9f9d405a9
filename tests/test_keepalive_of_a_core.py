"""Keep-alives of a whole core at the registrar of the tests: RFC 5626 4.4, RFC 6223."""

from __future__ import annotations

import asyncio
import dataclasses
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import ConfigError, Core, KeepAlive, ProxyParams, Reason
from aiosipreg.testing import Faults, Registrar
from tests.accounts import AOR, CLEARED, OK, REFRESHING, TOTO

if TYPE_CHECKING:
    from aiosipreg import ProxyConfig

pytestmark = pytest.mark.virtual_clock(delay=0.01)

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
PING = b"\r\n\r\n"


def account(registrar: Registrar, identity: str = AOR, **settings: Any) -> ProxyParams:
    return ProxyParams(identity, server=registrar.uri, **settings)


def outbound(registrar: Registrar, **settings: Any) -> ProxyParams:
    return account(registrar, instance_id=INSTANCE, outbound=True, **settings)


def pings(registrar: Registrar) -> set[bytes]:
    return {packet.data for packet in registrar.pings}


def intervals(registrar: Registrar) -> list[float]:
    times = [packet.at for packet in registrar.pings]
    return [later - earlier for earlier, later in pairwise(times)]


def requests(registrar: Registrar) -> int:
    return len([packet for packet in registrar.requests if not packet.retransmission])


async def test_KA_1_8_a_plain_registrar_over_tcp_is_pinged_blindly_and_may_ignore_it() -> None:
    async with Registrar(transports=("tcp",), pongs=False) as registrar, Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(account(registrar))
        assert pings(registrar) == set()
        await proxy.registered(timeout=5)
        assert pings(registrar) == set()
        await asyncio.sleep(2800)
        assert pings(registrar) == {PING}
        assert all(96 <= interval <= 120 for interval in intervals(registrar))
        assert proxy.state is OK
        assert requests(registrar) == 2
        assert len(registrar.connections) == 1


@pytest.mark.parametrize("settings", [{"blind": False}, {"nat_refresh": 15.0, "blind": False}])
async def test_KA_8_or_not_at_all(settings: dict[str, Any]) -> None:
    async with (
        Registrar(transports=("tcp",)) as registrar,
        Core(auth=TOTO, keepalive=KeepAlive(**settings)) as core,
    ):
        await core.add_proxy_config(account(registrar)).registered(timeout=5)
        await asyncio.sleep(3000)
        assert len(registrar.pings) == 0


async def test_KA_7_9_over_udp_nothing_is_sent_unasked(sip_registrar: Registrar) -> None:
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(account(sip_registrar, instance_id=INSTANCE))
        await proxy.registered(timeout=5)
        await asyncio.sleep(3000)
        assert (sip_registrar.pings, sip_registrar.ignored) == ((), 0)


async def test_KA_7_a_nat_refresh_is_an_option_of_its_own(sip_registrar: Registrar) -> None:
    async with Core(auth=TOTO, keepalive=KeepAlive(nat_refresh=15.0)) as core:
        proxy = core.add_proxy_config(account(sip_registrar))
        await proxy.registered(timeout=5)
        before = requests(sip_registrar)
        await asyncio.sleep(1500)
        assert sip_registrar.pings == ()
        assert requests(sip_registrar) == before
        assert proxy.state is OK


async def test_KA_2_4_stun_with_outbound_over_udp() -> None:
    async with Registrar(flow_timer=120) as registrar, Core(auth=TOTO) as core:
        await core.add_proxy_config(outbound(registrar)).registered(timeout=5)
        await asyncio.sleep(3000)
        assert len(registrar.pings) >= 25
        assert all(96 - 0.1 <= interval <= 120.1 for interval in intervals(registrar))
    async with Registrar() as registrar, Core(auth=TOTO) as core:
        await core.add_proxy_config(outbound(registrar)).registered(timeout=5)
        await asyncio.sleep(1000)
        assert all(24 - 0.1 <= interval <= 29.1 for interval in intervals(registrar))


@pytest.mark.parametrize(("path", "pinged"), [("<sip:e.titi.com;lr;ob>", True), ("<sip:e.titi.com;lr>", False)])
async def test_KA_9_an_edge_proxy_says_so_in_the_path(path: str, pinged: bool) -> None:
    async with Registrar(headers=[("Path", path)]) as registrar, Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(outbound(registrar))
        await proxy.registered(timeout=5)
        await asyncio.sleep(100)
        assert bool(registrar.pings) is pinged
        assert [str(entry) for entry in proxy.path] == [path]


async def test_KA_9_an_option_that_says_stun() -> None:
    async with Registrar(outbound=False) as registrar, Core(auth=TOTO, keepalive=KeepAlive(stun=True)) as core:
        proxy = core.add_proxy_config(account(registrar))
        await proxy.registered(timeout=5)
        await asyncio.sleep(100)
        assert len(registrar.pings) >= 3
        registrar.pongs = False
        event = await proxy.wait_for(REFRESHING, timeout=100)
        assert event.reason is Reason.IO_ERROR
        assert "no answer to STUN" in event.message


async def test_KA_10_lost_keep_alives_are_repeated() -> None:
    async with Registrar(flow_timer=30) as registrar, Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(outbound(registrar))
        await proxy.registered(timeout=5)
        registrar.faults = Faults(loss=0.3)
        await asyncio.sleep(3600)
        assert len({packet.data for packet in registrar.pings}) < len(registrar.pings)
        assert proxy.state is OK
        assert requests(registrar) <= 4  # The refresh may have met the loss.


async def test_KA_11_SEC_29_a_nat_that_moves_us_is_registered_anew_and_not_in_a_storm() -> None:
    async with Registrar(flow_timer=10) as registrar, Core(auth=TOTO) as core:
        registrar.mapped = ("203.0.113.9", 1)
        proxy = core.add_proxy_config(outbound(registrar))
        await proxy.registered(timeout=5)
        await asyncio.sleep(60)
        before = requests(registrar)
        registrar.mapped = ("203.0.113.9", 2)
        event = await proxy.wait_for(REFRESHING, timeout=20)
        assert "the NAT gave us another address" in event.message
        await proxy.wait_for(OK, timeout=5)
        assert requests(registrar) == before + 1
        # One that answers something else each time is not followed each time.
        begun = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < begun + 1800:
            registrar.mapped = ("203.0.113.9", registrar.mapped[1] + 1)
            await asyncio.sleep(9)
        assert requests(registrar) - before <= 1800 / 30


@pytest.mark.parametrize(("keep", "bounds"), [(30, (24, 30)), (0, (96, 120))])
async def test_KA_12_keep_without_outbound(keep: int, bounds: tuple[int, int]) -> None:
    async with (
        Registrar(transports=("tcp",), outbound=False, keep=keep) as registrar,
        Core(auth=TOTO, keepalive=KeepAlive(keep=True)) as core,
    ):
        proxy = core.add_proxy_config(account(registrar))
        await proxy.registered(timeout=5)
        await asyncio.sleep(1000)
        assert all(bounds[0] <= interval <= bounds[1] for interval in intervals(registrar))
        registrar.pongs = False
        await proxy.wait_for(REFRESHING, timeout=131)


async def test_KA_13_a_refresh_that_agrees_to_nothing_ends_it() -> None:
    settings = KeepAlive(keep=True, blind=False)
    async with (
        Registrar(transports=("tcp",), outbound=False, keep=30) as registrar,
        Core(auth=TOTO, keepalive=settings) as core,
    ):
        proxy = core.add_proxy_config(account(registrar))
        await proxy.registered(timeout=5)
        await asyncio.sleep(40)
        assert registrar.pings
        registrar.keep = None
        await proxy.refresh(timeout=5)
        via = registrar.requests[-1].request.via
        assert via is not None
        assert "keep" in via.params
        before = len(registrar.pings)
        registrar.pongs = False
        await asyncio.sleep(1000)
        assert len(registrar.pings) == before
        assert proxy.state is OK


async def test_N5_unregistering_ends_it() -> None:
    async with Registrar(transports=("tcp",), flow_timer=10) as registrar, Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(outbound(registrar))
        await proxy.registered(timeout=5)
        await asyncio.sleep(60)
        await proxy.unregister(timeout=5)
        assert proxy.state is CLEARED
        before = len(registrar.pings)
        await asyncio.sleep(60)
        assert len(registrar.pings) == before


async def test_REG_33_accounts_that_share_a_connection_share_its_pings() -> None:
    users = {f"user{number}": "secret" for number in range(20)}
    infos = [dataclasses.replace(TOTO, username=name) for name in users]
    async with Registrar(users, transports=("tcp",), flow_timer=60) as registrar, Core(auth=infos) as core:
        proxies: list[ProxyConfig] = [
            core.add_proxy_config(outbound(registrar, identity=f"sip:{name}@sip.titi.com")) for name in users
        ]
        for proxy in proxies:
            await proxy.registered(timeout=10)
        await asyncio.sleep(600)
        assert len(registrar.connections) == 1
        assert 10 <= len(registrar.pings) <= 13
        registrar.pongs = False
        await asyncio.sleep(60 + 10)
        assert {proxy.state for proxy in proxies} <= {REFRESHING, OK}
        registrar.pongs = True
        for proxy in proxies:
            await proxy.wait_for(OK, timeout=10)
        assert requests(registrar) == 3 * len(users)


@pytest.mark.parametrize("value", [0, 7201])
def test_a_keep_alive_that_cannot_work(value: float) -> None:
    with pytest.raises(ConfigError, match="interval"):
        KeepAlive(interval=value)
