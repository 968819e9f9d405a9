"""Functions of liblinphone that its own suites do not try for themselves: pausing, waking up, refreshing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from aiosipreg import Core, Reason
from aiosipreg.testing import Faults, Registrar
from tests.accounts import AOR, FAILED, OK, REFRESHING, TOTO, account, methods, registered, told
from tests.parity.scene import now, packets

if TYPE_CHECKING:
    from aiosipreg import ProxyConfig

pytestmark = pytest.mark.virtual_clock(delay=0.01)


class TestPauseRegister:
    async def test_no_refresh_is_sent_and_the_state_stays_as_it_was(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, settings={"expires": 600}) as proxy:
            events = proxy.events()
            proxy.pause()
            assert (proxy.state, proxy.refresh_at) == (OK, None)
            await asyncio.sleep(590)
            assert methods(sip_registrar) == [600, 600]
            proxy.resume()
            await proxy.wait_for(OK, timeout=5)
            await asyncio.sleep(60)
            assert methods(sip_registrar) == [600] * 3
            assert len(sip_registrar.bindings[AOR]) == 1
        assert await told(events) == ["Ok", "Refreshing", "Ok", "Progress", "Cleared"]

    async def test_the_end_of_the_binding_is_told_all_the_same(self, sip_registrar: Registrar) -> None:
        """liblinphone says Ok for ever."""
        async with registered(sip_registrar, settings={"expires": 600}) as proxy:
            proxy.pause()
            event = await proxy.wait_for(FAILED, timeout=601)
            assert (event.reason, event.retry_at) == (Reason.EXPIRED, None)
            await asyncio.sleep(86_400)
            assert methods(sip_registrar) == [600, 600]
            proxy.resume()
            await proxy.registered(timeout=5)

    async def test_what_is_asked_for_is_done(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, settings={"expires": 600}) as proxy:
            proxy.pause()
            await proxy.refresh(timeout=5)
            await proxy.unregister(timeout=5)
            await proxy.register(timeout=5)
            assert methods(sip_registrar) == [600, 600, 600, 0, 600]
            await asyncio.sleep(590)
            assert len(packets(sip_registrar)) == 5

    async def test_an_account_that_is_paused_leaves_in_order(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            proxy.pause()
        assert sip_registrar.bindings == {}


class TestWake:
    """liblinphone's foreground and push: bindings are renewed, and those that failed try again."""

    async def test_a_binding_is_renewed_at_once(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            proxy.wake()
            assert proxy.state is REFRESHING
            await proxy.wait_for(OK, timeout=5)
            assert methods(sip_registrar) == [3600] * 3

    async def test_an_account_that_waits_tries_at_once_and_not_again_and_again(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            proxy = await self.failed(core, sip_registrar, 503)
            assert proxy.retry_at is not None
            sip_registrar.faults = Faults(silence=True)
            before = core.stats.sent
            for _ in range(20):
                proxy.wake()
                await asyncio.sleep(1)
            assert core.stats.sent - core.stats.retransmitted == before + 1
            sip_registrar.faults = Faults()
            began = now()
            await proxy.registered(timeout=20)
            assert now() - began < 5

    async def test_one_that_was_refused_is_not_tried_again(self, sip_registrar: Registrar) -> None:
        """liblinphone refreshes whatever has failed, a wrong password too."""
        async with Core(auth=TOTO) as core:
            proxy = await self.failed(core, sip_registrar, 403)
            proxy.wake()
            await asyncio.sleep(60)
            assert (proxy.state, len(packets(sip_registrar))) == (FAILED, 1)

    async def failed(self, core: Core, registrar: Registrar, status: int) -> ProxyConfig:
        registrar.answer_next(status)
        proxy = core.add_proxy_config(account(registrar))
        await proxy.wait_for(FAILED, timeout=5)
        return proxy


class TestRefreshRegister:
    @pytest.mark.parametrize("calls", [1, 5])
    async def test_calls_while_one_is_under_way_are_one_more(self, sip_registrar: Registrar, calls: int) -> None:
        async with registered(sip_registrar) as proxy:
            sip_registrar.faults = Faults(delay=0.2)
            async with asyncio.TaskGroup() as group:
                for _ in range(calls):
                    group.create_task(proxy.refresh(timeout=5))
            await asyncio.sleep(5)
            assert len(packets(sip_registrar)) == (3 if calls == 1 else 4)
