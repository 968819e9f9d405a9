"""OVL-8 on the whole core: attempts toward a target begin at the pace that was set, whether or not it answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from aiosipreg import AuthInfo, Core, Pacing, ProxyParams, RegistrationState
from aiosipreg.testing import Faults, Registrar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiosipreg.wire import Request, Response

COUNT = 300
ANYBODY = AuthInfo("nobody", password="none")


def accounts(core: Core, registrar: Registrar, count: int = COUNT) -> None:
    for number in range(count):
        core.add_proxy_config(ProxyParams(f"sip:user{number}@sip.titi.com", server=registrar.uri))


@pytest.mark.virtual_clock(delay=0.02)
async def test_OVL_8_attempts_begin_fifty_a_second() -> None:
    async with Registrar(users=None) as registrar, Core(auth=ANYBODY) as core:
        accounts(core, registrar)
        await asyncio.sleep(10)
        starts = [packet.at for packet in registrar.requests]
        assert len(starts) == COUNT
        assert all(later - earlier >= 0.999 for earlier, later in zip(starts, starts[51:], strict=False))
        assert starts[-1] - starts[0] == pytest.approx((COUNT - 1) / 50, abs=0.1)
        assert {proxy.state for proxy in core.proxy_configs} == {RegistrationState.OK}


@pytest.mark.virtual_clock(delay=0.02)
async def test_OVL_8_a_silent_target_is_asked_by_no_more_than_may_be_in_flight() -> None:
    pacing = Pacing(rate=100, in_flight=20)
    async with Registrar(users=None) as registrar, Core(pacing=pacing, shutdown_timeout=1) as core:
        registrar.answer_next(None, times=100_000)
        accounts(core, registrar)
        await asyncio.sleep(30)
        assert len({packet.request.call_id for packet in registrar.requests}) == 20
        # Those who waited for their turn need not find out by themselves (OVL-7).
        await asyncio.sleep(10)
        assert len({packet.request.call_id for packet in registrar.requests}) <= 22
        assert {proxy.state for proxy in core.proxy_configs} == {RegistrationState.FAILED}


@pytest.mark.virtual_clock(delay=0.02)
async def test_OVL_8_without_a_pace_no_more_begin_than_buffers_have_room_for() -> None:
    async with Registrar(users=None) as registrar, Core(pacing=None, auth=ANYBODY, shutdown_timeout=30) as core:
        accounts(core, registrar, 1000)
        await asyncio.sleep(1)
        assert core.stats.sent == 1000
        assert {proxy.state for proxy in core.proxy_configs} == {RegistrationState.OK}
        assert at_once(registrar) <= 328
        # All of them at once, as after a change of the network.
        await core.refresh_registers()
        await asyncio.sleep(1)
        assert core.stats.sent == 2000
        assert 200 <= at_once(registrar) <= 328
        assert core.stats.retransmitted == 0


@pytest.mark.virtual_clock(delay=0.02)
async def test_OVL_8_without_a_pace_one_that_is_silent_does_not_hold_up_another() -> None:
    async with Registrar(users=None) as silent, Registrar(users=None) as other:
        silent.faults = Faults(silence=True)
        async with Core(pacing=None, auth=ANYBODY, shutdown_timeout=1) as core:
            accounts(core, silent, 500)
            accounts(core, other, 500)
            await asyncio.sleep(1)
            assert len(other.bindings) == 500


@pytest.mark.virtual_clock(delay=0.02)
async def test_OVL_8_who_gave_up_while_waiting_takes_no_turn() -> None:
    async with Registrar(users=None) as registrar, Core(pacing=Pacing(rate=1), auth=ANYBODY) as core:
        accounts(core, registrar, 40)
        await asyncio.sleep(0.5)
        waiting = [proxy for proxy in core.proxy_configs if proxy.state is RegistrationState.PROGRESS]
        leaving, staying = waiting[:-5], waiting[-5:]
        await asyncio.gather(*(proxy.unregister() for proxy in leaving))
        assert {proxy.state for proxy in leaving} == {RegistrationState.CLEARED}
        await asyncio.sleep(6)
        assert {proxy.state for proxy in staying} == {RegistrationState.OK}


def per_minute(times: Sequence[float], begins: float, ends: float) -> list[int]:
    """How many REGISTERs came in each minute."""
    counts = Counter(int((at - begins) // 60) for at in times if begins <= at < ends)
    return [counts[minute] for minute in range(int((ends - begins) // 60))]


@pytest.mark.virtual_clock(delay=0.02)
async def test_OVL_8_refreshes_come_evenly_after_a_start_and_after_an_outage() -> None:
    times: list[float] = []

    def count(_request: Request, response: Response) -> Response:
        times.append(asyncio.get_running_loop().time())
        return response

    minutes = 60.0
    expected = 200 / (600 * 0.9 * 0.95) * 60  # each once in 513 s on average
    registrar = Registrar(users=None, hook=count, max_expires=600)
    async with registrar, Core(pacing=Pacing(rate=10), auth=ANYBODY) as core:
        accounts(core, registrar, 200)
        await asyncio.sleep(60 * minutes)
        # Without spreading all 200 come within a minute or two, every nine minutes.
        start, *hour = per_minute(times, 0, 60 * minutes)
        assert start >= 200
        assert max(hour) < 3 * expected
        assert min(hour[1:]) > 0
        registrar.faults = Faults(silence=True)
        await asyncio.sleep(30 * minutes)
        # All but the one that asks for all of them whether it is there again.
        assert [proxy.state for proxy in core.proxy_configs].count(RegistrationState.FAILED) >= 199
        registrar.faults = Faults()
        for proxy in core.proxy_configs:
            await proxy.registered(timeout=40 * minutes)
        again_at = asyncio.get_running_loop().time()
        recovery = [at for at in times if at > 90 * minutes]
        assert len(recovery) <= 210
        # Nobody makes haste: 10 a second, and the probe that found out with its repeats.
        assert all(later - earlier >= 0.999 for earlier, later in zip(recovery, recovery[14:], strict=False))
        await asyncio.sleep(40 * minutes)
        assert max(per_minute(times, again_at, again_at + 40 * minutes)) < 3 * expected


@pytest.mark.virtual_clock(delay=0.02)
async def test_OVL_8_no_binding_is_lost_while_others_are_still_to_begin() -> None:
    registrar = Registrar(users=None, max_expires=90)
    async with registrar, Core(pacing=Pacing(rate=5), auth=ANYBODY) as core:
        events = core.events(buffer=100_000)
        # More than the pace has room for: most of these cannot be registered at all.
        accounts(core, registrar, 1500)
        await asyncio.sleep(400)
        assert len(registrar.bindings) > 150
        registered = (RegistrationState.OK, RegistrationState.REFRESHING)
        ended_at = asyncio.get_running_loop().time()
    told = [event async for event in events if event.at < ended_at]
    assert [event.message for event in told if event.old in registered and event.state not in registered] == []


def at_once(registrar: Registrar) -> int:
    """The most REGISTERs that came at the same time; the answers to all of them are then on their way."""
    return max(Counter(packet.at for packet in registrar.requests).values())
