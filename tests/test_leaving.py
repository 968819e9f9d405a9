"""How many accounts leave a core: bounded in what is under way at once and in time, whatever the servers do."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

import pytest

from aiosipreg import AuthInfo, Core, Pacing, ProxyConfig, ProxyParams, RegistrationState
from aiosipreg.testing import Faults, Registrar

NONE, _, OK, _, CLEARED, _ = RegistrationState

COUNT = 450
AT_ONCE = 200
ANYBODY = AuthInfo("nobody", password="none")

pytestmark = pytest.mark.virtual_clock(delay=0.02)


def now() -> float:
    return asyncio.get_running_loop().time()


async def registered(core: Core, registrar: Registrar, count: int = COUNT) -> list[ProxyConfig]:
    proxies = [
        core.add_proxy_config(ProxyParams(f"sip:user{number}@sip.titi.com", server=registrar.uri))
        for number in range(count)
    ]
    for proxy in proxies:
        await proxy.registered(timeout=30)
    return proxies


def removals(registrar: Registrar) -> list[float]:
    """When the registrar was asked to remove a binding, once for each."""
    return [packet.at for packet in registrar.requests if packet.request.expires == 0 and not packet.retransmission]


async def test_REG_25_many_leave_two_hundred_at_a_time() -> None:
    async with Registrar(users=None) as registrar:
        async with Core(auth=ANYBODY, pacing=None) as core:
            await registered(core, registrar)
            began = now()
        assert now() - began < 1
        times = Counter(removals(registrar))
        assert sum(times.values()) == COUNT
        assert max(times.values()) == AT_ONCE
        assert core.stats.retransmitted == 0
        assert registrar.bindings == {}


async def test_REG_25_clearing_many_is_bounded_alike() -> None:
    async with Registrar(users=None) as registrar, Core(auth=ANYBODY, pacing=None) as core:
        proxies = await registered(core, registrar)
        await core.clear_proxy_configs()
        assert max(Counter(removals(registrar)).values()) == AT_ONCE
        assert {proxy.state for proxy in proxies} == {CLEARED}
        assert registrar.bindings == {}


async def test_REG_25_a_silent_registrar_of_many_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async with Registrar(users=None) as registrar:
        async with Core(auth=ANYBODY, pacing=None, shutdown_timeout=2) as core:
            proxies = await registered(core, registrar)
            registrar.faults = Faults(silence=True)
            began = now()
        assert now() - began == pytest.approx(2)
        assert {proxy.state for proxy in proxies} == {NONE}
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert warnings == ["250 accounts were not unregistered within 2 s; their bindings run out"]


async def test_REG_25_a_silent_registrar_does_not_hold_up_the_accounts_of_another() -> None:
    async with Registrar(users=None) as silent, Registrar(users=None) as other:
        async with Core(auth=ANYBODY, pacing=None, shutdown_timeout=2) as core:
            await registered(core, silent)
            await registered(core, other)
            silent.faults = Faults(silence=True)
        assert len(silent.bindings) == COUNT
        assert other.bindings == {}


async def test_REG_25_time_may_be_too_short_for_all_but_not_for_none() -> None:
    async with Registrar(users=None) as registrar, Core(auth=ANYBODY, pacing=None) as core:
        await registered(core, registrar)
        began = now()
        await core.stop(timeout=0)
        assert now() == began
        await asyncio.sleep(1)
        # Nobody waited for the answers.
        assert len(removals(registrar)) == AT_ONCE


async def test_REG_25_OVL_8_who_waits_for_his_turn_leaves_without_a_word() -> None:
    async with Registrar(users=None) as registrar:
        async with Core(auth=ANYBODY, pacing=Pacing(rate=1, in_flight=200)) as core:
            for number in range(COUNT):
                core.add_proxy_config(ProxyParams(f"sip:user{number}@sip.titi.com", server=registrar.uri))
            await asyncio.sleep(9.9)
            bound = len(registrar.bindings)
            assert 9 <= bound <= 11
            began = now()
        assert now() - began < 0.1
        assert len(registrar.requests) == 2 * bound


async def test_REG_25_some_may_be_removed_by_others_meanwhile() -> None:
    async with Registrar(users=None) as registrar, Core(auth=ANYBODY, pacing=None) as core:
        proxies = await registered(core, registrar, AT_ONCE + 10)
        await asyncio.gather(core.clear_proxy_configs(), *map(core.remove_proxy_config, proxies[-5:]))
        assert core.proxy_configs == ()
        assert registrar.bindings == {}
