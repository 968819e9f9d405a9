"""aiosipreg/core.py: the host of the accounts, on a virtual clock; some of it on real sockets."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
import weakref
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio

import aiosipreg
from aiosipreg import (
    AuthChallenge,
    AuthenticationFailed,
    AuthInfo,
    ConfigError,
    Core,
    CoreClosedError,
    IncomingRequest,
    Pacing,
    ProxyParams,
    Reason,
    RegistrationError,
    RegistrationRejected,
    RegistrationState,
    ServerUnreachable,
    Stats,
)
from aiosipreg.engine.registration import Registration
from aiosipreg.engine.targets import Located, ResolutionFailed, Target, Transport
from aiosipreg.hub import Hub
from aiosipreg.net.resolver import Resolver
from aiosipreg.testing import Faults, Registrar, VirtualClockLoop
from tests.accounts import (
    AOR,
    CLEARED,
    FAILED,
    NONE,
    OK,
    REFRESHING,
    TOTO,
    account,
    methods,
    registered,
    told,
)
from tests.free_ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from aiosipreg import ProxyConfig
    from aiosipreg.wire import Request, Response, SipUri

virtual = pytest.mark.virtual_clock(delay=0.01)


def now() -> float:
    return asyncio.get_running_loop().time()


def users(count: int) -> dict[str, str]:
    return {f"user{number}": f"secret{number}" for number in range(count)}


# ruff: noqa: T201
# The code of the public contract (design.md, section 4) as written. What it leaves open is where the names lead and
# what the vault says.


async def fetch_secret(username: str, realm: str) -> str | None:
    return {"alice": "one", "bob": "two"}.get(username)


async def simple() -> None:
    async with Core(auth=AuthInfo("toto", password="secret")) as core:
        proxy = core.add_proxy_config(ProxyParams("sip:toto@sip.titi.com"))
        binding = await proxy.registered(timeout=10)
        print("reachable at", binding.contact, "for", binding.expires, "seconds")
    # leaving the block removed the binding and closed the sockets


async def ask_vault(challenge: AuthChallenge) -> AuthInfo | None:
    secret = await fetch_secret(challenge.username, challenge.realm)
    return AuthInfo(challenge.username, password=secret) if secret else None


async def report(core: Core) -> None:
    async for event in core.events():
        print("New registration state", event.state, "for", event.identity, "at proxy", event.server)


async def several() -> None:
    async with asyncio.TaskGroup() as tg, Core(auth=ask_vault) as core:
        tg.create_task(report(core))
        alice = core.add_proxy_config(ProxyParams("sip:alice@example.org", server="sip:edge.example.org;transport=tls"))
        bob = core.add_proxy_config(ProxyParams("sip:bob@example.net", expires=600, register=False))
        core.default_proxy_config = bob
        try:
            await bob.register(timeout=10)
        except RegistrationError as error:
            print("bob was refused:", error.event.status, error.event.reason)
        with bob.edit() as draft:  # leaving the block is done(); an exception discards the draft
            draft.expires = 300
        draft = core.default_proxy_config.edit()  # type: ignore[union-attr]
        draft.register = False
        draft.done()  # starts the REGISTER that removes the binding
        await bob.wait_for(RegistrationState.CLEARED, timeout=5)
        await core.remove_proxy_config(alice)


@virtual
class TestTheContractAsWritten:
    @pytest.fixture(autouse=True)
    def names(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Registrar]:
        registrars: dict[str, Registrar] = {}

        async def locate(_: Resolver, uri: SipUri, transports: Sequence[Transport]) -> Located:
            if uri.host not in registrars or uri.params.get("transport", "udp") != "udp":
                raise ResolutionFailed(f"nothing is known of {uri}", absent=True)
            there = registrars[uri.host]
            return Located((Target(there.host, there.port, Transport.UDP, uri.host),), 60.0)

        monkeypatch.setattr(Resolver, "locate", locate)
        return registrars

    async def test_simple(self, names: dict[str, Registrar], capsys: pytest.CaptureFixture[str]) -> None:
        async with Registrar({"toto": "secret"}) as registrar:
            names["sip.titi.com"] = registrar
            await simple()
            assert registrar.bindings == {}
        output = capsys.readouterr().out
        assert output.startswith("reachable at <sip:toto@127.0.0.1:")
        assert output.endswith(" for 3600.0 seconds\n")

    async def test_several(self, names: dict[str, Registrar], capsys: pytest.CaptureFixture[str]) -> None:
        async with Registrar({"bob": "two"}) as registrar:
            names["example.net"] = registrar
            await several()
            assert registrar.bindings == {}
            assert methods(registrar) == [600, 600, 300, 0]
        lines = capsys.readouterr().out.splitlines()
        bob = [line.split()[3] for line in lines if "bob" in line]
        # The newest event is replayed, so the reader begins with whatever was the newest when it subscribed.
        assert bob == ["Progress", "Ok", "Refreshing", "Progress", "Cleared"] or bob == [
            *("Progress", "Ok", "Refreshing", "Ok", "Progress", "Cleared")
        ]

    async def test_several_when_bob_is_refused(
        self, names: dict[str, Registrar], capsys: pytest.CaptureFixture[str]
    ) -> None:
        async with Registrar({"bob": "another"}) as registrar:
            names["example.net"] = registrar
            await several()
        assert "bob was refused: 401 unauthorized" in capsys.readouterr().out


@virtual
class TestLifeCycle:
    async def test_it_can_be_started_and_stopped_by_hand_and_twice(self, sip_registrar: Registrar) -> None:
        core = Core(auth=TOTO)
        await asyncio.gather(core.start(), core.start())
        await core.start()
        proxy = core.add_proxy_config(account(sip_registrar))
        await proxy.registered(timeout=5)
        await asyncio.gather(core.stop(), core.stop())
        await core.stop()
        assert sip_registrar.bindings == {}
        assert proxy.state is CLEARED

    async def test_a_core_that_was_not_started_takes_no_accounts(self, sip_registrar: Registrar) -> None:
        core = Core()
        with pytest.raises(CoreClosedError, match="async with"):
            core.add_proxy_config(account(sip_registrar))
        with pytest.raises(CoreClosedError):
            await core.refresh_registers()
        assert core.stats == Stats()
        await core.stop()
        with pytest.raises(CoreClosedError, match="make another"):
            await core.start()
        assert await told(core.events()) == []

    async def test_a_closed_core_takes_no_accounts(self, sip_registrar: Registrar) -> None:
        async with Core() as core:
            pass
        with pytest.raises(CoreClosedError):
            core.add_proxy_config(account(sip_registrar))
        with pytest.raises(CoreClosedError):
            await core.refresh_registers()
        with pytest.raises(CoreClosedError, match="make another"):
            await core.start()
        assert core.proxy_configs == ()
        await core.clear_proxy_configs()
        core.add_auth_info(TOTO)
        core.network_reachable = False
        assert await told(core.events()) == []

    async def test_nor_does_one_that_is_being_closed(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            core = proxy.core
            sip_registrar.faults = Faults(delay=0.5)
            stopping = asyncio.create_task(core.stop())
            await asyncio.sleep(0.1)
            with pytest.raises(CoreClosedError):
                core.add_proxy_config(account(sip_registrar))
            await stopping

    async def test_an_exception_of_the_body_leaves_as_it_is_and_the_binding_is_gone(
        self, sip_registrar: Registrar
    ) -> None:
        error = KeyError("mine")
        with pytest.raises(KeyError) as caught:
            async with registered(sip_registrar):
                raise error
        assert caught.value is error
        assert sip_registrar.bindings == {}

    async def test_a_body_that_is_cancelled_unregisters(self, sip_registrar: Registrar) -> None:
        async def body() -> None:
            async with registered(sip_registrar):
                await asyncio.Event().wait()

        task = asyncio.create_task(body())
        await asyncio.sleep(1)
        assert AOR in sip_registrar.bindings
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sip_registrar.bindings == {}

    async def test_a_time_limit_around_the_block(self, sip_registrar: Registrar) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5), registered(sip_registrar):
                await asyncio.Event().wait()
        assert sip_registrar.bindings == {}

    async def test_a_second_cancellation_ends_it_at_once_and_wholly(self, sip_registrar: Registrar) -> None:
        async def body() -> None:
            async with registered(sip_registrar) as proxy:
                watched.append(proxy)
                sip_registrar.faults = Faults(silence=True)
                await asyncio.Event().wait()

        watched: list[ProxyConfig] = []
        task = asyncio.create_task(body())
        await asyncio.sleep(1)
        events = watched[0].events()
        task.cancel()
        await asyncio.sleep(1)
        began = now()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert now() == began
        assert asyncio.all_tasks() == {asyncio.current_task()}
        # The state does not lie: the binding was left to run out.
        assert await told(events) == ["Ok", "Progress", "None"]
        await watched[0].core.stop()

    async def test_a_start_that_is_cancelled_leaves_nothing(self) -> None:
        core = Core()
        starting = asyncio.create_task(core.start())
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_an_error_at_the_end_is_raised_by_the_stop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        close = Hub.close

        async def fail(hub: Hub) -> None:
            await close(hub)
            raise ValueError("at the end")

        core = Core()
        await core.start()
        monkeypatch.setattr(Hub, "close", fail)
        for _ in range(2):
            with pytest.raises(ExceptionGroup) as caught:
                await core.stop()
            assert "at the end" in repr(caught.value.exceptions)

    async def test_tasks_of_a_group_may_share_it(self, sip_registrar: Registrar) -> None:
        async def work(core: Core, user: str) -> None:
            proxy = core.add_proxy_config(account(sip_registrar, auth=TOTO, ref_key=user))
            await proxy.registered(timeout=5)
            await core.remove_proxy_config(proxy)

        async with Core() as core, asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(work(core, str(number)))
        assert sip_registrar.bindings == {}

    async def test_an_error_beside_it_in_a_group_stops_it_in_order(self, sip_registrar: Registrar) -> None:
        async def fail() -> None:
            await asyncio.sleep(1)
            raise ValueError("beside")

        async def body() -> None:
            async with asyncio.TaskGroup() as group, registered(sip_registrar):
                group.create_task(fail())
                await asyncio.Event().wait()

        with pytest.raises(ExceptionGroup) as caught:
            await body()
        assert [str(error) for error in caught.value.exceptions] == ["beside"]
        assert sip_registrar.bindings == {}


@pytest_asyncio.fixture
async def core_with_toto(sip_registrar: Registrar) -> AsyncIterator[Core]:
    """Set-up and tear-down run in different tasks."""
    async with registered(sip_registrar) as proxy:
        yield proxy.core


@virtual
async def test_a_fixture_may_hold_a_core(core_with_toto: Core, sip_registrar: Registrar) -> None:
    (proxy,) = core_with_toto.proxy_configs
    assert proxy.state is OK
    await proxy.refresh(timeout=5)


@virtual
class TestStop:
    async def test_REG_25_a_silent_registrar_is_not_waited_for(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, shutdown_timeout=2) as proxy:
            events = proxy.events()
            sip_registrar.faults = Faults(silence=True)
            began = now()
        assert now() - began == pytest.approx(2)
        assert await told(events) == ["Ok", "Progress", "None"]
        assert proxy.last_event is not None
        assert proxy.last_event.reason is Reason.NO_RESPONSE

    @pytest.mark.parametrize("timeout", [0, 0.5, 3.0])
    async def test_the_bound_may_be_given_with_the_call(self, sip_registrar: Registrar, timeout: float) -> None:
        async with registered(sip_registrar) as proxy:
            sip_registrar.faults = Faults(silence=True)
            began = now()
            await proxy.core.stop(timeout=timeout)
            assert now() - began == pytest.approx(timeout)
            assert proxy.state is NONE

    async def test_a_lost_removal_is_sent_again(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar):
            sip_registrar.answer_next(None, times=3)
        assert sip_registrar.bindings == {}

    async def test_F_43_unregister_at_stop_may_be_off(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, settings={"unregister_at_stop": False}) as proxy:
            events = proxy.events()
            before = len(sip_registrar.requests)
        assert len(sip_registrar.requests) == before
        assert AOR in sip_registrar.bindings
        assert await told(events) == ["Ok", "None"]
        assert proxy.binding is None

    async def test_every_account_ends_in_a_state_that_is_true(self, sip_registrar: Registrar) -> None:
        """Whatever they are in the middle of: waiting, refused, asking, resolving, being removed, held."""

        async def ask(challenge: AuthChallenge) -> AuthInfo | None:
            await asyncio.Event().wait()
            return None

        async with Core(auth=TOTO) as core:
            events = core.events()
            idle = core.add_proxy_config(account(sip_registrar, register=False))
            fine = core.add_proxy_config(account(sip_registrar))
            asking = core.add_proxy_config(account(sip_registrar, auth=ask))
            await fine.registered(timeout=5)
            removed = core.add_proxy_config(account(sip_registrar))
            await removed.registered(timeout=5)
            sip_registrar.answer_next(404)
            refused = core.add_proxy_config(account(sip_registrar))
            await refused.wait_for(FAILED, timeout=5)
            sip_registrar.answer_next(500)
            waiting = core.add_proxy_config(account(sip_registrar))
            await waiting.wait_for(FAILED, timeout=5)
            silent = core.add_proxy_config(ProxyParams(AOR, server="sip:127.0.0.99:5060"))
            await asyncio.sleep(1)
            removing = asyncio.create_task(core.remove_proxy_config(removed))
            new = core.add_proxy_config(account(sip_registrar))
        await removing
        assert sip_registrar.bindings == {}
        assert [proxy.state for proxy in (idle, fine, asking, removed, refused, waiting, new)] == [
            NONE, CLEARED, CLEARED, CLEARED, CLEARED, CLEARED, CLEARED,
        ]  # fmt: skip
        assert silent.state is NONE
        last = {event.proxy_config: event.state async for event in events}
        assert last == {proxy: proxy.state for proxy in last}
        assert idle not in last

    async def test_it_ends_although_an_auth_provider_takes_long_to_leave(self, sip_registrar: Registrar) -> None:
        async def ask(challenge: AuthChallenge) -> AuthInfo | None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(1)
            return None

        async with Core(auth=ask) as core:
            core.add_proxy_config(account(sip_registrar))
            await asyncio.sleep(1)
            began = now()
        assert now() - began <= 1.1

    async def test_it_may_be_stopped_by_the_handler_of_a_request(self, sip_registrar: Registrar) -> None:
        async def handler(incoming: IncomingRequest) -> Response | None:
            await core.stop()
            return None

        async with registered(sip_registrar, on_request=handler) as proxy:
            core = proxy.core
            with pytest.raises(TimeoutError):
                await sip_registrar.options(AOR, timeout=5)
            assert proxy.state is CLEARED
        assert sip_registrar.bindings == {}


@virtual
class TestAccounts:
    async def test_they_are_kept_in_order_and_found_by_id(self, sip_registrar: Registrar) -> None:
        async with Core() as core:
            assert not core.proxy_configs
            one = core.add_proxy_config(account(sip_registrar, register=False, id="one"))
            other = core.add_proxy_config(account(sip_registrar, register=False))
            assert core.proxy_configs == (one, other)
            assert core.proxy_config("one") is one
            assert core.proxy_config(other.id) is other
            assert core.proxy_config("nobody") is None
            assert other.id not in ("", "one")

    async def test_an_identity_is_enough(self) -> None:
        async with Core() as core:
            core.network_reachable = False
            proxy = core.add_proxy_config("sip:toto@127.0.0.1:5070")
            assert proxy.params == ProxyParams("sip:toto@127.0.0.1:5070")
            assert proxy.state is FAILED
            with pytest.raises(ConfigError, match="identity"):
                core.add_proxy_config("sip:")
            assert core.proxy_configs == (proxy,)

    @pytest.mark.parametrize(
        ("settings", "field"),
        [({"identity": "sip:"}, "identity"), ({"server": "sip:a b"}, "server"), ({"expires": 0}, "expires")],
    )
    async def test_F_02_settings_that_cannot_work_raise_and_report_nothing(
        self, sip_registrar: Registrar, settings: dict[str, Any], field: str
    ) -> None:
        async with Core(auth=TOTO) as core:
            events = core.events()
            with pytest.raises(ConfigError, match=field):
                core.add_proxy_config(account(sip_registrar).replace(**settings))
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            draft = proxy.edit()
            for name, value in ({"register": True} | settings).items():
                setattr(draft, name, value)
            with pytest.raises(ConfigError, match=field):
                draft.done()
            await asyncio.sleep(10)
            assert (core.proxy_configs, proxy.state) == ((proxy,), NONE)
        assert await told(events) == []
        assert sip_registrar.requests == ()

    async def test_an_id_is_given_once_at_a_time(self, sip_registrar: Registrar) -> None:
        async with Core() as core:
            params = account(sip_registrar, register=False, id="one")
            one = core.add_proxy_config(params)
            with pytest.raises(ConfigError, match="id='one'"):
                core.add_proxy_config(params)
            assert core.proxy_configs == (one,)
            await core.remove_proxy_config(one)
            assert core.add_proxy_config(params) is not one

    async def test_the_default_is_the_first_until_it_is_set_and_passes_on(self, sip_registrar: Registrar) -> None:
        async with Core() as core, Core() as elsewhere:
            assert core.default_proxy_config is None
            params = account(sip_registrar, register=False)
            first, second, third = (core.add_proxy_config(params) for _ in range(3))
            assert core.default_proxy_config is first
            core.default_proxy_config = second
            await core.remove_proxy_config(third)
            assert core.default_proxy_config is second
            await core.remove_proxy_config(second)
            assert core.default_proxy_config is first
            for stranger in (second, elsewhere.add_proxy_config(params), cast("ProxyConfig", None)):
                with pytest.raises(ConfigError, match="default_proxy_config"):
                    core.default_proxy_config = stranger
            await core.remove_proxy_config(first)
            assert core.default_proxy_config is None
            fourth = core.add_proxy_config(params)
            assert core.default_proxy_config is fourth
            await core.clear_proxy_configs()
            assert core.default_proxy_config is None

    async def test_removing_takes_the_binding_away_and_tells(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            core = proxy.core
            events = core.events()
            await core.remove_proxy_config(proxy)
            assert sip_registrar.bindings == {}
            assert core.proxy_configs == ()
            assert proxy.state is CLEARED
            await core.remove_proxy_config(proxy)
        assert await told(events) == ["Ok", "Progress", "Cleared"]

    async def test_removing_is_bounded_and_says_what_went_wrong(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, shutdown_timeout=3) as proxy:
            sip_registrar.faults = Faults(silence=True)
            began = now()
            await proxy.core.remove_proxy_config(proxy)
            assert now() - began == pytest.approx(3)
            assert proxy.last_event is not None
            assert proxy.last_event.reason is Reason.NO_RESPONSE
            sip_registrar.faults = Faults()

    @pytest.mark.parametrize("after", [0.0, 0.005, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.7, 1.9, 2.1, 2.3, 30.0, 30.3, 30.5])
    async def test_removing_at_any_moment_leaves_nothing(self, sip_registrar: Registrar, after: float) -> None:
        """Before anything is sent, during each round trip, when registered, and while an edit is carried out."""
        sip_registrar.faults = Faults(delay=0.25)
        async with Registrar({"toto": "secret"}) as there, Core(auth=TOTO) as core:
            there.faults = Faults(delay=0.25)
            proxy = core.add_proxy_config(account(sip_registrar, expires=60))
            moving = after > 2
            if moving:
                await proxy.registered(timeout=5)
                with proxy.edit() as draft:
                    draft.server = there.uri
            await asyncio.sleep(after)
            await core.remove_proxy_config(proxy)
            assert proxy.state is CLEARED
            sent = core.stats.sent
            await asyncio.sleep(3600)
            assert (sip_registrar.bindings, there.bindings) == ({}, {})
            assert core.stats.sent == sent

    async def test_a_removal_that_is_cancelled_ends_the_account_truthfully(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            core = proxy.core
            sip_registrar.faults = Faults(silence=True)
            removing = asyncio.create_task(core.remove_proxy_config(proxy))
            await asyncio.sleep(1)
            removing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await removing
            assert core.proxy_configs == ()
            assert proxy.state is NONE
            before = core.stats.sent
            await asyncio.sleep(3600)
            assert core.stats.sent == before

    async def test_removing_twice_at_once(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            core = proxy.core
            await asyncio.gather(core.remove_proxy_config(proxy), core.remove_proxy_config(proxy))
            await core.clear_proxy_configs()
            assert methods(sip_registrar) == [3600, 3600, 0]

    async def test_removing_twice_does_not_take_the_next_account_of_that_id_along(
        self, sip_registrar: Registrar
    ) -> None:
        async def replace(core: Core, old: ProxyConfig) -> ProxyConfig:
            await core.remove_proxy_config(old)
            return core.add_proxy_config(account(sip_registrar, id="one"))

        async with Core(auth=TOTO) as core:
            old = core.add_proxy_config(account(sip_registrar, id="one"))
            await old.registered(timeout=5)
            new, _ = await asyncio.gather(replace(core, old), core.remove_proxy_config(old))
            await new.registered(timeout=5)
            assert core.proxy_config("one") is new
        assert sip_registrar.bindings == {}

    async def test_clearing_removes_all_at_once(self, sip_registrar: Registrar) -> None:
        sip_registrar.faults = Faults(delay=0.2)
        async with Core(auth=TOTO) as core:
            proxies = [core.add_proxy_config(account(sip_registrar)) for _ in range(5)]
            for proxy in proxies:
                await proxy.registered(timeout=10)
            began = now()
            await core.clear_proxy_configs()
            assert now() - began < 1
            assert core.proxy_configs == ()
            assert {proxy.state for proxy in proxies} == {CLEARED}
            again = core.add_proxy_config(account(sip_registrar))
            await again.registered(timeout=10)

    async def test_SEC_28_requests_are_for_the_users_that_accounts_have_now(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            one, _ = (core.add_proxy_config(account(sip_registrar, register=False)) for _ in range(2))
            assert "toto" in core._users
            with one.edit() as draft:
                draft.identity = "sip:alice@sip.titi.com"
            assert "alice" in core._users
            await core.remove_proxy_config(one)
            assert "toto" in core._users
            assert "alice" not in core._users
        assert "toto" not in core._users

    async def test_an_account_that_was_removed_leaves_nothing_behind(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            gone = []
            for number in range(120):
                proxy = core.add_proxy_config(account(sip_registrar))
                if number % 3:
                    await proxy.registered(timeout=5)
                    await asyncio.sleep(number % 2)
                await core.remove_proxy_config(proxy)
                gone.append(weakref.ref(proxy))
                del proxy
            hub = core._hub
            assert hub is not None
            await asyncio.sleep(10)
            gc.collect()
            # At most what the timetable has room for until it is tidied up.
            assert len([one for one in gone if one() is not None]) < 70
            assert (len(hub._table), len(hub._lanes), hub._lanes._lane_of, core._dependents.followers) == (0, 0, {}, {})
            assert [entry for entry in hub._timetable._heap if entry[2].entry is entry] == []

    async def test_several_may_ask_for_the_same(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            bindings = await asyncio.gather(*(proxy.register(timeout=5) for _ in range(5)))
            assert set(bindings) == {proxy.binding}
            await asyncio.gather(*(proxy.unregister(timeout=5) for _ in range(5)))
            assert methods(sip_registrar) == [3600, 3600, 0]

    async def test_many_accounts(self) -> None:
        secrets = users(200)
        infos = [AuthInfo(user, password=secret) for user, secret in secrets.items()]
        async with Registrar(secrets) as registrar, Core(auth=infos) as core:
            proxies = [core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com")) for user in secrets]
            async with asyncio.timeout(30):
                for proxy in proxies:
                    await proxy.registered()
            assert len(registrar.bindings) == 200
            # One transaction each, with one challenge; nobody took the answer of another.
            assert len(registrar.requests) == 400
            assert sum(core.stats.dropped.values()) == 0
        assert registrar.bindings == {}

    async def test_REG_33_TRA_7_they_share_a_socket_and_nothing_else(self) -> None:
        secrets = users(20)
        async with Registrar(secrets) as registrar, Core() as core:
            proxies = [
                core.add_proxy_config(
                    account(
                        registrar,
                        f"sip:{user}@sip.titi.com",
                        auth=AuthInfo(user, password=secret),
                        expires=100 << number,
                    )
                )
                for number, (user, secret) in enumerate(secrets.items())
            ]
            async with asyncio.timeout(30):
                for proxy in proxies:
                    await proxy.registered()
                await proxies[0].refresh()
            assert len({packet.peer for packet in registrar.requests}) == 1
            (host, port) = registrar.requests[0].peer
            for packet in registrar.requests:
                via, (contact,) = packet.request.via, packet.request.contacts
                assert via is not None
                assert (via.host, via.port) == (host, port)
                assert (contact.uri.host, contact.uri.port) == (host, port)  # type: ignore[union-attr]
            by_user: dict[str, list[Request]] = {}
            for packet in registrar.requests:
                by_user.setdefault(str(packet.request.to), []).append(packet.request)
            calls = [{request.call_id for request in requests} for requests in by_user.values()]
            assert all(len(call) == 1 for call in calls)
            assert len(set.union(*calls)) == 20
            numbers = [[request.cseq.number for request in requests if request.cseq] for requests in by_user.values()]
            assert sorted(numbers) == [[1, 2]] * 19 + [[1, 2, 3]]
            # The times are each one's own too.
            refresh_at = [proxy.refresh_at or 0.0 for proxy in proxies[1:]]
            assert refresh_at == sorted(refresh_at)

    async def test_OVL_8_a_registrar_is_not_flooded(self) -> None:
        secrets = users(100)
        infos = [AuthInfo(user, password=secret) for user, secret in secrets.items()]
        async with Registrar(secrets) as registrar, Core(auth=infos, pacing=Pacing(rate=10)) as core:
            for user in secrets:
                core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com"))
            await asyncio.sleep(20)
            first = [packet.at for packet in registrar.requests if packet.request.cseq.number == 1]  # type: ignore[union-attr]
            assert len(first) == 100
            for second in range(10):
                assert len([at for at in first if second <= at < second + 1]) <= 12

    async def test_OVL_8_nor_left_alone_when_it_is_silent(self) -> None:
        secrets = users(20)
        async with Registrar(secrets) as registrar, Core(pacing=Pacing(rate=10)) as core:
            registrar.faults = Faults(silence=True)
            for user in secrets:
                core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com"))
            await asyncio.sleep(5)
            assert core.stats.sent - core.stats.retransmitted == 20


@virtual
class TestDependents:
    """What tests/test_dependents.py does not show: the end."""

    USERS: tuple[str, ...] = ("master", "servant")

    def pair(self, core: Core, registrar: Registrar, **settings: Any) -> list[ProxyConfig]:
        return [
            core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com", id=user, depends_on=on, **settings))
            for user, on in (("master", None), ("servant", "master"))
        ]

    async def test_bindings_that_are_to_stay_at_the_end_stay(self) -> None:
        secrets: dict[str, str] = dict.fromkeys(self.USERS, "secret")
        infos = [AuthInfo(user, password="secret") for user in self.USERS]
        async with Registrar(secrets) as registrar:
            async with Core(auth=infos) as core:
                _, servant = self.pair(core, registrar, unregister_at_stop=False)
                await servant.registered(timeout=5)
            await asyncio.sleep(1)
            assert len(registrar.bindings) == 2

    async def test_one_that_is_being_removed_follows_nobody(self) -> None:
        secrets: dict[str, str] = dict.fromkeys(self.USERS, "secret")
        infos = [AuthInfo(user, password="secret") for user in self.USERS]
        async with Registrar(secrets) as registrar, Core(auth=infos) as core:
            master, servant = self.pair(core, registrar)
            await servant.registered(timeout=5)
            registrar.faults = Faults(delay=0.3)
            refreshing = asyncio.create_task(master.refresh())
            await asyncio.sleep(0.2)
            await core.remove_proxy_config(servant)
            await refreshing
            await asyncio.sleep(5)
            assert servant.state is CLEARED
            assert list(registrar.bindings) == ["sip:master@sip.titi.com"]

    async def test_one_whose_other_one_is_removed_is_on_its_own(self) -> None:
        secrets = dict.fromkeys(self.USERS, "secret")
        infos = [AuthInfo(user, password="secret") for user in self.USERS]
        async with Registrar(secrets) as registrar, Core(auth=infos) as core:
            master, servant = self.pair(core, registrar)
            await servant.registered(timeout=5)
            await core.remove_proxy_config(master)
            await servant.wait_for(OK, timeout=5)
            assert list(registrar.bindings) == ["sip:servant@sip.titi.com"]

    async def test_a_refused_one_is_not_tried_again_with_each_refresh_of_the_other(self) -> None:
        async with Registrar({"master": "secret"}) as registrar:
            infos = [AuthInfo(user, password="secret") for user in self.USERS]
            async with Core(auth=infos) as core:
                master, servant = self.pair(core, registrar)
                await servant.wait_for(FAILED, timeout=5)
                before = len(registrar.requests)
                for _ in range(5):
                    await asyncio.sleep(10)
                    await master.refresh(timeout=5)
                assert len(registrar.requests) == before + 5


@virtual
class TestSuspend:
    async def test_REG_37_after_hours_of_sleep_the_binding_is_missed_and_made_anew(
        self, sip_registrar: Registrar
    ) -> None:
        async with registered(sip_registrar, settings={"expires": 600}) as proxy:
            events = proxy.events()
            await asyncio.sleep(10)
            cast("VirtualClockLoop", asyncio.get_running_loop())._virtual.now += 7200
            await asyncio.sleep(5)
            assert proxy.state is OK
        assert await told(events) == ["Ok", "Failed", "Progress", "Ok", "Progress", "Cleared"]

    async def test_copies_that_were_missed_are_not_sent_in_a_burst(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            sip_registrar.faults = Faults(silence=True)
            with pytest.raises(TimeoutError):
                await proxy.refresh(timeout=0.1)
            before = proxy.core.stats.sent
            cast("VirtualClockLoop", asyncio.get_running_loop())._virtual.now += 20
            await asyncio.sleep(1)
            assert proxy.core.stats.sent <= before + 2
            sip_registrar.faults = Faults()


@virtual
class TestCredentials:
    def test_a_plain_function_cannot_be_asked(self) -> None:
        def plain(challenge: AuthChallenge) -> AuthInfo | None:
            return None

        class Plain:
            def __call__(self, challenge: AuthChallenge) -> AuthInfo | None:
                return None

        for provider in (plain, Plain(), lambda challenge: None):
            with pytest.raises(TypeError, match="async"):
                Core(auth=cast("Any", provider))
            with pytest.raises(TypeError, match="async"):
                ProxyParams(AOR, auth=cast("Any", provider))
        with pytest.raises(TypeError, match="AuthInfo"):
            Core(auth=cast("Any", ["secret"]))
        with pytest.raises(TypeError, match="async"):
            Core(on_request=cast("Any", plain))

    async def test_whatever_is_asynchronous_can_be_asked(self, sip_registrar: Registrar) -> None:
        class Vault:
            async def __call__(self, challenge: AuthChallenge) -> AuthInfo | None:
                return TOTO

            async def ask(self, challenge: AuthChallenge) -> AuthInfo | None:
                return TOTO

        async def ask(secret: str, challenge: AuthChallenge) -> AuthInfo | None:
            return AuthInfo("toto", password=secret)

        for provider in (Vault(), Vault().ask, partial(ask, "secret")):
            async with registered(sip_registrar, auth=provider):
                pass

    async def test_one_several_or_none_may_be_given(self, sip_registrar: Registrar) -> None:
        other = AuthInfo("titi", password="else")
        assert Core().auth_infos == ()
        assert Core(auth=TOTO).auth_infos == (TOTO,)
        assert Core(auth=(info for info in (other, TOTO))).auth_infos == (other, TOTO)

    async def test_adding_replaces_what_is_for_the_same(self) -> None:
        core = Core(auth=TOTO)
        realm = AuthInfo("toto", password="three", realm="titi.com")
        newer = AuthInfo("toto", password="two")
        core.add_auth_info(realm)
        core.add_auth_info(newer)
        assert list(core.auth_infos) == [realm, newer]
        core.remove_auth_info(TOTO)
        core.remove_auth_info(realm)
        assert list(core.auth_infos) == [newer]
        core.clear_auth_infos()
        assert not core.auth_infos

    async def test_what_was_taken_away_answers_no_more(self) -> None:
        async with Registrar({"toto": "secret"}, one_time_nonce=True) as registrar, registered(registrar) as proxy:
            core = proxy.core
            core.remove_auth_info(TOTO)
            with pytest.raises(AuthenticationFailed):
                await proxy.refresh(timeout=5)
            core.add_auth_info(TOTO)
            await proxy.registered(timeout=5)
            core.clear_auth_infos()
            await asyncio.sleep(2)
            with pytest.raises(AuthenticationFailed):
                await proxy.refresh(timeout=5)
            core.add_auth_info(TOTO)

    async def test_late_credentials_wake_whoever_waits_for_them_and_nobody_else(self) -> None:
        secrets = users(3)
        async with Registrar(secrets) as registrar, Core() as core:
            proxies = [core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com")) for user in secrets]
            for proxy in proxies:
                await proxy.wait_for(FAILED, timeout=5)
            core.add_auth_info(AuthInfo("user1", password="secret1"))
            await proxies[1].registered(timeout=5)
            await asyncio.sleep(5)
            assert [proxy.state for proxy in proxies] == [FAILED, OK, FAILED]

    async def test_credentials_beside_a_provider(self, sip_registrar: Registrar) -> None:
        asked = []

        async def ask(challenge: AuthChallenge) -> AuthInfo | None:
            asked.append(challenge)
            return None

        async with Core(auth=ask) as core:
            core.add_auth_info(TOTO)
            proxy = core.add_proxy_config(account(sip_registrar))
            await proxy.registered(timeout=5)
            assert asked == []


@virtual
class TestEvents:
    async def test_all_accounts_in_the_order_of_what_happened(self) -> None:
        secrets = users(2)
        infos = [AuthInfo(user, password=secret) for user, secret in secrets.items()]
        async with Registrar(secrets) as registrar, Core(auth=infos) as core:
            events = core.events()
            for user in secrets:
                proxy = core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com"))
                await proxy.registered(timeout=5)
        seen = [(event.identity, str(event.state)) async for event in events]
        assert seen[:4] == [
            ("sip:user0@sip.titi.com", "Progress"),
            ("sip:user0@sip.titi.com", "Ok"),
            ("sip:user1@sip.titi.com", "Progress"),
            ("sip:user1@sip.titi.com", "Ok"),
        ]
        assert [state for _, state in seen[4:]].count("Cleared") == 2

    async def test_a_later_reader_begins_with_the_newest_of_each(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            core.add_proxy_config(account(sip_registrar, register=False))
            proxies = [core.add_proxy_config(account(sip_registrar)) for _ in range(3)]
            for proxy in proxies:
                await proxy.registered(timeout=5)
            async with aclosing(core.events()) as events:
                newest = [await anext(events) for _ in range(3)]
            assert newest == [proxy.last_event for proxy in proxies]

    async def test_leaving_and_coming_back_loses_no_state(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            core = proxy.core
            async with aclosing(core.events()) as events:
                async for event in events:
                    assert event.state is OK
                    break
            sip_registrar.answer_next(500)
            with pytest.raises(RegistrationRejected):
                await proxy.refresh(timeout=5)
            async with aclosing(core.events()) as events:
                assert (await anext(events)).state is REFRESHING

    async def test_the_stream_ends_with_the_core_and_not_with_an_account(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            core = proxy.core
            reading = asyncio.create_task(told(core.events()))
            await core.remove_proxy_config(proxy)
            await asyncio.sleep(1)
            assert not reading.done()
        assert await reading == ["Ok", "Progress", "Cleared"]


@virtual
class TestNetwork:
    async def test_without_a_network_nothing_is_sent_and_that_is_told(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, settings={"expires": 600}) as proxy:
            core = proxy.core
            events = core.events()
            assert core.network_reachable is True
            before = len(sip_registrar.requests)
            core.network_reachable = False
            core.network_reachable = False
            assert core.network_reachable is False
            assert proxy.state is REFRESHING
            new = core.add_proxy_config(account(sip_registrar))
            assert new.state is FAILED
            with pytest.raises(ServerUnreachable, match="no network"):
                await new.register()
            await core.refresh_registers()
            await asyncio.sleep(700)
            assert proxy.state is FAILED
            assert len(sip_registrar.requests) == before
            began = now()
            core.network_reachable = True
            for account_ in (proxy, new):
                await account_.registered(timeout=5)
            assert now() - began < 2.2
        seen = [(event.proxy_config is proxy, str(event.state), event.reason) async for event in events]
        held = [(False, "Progress", Reason.NONE), (False, "Failed", Reason.NETWORK_DOWN)]
        assert seen[:7] == [
            (True, "Ok", Reason.NONE),
            (True, "Refreshing", Reason.NETWORK_DOWN),
            *held,
            *held,
            (True, "Failed", Reason.EXPIRED),
        ]

    async def test_a_short_interruption_renews_the_binding(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            core = proxy.core
            core.network_reachable = False
            await asyncio.sleep(10)
            core.network_reachable = True
            await proxy.wait_for(OK, timeout=5)
            assert len(sip_registrar.bindings[AOR]) == 1

    async def test_REG_35_they_do_not_all_come_at_once(self) -> None:
        secrets = users(50)
        infos = [AuthInfo(user, password=secret) for user, secret in secrets.items()]
        async with Registrar(secrets) as registrar, Core(auth=infos, pacing=None) as core:
            for user in secrets:
                core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com"))
            await asyncio.sleep(10)
            core.network_reachable = False
            await asyncio.sleep(10)
            core.network_reachable = True
            await asyncio.sleep(10)
            times = [packet.at - 20 for packet in registrar.requests if packet.at > 20]
            assert len(times) == 50
            assert min(times) < 0.5
            assert max(times) > 1.5

    async def test_stopping_without_a_network_does_not_wait(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            proxy.core.network_reachable = False
            began = now()
        assert now() == began
        assert proxy.state is NONE
        assert proxy.last_event is not None
        assert proxy.last_event.reason is Reason.NETWORK_DOWN

    async def test_any_word_for_yes_and_no(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            core = proxy.core
            core.network_reachable = cast("bool", 0)
            assert core.network_reachable is False
            assert proxy.state is REFRESHING
            core.network_reachable = cast("bool", 1)
            await proxy.wait_for(OK, timeout=5)

    async def test_all_can_be_renewed(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            proxies = [core.add_proxy_config(account(sip_registrar)) for _ in range(3)]
            idle = core.add_proxy_config(account(sip_registrar, register=False))
            for proxy in proxies:
                await proxy.registered(timeout=5)
            await asyncio.sleep(60)
            await core.refresh_registers()
            assert {proxy.state for proxy in proxies} == {REFRESHING}
            for proxy in proxies:
                await proxy.wait_for(OK, timeout=5)
            assert idle.state is NONE


@virtual
class TestRequests:
    async def test_TRA_17_the_registrar_may_ask_whether_we_live(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            response = await sip_registrar.options(AOR)
            assert response.status == 200
            assert proxy.core.stats.requests == 1

    async def test_the_application_may_answer(self, sip_registrar: Registrar) -> None:
        seen: list[IncomingRequest] = []

        async def handler(incoming: IncomingRequest) -> Response | None:
            seen.append(incoming)
            return incoming.response(486, "Busy Here", [("X-Mine", "1")])

        async with registered(sip_registrar, on_request=handler):
            response = await sip_registrar.options(AOR)
            assert (response.status, response.headers.get("X-Mine")) == (486, "1")
        (incoming,) = seen
        assert incoming.request.method == "OPTIONS"
        assert incoming.source == ("127.0.0.1", sip_registrar.port)

    async def test_ROB_8_a_handler_that_raises(
        self, sip_registrar: Registrar, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def handler(incoming: IncomingRequest) -> Response | None:
            raise RuntimeError("boom")

        async with registered(sip_registrar, on_request=handler) as proxy:
            assert (await sip_registrar.options(AOR)).status == 200
            assert proxy.state is OK
        assert "boom" in caplog.text


@virtual
class TestStats:
    async def test_what_was_sent_and_received_is_counted(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            assert core.stats == Stats()
            sip_registrar.answer_next(None, times=2)
            proxy = core.add_proxy_config(account(sip_registrar))
            await proxy.registered(timeout=10)
            stats = core.stats
            assert (stats.sent, stats.retransmitted, stats.received) == (4, 2, 2)
            await proxy.refresh(timeout=5)
            assert (stats.sent, core.stats.sent) == (4, 5)
        assert core.stats.sent == 6

    @pytest.mark.virtual_clock(delay=0.01, duplicate=1.0)
    async def test_TXN_6_doubled_answers_are_absorbed(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            await asyncio.sleep(1)
            assert proxy.core.stats.dropped["repeated"] >= 2


@virtual
class TestErrorsOfOurs:
    @pytest.mark.parametrize("method", ["received", "tick", "take"])
    async def test_ROB_8_one_account_fails_and_the_others_live(
        self, sip_registrar: Registrar, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str
    ) -> None:
        async with registered(sip_registrar, settings={"expires": 60}) as good:
            core = good.core
            events = core.events()
            real: Callable[..., Any] = getattr(Registration, method)

            def broken(machine: Registration, *arguments: Any) -> Any:
                if machine.session.params.id == "bad":
                    raise RuntimeError("boom")
                return real(machine, *arguments)

            monkeypatch.setattr(Registration, method, broken)
            if method == "tick":
                sip_registrar.answer_next(None)
            bad = core.add_proxy_config(account(sip_registrar, id="bad"))
            event = await bad.wait_for(FAILED, timeout=5)
            assert (event.reason, event.retry_at, event.binding) == (Reason.INTERNAL, None, None)
            with pytest.raises(RegistrationError):
                await bad.registered()
            records = [record for record in caplog.records if record.levelno >= logging.ERROR]
            assert [record.exc_info is not None for record in records] == [True]
            await asyncio.sleep(100)
            assert good.state is OK
            monkeypatch.undo()
            await bad.register(timeout=5)
        seen = [(event.proxy_config, event.state) async for event in events]
        assert (bad, FAILED) in seen
        assert (good, FAILED) not in seen
        assert sip_registrar.bindings == {}

    async def test_an_error_in_an_edit(
        self, sip_registrar: Registrar, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with registered(sip_registrar) as proxy:
            monkeypatch.setattr(Registration, "edit", lambda *_: 1 / 0)
            with proxy.edit() as draft:
                draft.expires = 300
            assert proxy.last_event is not None
            assert proxy.last_event.reason is Reason.INTERNAL
        assert "ZeroDivisionError" in caplog.text


SETTINGS: list[dict[str, Any]] = [
    {"user_agent": "a\r\nVia: b"},
    {"user_agent": "a\x00"},
    {"user_agent": "a\u202e"},
    {"auth_timeout": 0},
    {"auth_timeout": float("nan")},
    {"shutdown_timeout": -1},
    {"shutdown_timeout": float("inf")},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_SEC_11_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        Core(**settings)


@virtual
@pytest.mark.parametrize("agent", ["mine/1.0", None, ""])
async def test_SEC_35_the_user_agent_can_be_set_and_left_out(sip_registrar: Registrar, agent: str | None) -> None:
    async with registered(sip_registrar, user_agent=agent):
        assert sip_registrar.requests[0].request.headers.get("User-Agent") == (agent or None)


@virtual
async def test_nothing_but_the_virtual_loop_was_used() -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualClockLoop)


class TestRealSockets:
    """The same on the loopback interface: what a virtual network cannot show."""

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    async def test_a_life(self, host: str) -> None:
        async with Registrar(host=host) as registrar:
            async with registered(registrar) as proxy:
                events = proxy.events()
                await proxy.refresh(timeout=5)
                assert (await registrar.options(AOR)).status == 200
                (binding,) = registrar.bindings[AOR]
                assert binding.source[0] == host
            assert registrar.bindings == {}
        assert await told(events) == ["Ok", "Refreshing", "Ok", "Progress", "Cleared"]

    async def test_both_families_and_many_accounts_on_one_core(self) -> None:
        secrets = users(40)
        infos = [AuthInfo(user, password=secret) for user, secret in secrets.items()]
        async with Registrar(secrets) as one, Registrar(secrets, host="::1") as other, Core(auth=infos) as core:
            proxies = [
                core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com"))
                for user, registrar in zip(secrets, [one, other] * 20, strict=True)
            ]
            async with asyncio.timeout(10):
                for proxy in proxies:
                    await proxy.registered()
            assert (len(one.bindings), len(other.bindings)) == (20, 20)
        assert (one.bindings, other.bindings) == ({}, {})

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells an unconnected socket")
    async def test_TRA_12_a_closed_port_fails_at_once(self) -> None:
        async with Core(auth=TOTO) as core:
            server = f"sip:127.0.0.1:{free_port()}"
            proxy = core.add_proxy_config(ProxyParams(AOR, server=server))
            with pytest.raises(ServerUnreachable, match="Connection refused") as caught:
                await proxy.register(timeout=5)
            assert caught.value.event is not None
            assert caught.value.event.reason is Reason.IO_ERROR
            assert core.stats.dropped == {"icmp": 1}

    async def test_a_port_that_is_taken_is_reported(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            async with Registrar() as registrar, Core(transports=aiosipreg.TransportParams(udp=port)) as core:
                proxy = core.add_proxy_config(account(registrar))
                with pytest.raises(ServerUnreachable, match="in use"):
                    await proxy.register(timeout=5)

    async def test_junk_does_no_harm(self) -> None:
        junk: list[bytes] = [
            b"",
            b"\r\n\r\n",
            b"\0\1",
            bytes(300),
            b"SIP/2.0 200 OK\r\n\r\n",
            b"\xff" * 1000,
            b"INVITE",
        ]
        async with Registrar() as registrar, registered(registrar) as proxy:
            (binding,) = registrar.bindings[AOR]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for data in junk:
                    stranger.sendto(data, binding.source)
            await proxy.refresh(timeout=5)
            stats = proxy.core.stats
            assert sum(stats.dropped.values()) == len(junk)
            assert set(stats.dropped) == {"keep-alive", "stun", "malformed"}
