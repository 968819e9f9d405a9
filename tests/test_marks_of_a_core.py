"""DNS-16, DNS-17 and OVL-7 on the whole core: what one account learns about a server spares the others the trouble."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import (
    AuthInfo,
    Core,
    ProxyParams,
    Reason,
    RegistrationState,
    RegistrationTimeout,
    RetryPolicy,
    ServerUnreachable,
)
from aiosipreg.engine.targets import Located, Target, Transport
from aiosipreg.net.resolver import Resolver
from aiosipreg.testing import Faults, Registrar
from tests.accounts import FAILED, NONE, OK, PROGRESS, REFRESHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiosipreg import ProxyConfig, RegistrationEvent
    from aiosipreg.wire import SipUri

HOUR = 3600.0
COPIES = 11  # of one request until Timer F
ANYBODY = AuthInfo("anybody", password="none")

pytestmark = pytest.mark.virtual_clock(delay=0.02)


def now() -> float:
    return asyncio.get_running_loop().time()


def add(core: Core, server: str, *, first: int = 0, count: int = 1, expires: int = 600) -> list[ProxyConfig]:
    return [
        core.add_proxy_config(ProxyParams(f"sip:user{number}@sip.titi.com", server=server, expires=expires))
        for number in range(first, first + count)
    ]


def states(accounts: list[ProxyConfig]) -> set[RegistrationState]:
    return {account.state for account in accounts}


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> list[Registrar]:
    """The registrars that ``sip.titi.com`` leads to, in the order of the SRV records."""
    registrars: list[Registrar] = []

    async def locate(_: Resolver, uri: SipUri, transports: Sequence[Transport]) -> Located:
        targets = (Target(to.host, to.port, Transport.UDP, uri.host) for to in registrars)
        return Located(tuple(targets), 60.0)

    monkeypatch.setattr(Resolver, "locate", locate)
    return registrars


async def test_OVL_7_a_thousand_accounts_send_one_probe_an_interval_to_a_dead_server() -> None:
    async with Registrar(users=None, history=10) as registrar, Core(auth=ANYBODY, shutdown_timeout=1) as core:
        registrar.faults = Faults(silence=True)
        accounts = add(core, registrar.uri, count=1000)
        await asyncio.sleep(60)
        # As many as may be under way at once (OVL-8) found out by themselves, and the others were told.
        assert core.stats.sent <= 202 * COPIES
        assert states(accounts) == {FAILED}
        before = core.stats.sent
        await asyncio.sleep(HOUR)
        # 30 s doubled up to 30 minutes, half to all of that, and 32 s for each probe: 5 to 7 of them, and not 6000.
        probes = math.ceil((core.stats.sent - before) / COPIES)
        assert 4 <= probes <= 8
        # Nobody is stuck: each has a next attempt of its own, or is making the one for all.
        assert sum(account.state is PROGRESS for account in accounts) <= 1
        for account in accounts:
            event = account.last_event
            assert event is not None
            assert account.state is PROGRESS or now() < (account.retry_at or 0.0) <= now() + 1800 + 34
            if account.state is FAILED:
                assert (event.reason, event.target) == (Reason.NO_RESPONSE, f"udp:127.0.0.1:{registrar.port}")


async def test_OVL_7_OVL_8_when_it_answers_all_come_at_the_pace_that_was_set() -> None:
    async with Registrar(users=None) as registrar, Core(auth=ANYBODY, shutdown_timeout=1) as core:
        registrar.faults = Faults(silence=True)
        accounts = add(core, registrar.uri, count=300)
        await asyncio.sleep(1000)
        registrar.faults = Faults()
        async for event in core.events():
            if event.state is OK:
                break
        await asyncio.sleep(300 / 50 + 3)
        assert states(accounts) == {OK}
        seconds = Counter(int(packet.at) for packet in registrar.requests)
        assert sum(seconds.values()) >= 300
        assert max(seconds.values()) <= 51


async def test_OVL_7_a_binding_that_lives_is_kept_while_it_waits_for_the_probe_of_another() -> None:
    retry = RetryPolicy(base=600.0, max=1200.0, jitter=(1.0, 1.0))
    async with Registrar(users=None) as registrar, Core(auth=ANYBODY, retry=retry, shutdown_timeout=1) as core:
        (early,) = add(core, registrar.uri)
        await early.registered(timeout=10)
        registrar.faults = Faults(silence=True)
        add(core, registrar.uri, first=1, count=2)
        await early.wait_for(REFRESHING)
        await asyncio.sleep(1)
        event = early.last_event
        assert event is not None
        assert (event.state, event.reason, event.expires_at) == (REFRESHING, Reason.NO_RESPONSE, early.expires_at)
        assert "silent to others too, and one attempt is made for all); next attempt in " in event.message
        assert core.stats.sent == 1 + 2 * COPIES
        retry_at = early.retry_at
        await asyncio.sleep(200)
        assert (early.state, early.retry_at) == (FAILED, retry_at)
        registrar.faults = Faults()
        assert retry_at is not None
        await asyncio.sleep(retry_at - now() + 3)
        assert states([*core.proxy_configs]) == {OK}


async def test_OVL_7_an_explicit_call_asks_at_most_once_a_second_for_each_target() -> None:
    async with Registrar(users=None) as registrar, Core(auth=ANYBODY, shutdown_timeout=1) as core:
        registrar.faults = Faults(silence=True)
        accounts = add(core, registrar.uri, count=20)
        await asyncio.sleep(35)
        assert states(accounts) == {FAILED}
        sent = core.stats.sent
        outcomes = await asyncio.gather(
            *(account.register(timeout=0.4) for account in accounts), return_exceptions=True
        )
        kinds = Counter(type(outcome) for outcome in outcomes)
        assert kinds == {ServerUnreachable: 19, RegistrationTimeout: 1}
        assert core.stats.sent == sent + 1
        registrar.faults = Faults()
        await asyncio.sleep(4)
        # The copies of that one request got through, and it woke the others.
        assert states(accounts) == {OK}


async def test_OVL_7_a_removal_from_a_dead_server_is_given_up_at_once() -> None:
    async with Registrar(users=None) as registrar, Core(auth=ANYBODY) as core:
        accounts = add(core, registrar.uri, count=20, expires=7200)
        await asyncio.sleep(1)
        registrar.faults = Faults(silence=True)
        await core.refresh_registers()
        await asyncio.sleep(35)
        assert states(accounts) == {REFRESHING}
        began, sent = now(), core.stats.sent
        await core.stop()
        assert (now(), core.stats.sent) == (began, sent)
        assert states(accounts) == {NONE}


async def test_OVL_7_another_network_is_another_chance_for_all() -> None:
    async with Registrar(users=None) as registrar, Core(auth=ANYBODY, shutdown_timeout=1) as core:
        registrar.faults = Faults(silence=True)
        accounts = add(core, registrar.uri, count=20)
        await asyncio.sleep(HOUR)
        registrar.faults = Faults()
        core.network_reachable = False
        core.network_reachable = True
        await asyncio.sleep(3)
        assert states(accounts) == {OK}


async def test_OVL_7_an_account_that_the_server_ignores_is_no_trouble_for_the_others() -> None:
    """As some servers do with users that they do not know."""
    async with Registrar(users=None) as registrar, Core(auth=ANYBODY, shutdown_timeout=1) as core:
        (ignored,) = add(core, registrar.uri)
        registrar.answer_next(None, times=2 * COPIES)
        await asyncio.sleep(130)
        assert ignored.state is FAILED
        (other,) = add(core, registrar.uri, first=1)
        await other.registered(timeout=1)


async def test_DNS_16_two_targets_one_dead(zone: list[Registrar]) -> None:
    async with Registrar(users=None) as dead, Registrar(users=None) as alive, Core(auth=ANYBODY) as core:
        zone += [dead, alive]
        dead.faults = Faults(silence=True)
        (first,) = add(core, "sip:sip.titi.com")
        await asyncio.sleep(33)
        assert first.state is OK
        sent = core.stats.sent
        (second,) = add(core, "sip:sip.titi.com", first=1)
        binding = await second.registered(timeout=1)
        assert binding.expires == 600
        assert second.last_event is not None
        assert second.last_event.target == f"udp:127.0.0.1:{alive.port}"
        assert core.stats.sent == sent + 1


async def test_DNS_16_all_marked_the_least_recently_failed_is_tried(zone: list[Registrar]) -> None:
    async with Registrar(users=None) as one, Registrar(users=None) as other, Core(auth=ANYBODY) as core:
        zone += [one, other]
        one.faults = other.faults = Faults(silence=True)
        (first,) = add(core, "sip:sip.titi.com")
        await asyncio.sleep(70)
        assert first.state is FAILED
        one.faults = other.faults = Faults()
        (second,) = add(core, "sip:sip.titi.com", first=1)
        await second.registered(timeout=1)
        assert second.last_event is not None
        assert second.last_event.target == f"udp:127.0.0.1:{one.port}"


async def test_DNS_17_a_503_with_retry_after_to_one_account_is_heeded_by_all(zone: list[Registrar]) -> None:
    async with Registrar(users=None) as busy, Registrar(users=None) as other, Core(auth=ANYBODY) as core:
        zone += [busy, other]
        busy.answer_next(503, headers=(("Retry-After", "120"),))
        accounts = add(core, "sip:sip.titi.com", count=5)
        await asyncio.sleep(3)
        assert states(accounts) == {OK}
        asked = len(busy.requests)
        # The others were under way already, or went elsewhere.
        accounts += add(core, "sip:sip.titi.com", first=5, count=5)
        await asyncio.sleep(100)
        assert (states(accounts), len(busy.requests)) == ({OK}, asked)
        await asyncio.sleep(30)
        accounts += add(core, "sip:sip.titi.com", first=10)
        await asyncio.sleep(1)
        assert len(busy.requests) == asked + 1


async def test_DNS_17_where_there_is_no_other_server_all_wait_until_it_is_over() -> None:
    async with Registrar(users=None) as registrar, Core(auth=ANYBODY) as core:
        registrar.answer_next(503, headers=(("Retry-After", "120"),))
        (first,) = add(core, registrar.uri)
        await asyncio.sleep(1)
        accounts = add(core, registrar.uri, first=1, count=9)
        await asyncio.sleep(1)
        assert states(accounts) == {FAILED}
        assert len(registrar.requests) == 1
        event: RegistrationEvent | None = accounts[0].last_event
        assert event is not None
        assert (event.reason, event.status) == (Reason.SERVICE_UNAVAILABLE, 0)
        assert event.message.startswith("the server asked for time (udp:127.0.0.1:")
        blocked_until = registrar.requests[0].at + 120
        assert all(account.retry_at is not None and account.retry_at >= blocked_until for account in accounts)
        await asyncio.sleep(125)
        assert states([first, *accounts]) == {OK}
        later: list[float] = [packet.at for packet in registrar.requests][1:]
        assert min(later) >= blocked_until


async def test_D4_REG_20_a_binding_stays_where_it_is_whatever_the_names_say_then(zone: list[Registrar]) -> None:
    async with Registrar(users=None) as one, Registrar(users=None) as other, Core(auth=ANYBODY) as core:
        zone += [one]
        (account,) = add(core, "sip:sip.titi.com")
        await account.registered(timeout=1)
        zone[:] = [other]
        # DNS-20: a healthy flow outlives the record that led to it.
        await asyncio.sleep(HOUR)
        assert (account.state, len(other.requests)) == (OK, 0)
        one.faults = Faults(silence=True)
        await asyncio.sleep(HOUR)
        assert account.state is OK
        assert account.last_event is not None
        assert account.last_event.target == f"udp:127.0.0.1:{other.port}"


async def test_OVL_7_D1_two_servers_given_by_hand_the_first_of_them_dead() -> None:
    async with Registrar(users=None) as dead, Registrar(users=None) as alive, Core(auth=ANYBODY) as core:
        dead.faults = Faults(silence=True)
        settings: dict[str, Any] = {"server": dead.uri, "backup_servers": (alive.uri,), "expires": 600}
        accounts = [core.add_proxy_config(ProxyParams(f"sip:user{number}@titi.com", **settings)) for number in range(5)]
        await asyncio.sleep(33)
        assert states(accounts) == {OK}
        # Those who come later do not have to find out.
        late = core.add_proxy_config(ProxyParams("sip:late@titi.com", **settings))
        await late.registered(timeout=1)
        assert late.last_event is not None
        assert late.last_event.target == f"udp:127.0.0.1:{alive.port}"
        assert {packet.request.uri for packet in alive.requests} == {alive.uri}
        # The first has its chance when the second fails.
        dead.faults, alive.faults = Faults(), Faults(silence=True)
        await asyncio.sleep(HOUR)
        for proxy in (*accounts, late):
            await proxy.wait_for(OK, timeout=60)  # One may be renewing its binding just now.
        assert len(dead.bindings) == 6
