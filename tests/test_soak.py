"""Virtual days: many accounts, a bad network, registrars that go and come, and what must hold all the time.

The invariants are those of section 9.2 of the requirements. They are checked on every event, on every request that
leaves, on every machine once a minute, and against the registrar's own list.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, cast

import pytest

from aiosipreg import (
    AuthChallenge,
    AuthInfo,
    Core,
    CoreClosedError,
    ProxyConfig,
    Reason,
    RegistrationError,
)
from aiosipreg.net.udp import UdpTransport
from aiosipreg.testing import Faults, Registrar, VirtualNetwork, run
from tests.accounts import CLEARED, FAILED, NONE, OK, PROGRESS, REFRESHING, account
from tests.watch import Watch, Watched, now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiosipreg.engine.effects import Flow

# What is watched here is not which lines run, and counting those makes it three times as slow.
pytestmark = pytest.mark.no_cover

DAY = 86_400.0
HOUR = 3_600.0
EXPIRES = 1800
LAST_COPY = 32.0  # Timer F: no attempt at one target takes longer


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(Watched, "watch", watch, raising=False)
    send = UdpTransport.send

    def seen(udp: UdpTransport, flow: Flow, data: bytes) -> None:
        watch.sent(data)
        send(udp, flow, data)

    monkeypatch.setattr(UdpTransport, "send", seen)
    return watch


def people(count: int) -> dict[str, str]:
    return {f"user{number}": f"secret{number}" for number in range(count)}


def known(secrets: dict[str, str]) -> list[AuthInfo]:
    return [AuthInfo(user, password=secret) for user, secret in secrets.items()]


def test_a_day_of_a_hundred_accounts_with_30_percent_loss_each_way(watch: Watch) -> None:
    secrets = people(100)

    async def day() -> None:
        async with Registrar(secrets, history=10, nonce_lifetime=6 * HOUR) as registrar:
            async with Watched(auth=known(secrets)) as core:
                proxies = [
                    core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com", expires=EXPIRES))
                    for user in secrets
                ]
                while now() < DAY:
                    await asyncio.sleep(60)
                    for proxy in proxies:
                        watch.look_at(proxy)
                    watch.agree(proxies, registrar)
                for proxy in proxies:
                    # No account is stuck: even after a failure it is back within two lifetimes.
                    watch.complain(now() - watch.good_at[proxy] < 2 * EXPIRES, "stuck", proxy)
                stats = core.stats
                attempts = watch.requests
            left = registrar.bindings
            for proxy in proxies:
                last = watch.last[proxy]
                watch.complain(last.state in (CLEARED, NONE), "not ended", last)
                confirmed = last.state is CLEARED and last.reason is Reason.NONE
                watch.complain(confirmed or last.reason is not Reason.NONE, "not reported", last)
                watch.complain(not (confirmed and proxy.identity in left), "confirmed and still there", last)
            # Four copies in five seconds: of a hundred removals about seven get lost altogether.
            assert len(left) < 30
            # A refresh at 81 to 90 % of the lifetime, with a new challenge now and then, and failures in between.
            assert 100 * DAY / (0.9 * EXPIRES) < attempts < 1.3 * 100 * DAY / (0.81 * EXPIRES)
            # 49 % of the round trips succeed: two copies each, on average.
            assert stats.sent < 2.5 * attempts
            assert watch.most_copies <= 11

    began = time.perf_counter()
    run(day(), network=VirtualNetwork(loss=0.3, delay=(0.01, 0.2), reorder=0.05, duplicate=0.02, seed=1))
    # Shown by `pytest -s`.
    print(f"{time.perf_counter() - began:.1f} s, {watch.packets} packets, {watch.requests} requests,")  # noqa: T201
    print({str(state): count for state, count in watch.events.items()})  # noqa: T201
    assert watch.wrong == []


@pytest.mark.parametrize("restarted", [False, True])
def test_a_registrar_that_is_silent_for_two_hours(watch: Watch, restarted: bool) -> None:
    secrets = people(20)

    async def hours() -> None:
        async with Registrar(secrets, history=10) as registrar, Watched(auth=known(secrets)) as core:
            proxies = [
                core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com", expires=600)) for user in secrets
            ]
            await asyncio.sleep(1000)
            assert {proxy.state for proxy in proxies} <= {OK, REFRESHING}
            before, answered = core.stats.sent, watch.packets
            registrar.faults = Faults(silence=True)
            if restarted:
                registrar.restart()
            while now() < 1000 + 2 * HOUR:
                await asyncio.sleep(10)
                for proxy in proxies:
                    watch.look_at(proxy)
                    if now() > 1000 + 600 + LAST_COPY:
                        watch.complain(proxy.state in (FAILED, PROGRESS), "believes in a dead registrar", proxy)
            sent = core.stats.sent - before
            assert sent == watch.packets - answered
            # OVL-7: only who asks when it falls silent finds out by itself, then one at a time asks for all.
            # 30 s doubled up to 30 minutes, half to all of that: at most 13 probes in two hours, eleven copies each.
            assert (2 + 4) * 11 <= sent <= (len(proxies) + 13) * 11
            registrar.faults = Faults()
            began = now()
            for proxy in proxies:
                await proxy.registered(timeout=HOUR)
            # The longest wait is 30 minutes; nobody knows that the registrar is back before he asks.
            assert now() - began <= 1800 + LAST_COPY
            watch.agree(proxies, registrar)
            # All come within two seconds of the first one, but not at once.
            assert max(watch.good_at.values()) - min(watch.good_at[proxy] for proxy in proxies) < 4
            comings = Counter(int(watch.good_at[proxy]) for proxy in proxies)
            assert max(comings.values()) < 20
            before = core.stats.sent
            await asyncio.sleep(2 * HOUR)
            # OUTB-16: the way back to the usual pace, one request a refresh.
            assert {proxy.state for proxy in proxies} <= {OK, REFRESHING}
            assert core.stats.sent - before <= 20 * (2 * HOUR / (0.81 * 600) + 2)
        assert registrar.bindings == {}

    run(hours(), network=VirtualNetwork(delay=(0.01, 0.05), seed=2))
    assert watch.wrong == []


def test_a_registrar_that_forgets_nonces_and_bindings_every_hour(watch: Watch) -> None:
    """A restart without a silence: the next refresh binds anew, within one lifetime, and nobody fails."""
    secrets = people(20)

    async def hours() -> None:
        async with Registrar(secrets, history=10) as registrar, Watched(auth=known(secrets)) as core:
            for user in secrets:
                core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com", expires=600))
            for _ in range(12):
                await asyncio.sleep(HOUR - 600)
                registrar.restart()
                await asyncio.sleep(600)
                assert len(registrar.bindings) == 20
        assert registrar.bindings == {}

    run(hours(), network=VirtualNetwork(delay=0.02, seed=3))
    assert watch.wrong == []
    assert watch.events[FAILED] == 0


class Moods:
    """People who change their minds, each wish at a moment of its own."""

    def __init__(self, core: Core, homes: tuple[Registrar, ...], users: Iterable[str], seed: int) -> None:
        self.core = core
        self.homes = homes
        self.users = list(users)
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()

    def somebody(self) -> ProxyConfig:
        user = self.chance.choice(self.users)
        params = account(self.homes[0], f"sip:{user}@sip.titi.com", expires=300, id=user)
        return self.core.proxy_config(user) or self.core.add_proxy_config(params)

    async def one(self) -> None:
        wish = self.chance.choice((self.move, self.last_longer, self.toggle, self.refresh, self.remove, self.network))
        self.counts[wish.__name__] += 1
        await wish(self.somebody())

    async def move(self, proxy: ProxyConfig) -> None:
        with proxy.edit() as draft:
            draft.server = self.chance.choice(self.homes).uri

    async def last_longer(self, proxy: ProxyConfig) -> None:
        with proxy.edit() as draft:
            draft.expires = self.chance.randint(100, 1000)

    async def toggle(self, proxy: ProxyConfig) -> None:
        with proxy.edit() as draft:
            draft.register = not draft.register

    async def refresh(self, proxy: ProxyConfig) -> None:
        await self.core.refresh_registers()

    async def remove(self, proxy: ProxyConfig) -> None:
        await self.core.remove_proxy_config(proxy)

    async def network(self, proxy: ProxyConfig) -> None:
        self.core.network_reachable = False
        await asyncio.sleep(self.chance.uniform(0, 5))
        self.core.network_reachable = True


def test_people_who_change_their_minds_all_day(watch: Watch) -> None:
    """Accounts come, go, move and are renewed at random while the network loses packets; in the end all is in order."""
    secrets = people(10)

    async def hours() -> None:
        async with (
            Registrar(secrets, history=10) as one,
            Registrar(secrets, history=10) as other,
            Watched(auth=known(secrets)) as core,
        ):
            moods = Moods(core, (one, other), secrets, seed=4)
            while now() < 8 * HOUR:
                await asyncio.sleep(moods.chance.expovariate(1 / 20))
                await moods.one()
                for proxy in core.proxy_configs:
                    watch.look_at(proxy)
            assert min(moods.counts.values()) > 50
            for user in secrets:
                proxy = core.proxy_config(user) or core.add_proxy_config(account(one, f"sip:{user}@sip.titi.com"))
                with proxy.edit() as draft:
                    draft.register, draft.server, draft.expires = True, one.uri, 600
            await asyncio.sleep(1900)
            assert {proxy.state for proxy in core.proxy_configs} <= {OK, REFRESHING}
            watch.agree(core.proxy_configs, one)
        # What was not confirmed has run out by then.
        await asyncio.sleep(1000)
        assert (one.bindings, other.bindings) == ({}, {})

    run(hours(), network=VirtualNetwork(loss=0.1, delay=(0.01, 0.2), seed=5))
    assert watch.wrong == []


class Crowd(Moods):
    """Many at once, in a hurry: each wish in a task of its own, some of them given up half-way."""

    STATUSES = (100, 200, 302, 401, 403, 404, 408, 423, 481, 491, 500, 503, None)

    def somebody(self) -> ProxyConfig:
        user = self.chance.choice(self.users)
        master = None if user == self.users[0] else self.chance.choice((None, None, self.users[0]))
        home = self.chance.choice(self.homes)
        params = account(
            home,
            f"sip:{user}@sip.titi.com",
            expires=self.chance.choice((60, 300)),
            id=user,
            register=self.chance.random() < 0.7,
            depends_on=master,
            unregister_at_stop=self.chance.random() < 0.9,
        )
        return self.core.proxy_config(user) or self.core.add_proxy_config(params)

    async def one(self) -> None:
        wishes = (self.move, self.last_longer, self.toggle, self.refresh, self.remove, self.network)
        more = (self.wait, self.wait, self.wait, self.read, self.learn, self.forget, self.refuse)
        with contextlib.suppress(RegistrationError, TimeoutError, CoreClosedError):
            await self.chance.choice((*wishes, *more))(self.somebody())

    async def wait(self, proxy: ProxyConfig) -> None:
        limit = self.chance.choice((None, 0, 0.1, 3, 30))
        waits: tuple[Callable[[float | None], Awaitable[object]], ...] = (
            *(proxy.register, proxy.refresh, proxy.registered, proxy.unregister),
            *(proxy.clear_bindings, proxy.fetch_bindings),
        )
        await self.chance.choice(waits)(limit)

    async def read(self, proxy: ProxyConfig) -> None:
        async for _ in proxy.events(buffer=2):
            if self.chance.random() < 0.3:
                break

    async def learn(self, proxy: ProxyConfig) -> None:
        user = self.chance.choice(self.users)
        self.core.add_auth_info(AuthInfo(user, password=self.chance.choice((f"secret{user[4:]}", "wrong"))))

    async def forget(self, proxy: ProxyConfig) -> None:
        self.core.clear_auth_infos()

    async def refuse(self, proxy: ProxyConfig) -> None:
        registrar = self.chance.choice(self.homes)
        if self.chance.random() < 0.3:
            registrar.restart()
        else:
            registrar.answer_next(self.chance.choice(self.STATUSES), times=self.chance.randint(1, 3))

    async def ask(self, challenge: AuthChallenge) -> AuthInfo | None:
        await asyncio.sleep(self.chance.choice((0, 0, 1, 10)))
        fate = self.chance.random()
        if fate < 0.1:
            raise LookupError("the vault is closed")
        if fate < 0.2:
            raise asyncio.CancelledError
        return AuthInfo(challenge.username, password="wrong" if fate < 0.3 else f"secret{challenge.username[4:]}")


async def hurry(crowd: Crowd, watch: Watch) -> None:
    """Let a crowd loose on a core, stop it in the middle of everything, and look at what is left."""
    loop = asyncio.get_running_loop()
    tasks = []
    for _ in range(40):
        tasks.append(asyncio.create_task(crowd.one()))
        if crowd.chance.random() < 0.2:
            loop.call_later(crowd.chance.uniform(0, 3), tasks[-1].cancel)
        await asyncio.sleep(crowd.chance.choice((0, 0, 0.01, 0.3, 1, 10, 40)))
        for proxy in crowd.core.proxy_configs:
            watch.look_at(proxy)
    began = now()
    stopping = asyncio.create_task(crowd.core.stop())
    if crowd.chance.random() < 0.2:
        loop.call_later(crowd.chance.uniform(0, 1), stopping.cancel)
    await asyncio.wait((stopping,))
    watch.complain(now() - began <= 6.0, "a slow end", now() - began)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        watch.complain(result is None or isinstance(result, asyncio.CancelledError), "an odd exception", result)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    watch.complain(not left, "left running", left)
    for proxy, event in watch.last.items():
        watch.complain(proxy.state in (NONE, CLEARED) and event.state is proxy.state, "not ended", event)


@pytest.mark.parametrize("seed", range(25))
def test_everything_at_once(watch: Watch, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    secrets = people(4)

    async def main() -> None:
        async with (
            Registrar(secrets, history=10, one_time_nonce=seed % 3 == 0, wrong_password=403) as one,
            Registrar(secrets, history=10, min_expires=120) as other,
        ):
            crowd = Crowd(cast("Core", None), (one, other), secrets, seed)
            crowd.core = Watched(auth=crowd.ask if seed % 2 else known(secrets), auth_timeout=5)
            await crowd.core.start()
            await hurry(crowd, watch)

    run(main(), network=VirtualNetwork(loss=seed % 4 / 10, delay=(0.001, 0.5), reorder=0.1, duplicate=0.1, seed=seed))
    assert watch.wrong == []
    assert [record for record in caplog.records if "unexpected" in record.getMessage()] == []
