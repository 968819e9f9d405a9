"""aiosipreg/fetch.py: asking a registrar for the bindings of an address-of-record."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from aiosipreg import (
    AuthChallenge,
    AuthInfo,
    Core,
    CoreClosedError,
    Reason,
    RegistrationRejected,
    ServerUnreachable,
)
from aiosipreg.engine.effects import Concluded
from aiosipreg.engine.outcome import Outcome
from aiosipreg.engine.replies import TROUBLES
from aiosipreg.fetch import Fetch
from aiosipreg.testing import Faults
from tests.accounts import AOR, NONE, OK, TOTO, account, registered

if TYPE_CHECKING:
    from aiosipreg.testing import Registrar

pytestmark = pytest.mark.virtual_clock(delay=0.01)


async def test_REG_21_the_list_is_read_and_nothing_changes(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar) as one, registered(sip_registrar) as other:
        before = sip_registrar.bindings[AOR], other.refresh_at, other.last_event
        await asyncio.sleep(10)
        found = await other.fetch_bindings(timeout=5)
        assert {binding.contact.uri for binding in found} == {
            proxy.contact.uri for proxy in (one, other) if proxy.contact is not None
        }
        assert before == (sip_registrar.bindings[AOR], other.refresh_at, other.last_event)
        request = sip_registrar.requests[-1].request
        assert request.contacts == ()
        assert request.expires is None
        # Beside the running registration it has a Call-ID of its own.
        assert request.call_id != sip_registrar.requests[0].request.call_id


async def test_an_account_need_not_be_registered(sip_registrar: Registrar) -> None:
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(account(sip_registrar, register=False))
        assert await proxy.fetch_bindings(timeout=5) == ()
        assert proxy.state is NONE
        assert proxy.last_event is None


async def test_the_provider_is_asked_on_behalf_of_the_account(sip_registrar: Registrar) -> None:
    asked = []

    async def provider(challenge: AuthChallenge) -> AuthInfo | None:
        asked.append(challenge.proxy_config)
        return TOTO

    async with Core(auth=provider) as core:
        proxy = core.add_proxy_config(account(sip_registrar, register=False))
        assert await proxy.fetch_bindings(timeout=5) == ()
        assert asked == [proxy]


async def test_several_at_once(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar) as proxy:
        found = await asyncio.gather(*(proxy.fetch_bindings() for _ in range(5)))
        assert [len(bindings) for bindings in found] == [1] * 5
        assert proxy.state is OK


async def test_a_refusal_is_raised(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar) as proxy:
        sip_registrar.answer_next(403)
        with pytest.raises(RegistrationRejected, match="403 Forbidden"):
            await proxy.fetch_bindings()
        assert proxy.state is OK


async def test_no_answer_is_raised(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar, settings={"expires": 86_400}) as proxy:
        sip_registrar.faults = Faults(silence=True)
        with pytest.raises(ServerUnreachable, match="no server answered") as caught:
            await proxy.fetch_bindings()
        assert caught.value.tried == {f"udp:127.0.0.1:{sip_registrar.port}": "no answer"}
        assert caught.value.event is not None
        assert (caught.value.event.state, caught.value.event.reason) == (OK, Reason.NO_RESPONSE)
        assert asyncio.get_running_loop().time() == pytest.approx(32, abs=0.5)
        sip_registrar.faults = Faults()


async def test_the_wait_may_end_earlier(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar) as proxy:
        sip_registrar.faults = Faults(silence=True)
        with pytest.raises(TimeoutError):
            await proxy.fetch_bindings(timeout=1)
        asking = asyncio.create_task(proxy.fetch_bindings())
        await asyncio.sleep(1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        sip_registrar.faults = Faults()
        before = len(sip_registrar.requests)
        await asyncio.sleep(100)
        assert len(sip_registrar.requests) == before


async def test_the_end_of_the_account_ends_it(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar) as proxy:
        sip_registrar.faults = Faults(delay=3)
        asking = asyncio.create_task(proxy.fetch_bindings())
        await asyncio.sleep(0.1)
        assert isinstance(proxy.core, Core)
        proxy.core.events()
    with pytest.raises(CoreClosedError, match="was removed while it was asked"):
        await asking


async def test_what_comes_after_the_end_changes_nothing(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar) as proxy:
        machine = proxy._core._start_registration(proxy.params)
        fetch = Fetch(proxy._flows, machine.session, proxy._host)
        concluded = await fetch.run(timeout=5)
        assert concluded.bindings is not None
        fetch.report(fetch._runner.machine, Concluded(Outcome(TROUBLES["INTERNAL"])), 0.0)
        fetch.end()
        assert await fetch._result is concluded
