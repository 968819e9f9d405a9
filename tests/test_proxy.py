"""aiosipreg/proxy.py: one account as the application sees it, on a whole core and the registrar of the tests."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import (
    AuthChallenge,
    AuthenticationFailed,
    AuthInfo,
    Binding,
    ConfigError,
    Core,
    CoreClosedError,
    Reason,
    RegistrationError,
    RegistrationEvent,
    RegistrationRejected,
    RegistrationTimeout,
    ServerUnreachable,
)
from aiosipreg.states import worded
from aiosipreg.testing import Faults, Registrar
from aiosipreg.wire import NameAddr, Request, Response, SipUri
from tests.accounts import (
    AOR,
    CLEARED,
    FAILED,
    NONE,
    OK,
    PROGRESS,
    REFRESHING,
    TOTO,
    account,
    methods,
    registered,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiosipreg import ProxyConfig

pytestmark = pytest.mark.virtual_clock(delay=0.01)

SHOWN = (
    *("params", "id", "identity", "server", "state", "contact", "binding", "bindings", "expires_at", "refresh_at"),
    *("retry_at", "last_event", "service_route", "core"),
)


def now() -> float:
    return asyncio.get_running_loop().time()


class TestShown:
    async def test_an_account_that_does_not_register(self, sip_registrar: Registrar) -> None:
        async with Core() as core:
            params = account(sip_registrar, register=False, id="one")
            proxy = core.add_proxy_config(params)
            assert proxy.core is core
            assert (proxy.params, proxy.id, proxy.identity, proxy.server) == (params, "one", AOR, sip_registrar.uri)
            assert (proxy.state, proxy.bindings, proxy.service_route) == (NONE, (), ())
            for name in ("contact", "binding", "expires_at", "refresh_at", "retry_at", "last_event"):
                assert getattr(proxy, name) is None
            assert repr(proxy) == f"<ProxyConfig {AOR} None>"
        assert sip_registrar.requests == ()

    async def test_a_registered_account(self, sip_registrar: Registrar) -> None:
        route = ("Service-Route", "<sip:orig@192.0.2.1;lr>")
        sip_registrar.hook = lambda _, response: (
            Response(200, "OK", [*response.headers.items(), route]) if response.status == 200 else response
        )
        async with registered(sip_registrar, settings={"expires": 600}) as proxy:
            assert isinstance(proxy.binding, Binding)
            assert isinstance(proxy.contact, NameAddr)
            (stored,) = sip_registrar.bindings[AOR]
            assert proxy.contact.uri == stored.contact.uri
            assert proxy.bindings == (proxy.binding,)
            assert proxy.binding.contact == proxy.contact
            assert (proxy.binding.expires, proxy.retry_at) == (600.0, None)
            # REG-17: counted from when the request was sent.
            assert proxy.expires_at == pytest.approx(600.0, abs=0.1)
            assert proxy.refresh_at is not None
            assert 0.9 * 0.9 * 600 <= proxy.refresh_at <= 0.9 * 600 + 0.1
            assert [str(entry.uri) for entry in proxy.service_route] == ["sip:orig@192.0.2.1;lr"]

    async def test_REG_12_bindings_of_others_are_listed_and_left_alone(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as one, registered(sip_registrar) as other:
            assert other.contact != one.contact
            assert [binding.contact.uri for binding in other.bindings] == [
                binding.contact.uri for binding in sip_registrar.bindings[AOR]
            ]
            await other.unregister()
            (left,) = sip_registrar.bindings[AOR]
            assert one.contact is not None
            assert left.contact.uri == one.contact.uri

    @pytest.mark.parametrize("name", [*SHOWN, "expires", "register", "whatever"])
    async def test_nothing_can_be_set_and_the_error_names_the_way(self, sip_registrar: Registrar, name: str) -> None:
        async with Core() as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            with pytest.raises(AttributeError, match=r"edit\(\)"):
                setattr(proxy, name, 1)

    async def test_what_the_registrar_said_about_us(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            assert proxy.algorithm == "MD5"
            assert proxy.public_address is None

        def through_a_nat(_: Request, response: Response) -> Response:
            rows = [(name, value.replace("=127.0.0.1", "=203.0.113.7")) for name, value in response.headers.items()]
            return Response(response.status, response.reason, rows)

        sip_registrar.hook = through_a_nat
        async with registered(sip_registrar) as proxy:
            assert proxy.contact is not None
            assert isinstance(proxy.contact.uri, SipUri)
            assert proxy.public_address == ("203.0.113.7", proxy.contact.uri.port)
            assert proxy.contact.uri.host == "203.0.113.7"

    async def test_it_cannot_be_duplicated(self, sip_registrar: Registrar) -> None:
        async with Core() as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            with pytest.raises(TypeError, match="its params can"):
                copy.copy(proxy)

    async def test_the_account_shows_its_end(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            pass
        assert proxy.state is CLEARED
        assert proxy.binding is None
        assert proxy.last_event is not None
        assert proxy.last_event.state is CLEARED
        assert await told(proxy.events()) == ["Cleared"]


class TestEvents:
    async def test_an_event_is_made_only_for_who_looks_at_it(
        self, sip_registrar: Registrar, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[RegistrationEvent] = []

        def seen(*about: Any) -> RegistrationEvent:
            made.append(worded(*about))
            return made[-1]

        async with Core(auth=TOTO) as core:
            monkeypatch.setattr("aiosipreg.standing.worded", seen)
            proxy = core.add_proxy_config(account(sip_registrar))
            await asyncio.sleep(1)
            assert (proxy.state, made) == (OK, [])
            assert proxy.last_event is proxy.last_event is made[0]
            assert len(made) == 1
            assert made[0].at == sip_registrar.requests[-1].at + 0.01

    async def test_the_states_of_a_life_in_their_order(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, expires=60))
            events = proxy.events()
            await asyncio.sleep(40)
            with proxy.edit() as draft:
                draft.register = False
            await proxy.wait_for(CLEARED, timeout=5)
        assert await told(events) == ["Progress", "Ok", "Refreshing", "Ok", "Progress", "Cleared"]

    async def test_REG_40_an_event_says_everything(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            began = proxy.last_event
            event = await proxy.wait_for(OK, timeout=5)
            assert began is not None
            assert (began.old, began.state, began.status, began.binding) == (NONE, PROGRESS, 0, None)
            assert event is proxy.last_event
            assert event.proxy_config is proxy
            assert (event.identity, event.server) == (AOR, sip_registrar.uri)
            assert (event.old, event.state, event.reason) == (PROGRESS, OK, Reason.NONE)
            assert (event.status, event.phrase, event.warnings) == (200, "OK", ())
            assert event.message == "registered for 3600 s"
            assert event.binding == proxy.binding
            assert event.expires_at == proxy.expires_at
            assert (event.retry_at, event.retry_after, event.missed) == (None, None, 0)
            assert event.target == f"udp:127.0.0.1:{sip_registrar.port}"
            assert event.at == pytest.approx(now(), abs=0.1)

    async def test_a_failure_says_why_and_what_comes_next(self, sip_registrar: Registrar) -> None:
        warning = ("Warning", '399 registrar "try later \x1b[31m"'.replace("\x1b", ""))
        sip_registrar.answer_next(500, "Out of %s \u202e", headers=[warning, ("Retry-After", "100")])
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            event = await proxy.wait_for(FAILED, timeout=5)
            assert (event.status, event.reason) == (500, Reason.from_status(500))
            # SEC-38: text of the network cannot steer a terminal.
            assert event.phrase == "Out of %s \\xe2\\x80\\xae"
            assert event.warnings == ("try later [31m",)
            assert event.retry_after == 100
            assert event.retry_at is not None
            assert event.retry_at >= event.at + 100
            assert proxy.retry_at == event.retry_at
            assert "next attempt in" in event.message

    async def test_a_stream_begins_with_the_newest_event(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            events = proxy.events()
            assert (await anext(events)).state is OK
        assert await told(events) == ["Progress", "Cleared"]

    async def test_the_stream_of_an_account_ends_with_it(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy, Core() as other:
            other.add_proxy_config(account(sip_registrar, register=False))
            core = proxy.core
            assert isinstance(core, Core)
            reading = asyncio.create_task(told(proxy.events()))
            await core.remove_proxy_config(proxy)
            assert await reading == ["Ok", "Progress", "Cleared"]
            assert await told(proxy.events()) == ["Cleared"]

    async def test_a_slow_reader_learns_the_end_and_what_it_missed(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            events = proxy.events(buffer=2)
            for _ in range(10):
                await proxy.refresh()
        (last,) = [event async for event in events]
        assert (last.state, last.missed) == (CLEARED, 1 + 2 * 10 + 1)

    async def test_the_log_tells_the_same(self, sip_registrar: Registrar, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", "aiosipreg")
        async with registered(sip_registrar):
            pass
        assert [record.getMessage() for record in caplog.records] == [
            f"{AOR}: None -> Progress: registering",
            f"{AOR}: Progress -> Ok: registered for 3600 s",
            f"{AOR}: Ok -> Progress: unregistering",
            f"{AOR}: Progress -> Cleared: unregistered",
        ]


class TestRegister:
    async def test_it_returns_the_binding(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            assert await proxy.register(timeout=5) == proxy.binding
            assert proxy.state is OK

    async def test_a_registered_account_sends_nothing(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            before = len(sip_registrar.requests)
            assert await proxy.register() == proxy.binding
            assert len(sip_registrar.requests) == before

    async def test_a_refusal_is_raised_with_its_event(self, sip_registrar: Registrar) -> None:
        sip_registrar.answer_next(403, times=2)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            with pytest.raises(RegistrationRejected, match="403 Forbidden") as caught:
                await proxy.register(timeout=5)
            event = caught.value.event
            assert event is not None
            assert (event.status, event.reason, event.retry_at) == (403, Reason.FORBIDDEN, None)
            with pytest.raises(RegistrationRejected):
                await proxy.register(timeout=5)
            await proxy.register(timeout=5)
            assert proxy.state is OK

    async def test_SEC_27_a_loop_of_attempts_is_no_storm(self, sip_registrar: Registrar) -> None:
        sip_registrar.answer_next(403, times=100)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            while now() < 20:
                with pytest.raises(RegistrationRejected):
                    await proxy.register(timeout=5)
            assert len(sip_registrar.requests) <= 22

    async def test_no_answer_is_raised_with_what_was_tried(self, sip_registrar: Registrar) -> None:
        sip_registrar.faults = Faults(silence=True)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            with pytest.raises(ServerUnreachable) as caught:
                await proxy.register(timeout=60)
            assert now() == pytest.approx(32, abs=0.1)
            assert caught.value.tried == {f"udp:127.0.0.1:{sip_registrar.port}": "no answer"}
            assert caught.value.event is proxy.last_event

    async def test_a_time_limit_ends_the_wait_and_not_the_registration(self, sip_registrar: Registrar) -> None:
        sip_registrar.faults = Faults(delay=1.0)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            with pytest.raises(RegistrationTimeout, match=r"is Progress after 0\.5 s: registering") as caught:
                await proxy.register(timeout=0.5)
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.event is proxy.last_event
            await proxy.wait_for(OK, timeout=10)

    async def test_TXN_14_cancelling_ends_the_wait_and_not_the_registration(self, sip_registrar: Registrar) -> None:
        sip_registrar.faults = Faults(delay=1.0)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            waits: list[Awaitable[Any]] = [proxy.register(), proxy.registered(), proxy.wait_for(OK)]
            tasks = [asyncio.ensure_future(wait) for wait in waits]
            await asyncio.sleep(0.5)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(result) for result in results] == [asyncio.CancelledError] * 3
            assert proxy.state is PROGRESS
            await proxy.wait_for(OK, timeout=10)
            assert methods(sip_registrar) == [3600, 3600]
            assert sip_registrar.other_requests == ()  # nothing like a CANCEL

    async def test_F_35_one_that_comes_during_the_removal_is_carried_out_after_it(
        self, sip_registrar: Registrar
    ) -> None:
        async with registered(sip_registrar) as proxy:
            events = proxy.events()
            sip_registrar.faults = Faults(delay=0.5)
            removing = asyncio.create_task(proxy.unregister())
            await asyncio.sleep(0.1)
            binding = await proxy.register(timeout=10)
            await removing
            assert binding == proxy.binding
            assert proxy.params.register
            assert AOR in sip_registrar.bindings
        assert await told(events) == ["Ok", "Progress", "Cleared", "Progress", "Ok", "Progress", "Cleared"]

    async def test_in_refreshing_it_does_not_wait_for_the_next_attempt(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            sip_registrar.answer_next(500)
            with pytest.raises(RegistrationRejected):
                await proxy.refresh(timeout=5)
            began = now()
            await proxy.register(timeout=5)
            # At once, but for the one attempt a second of SEC-27.
            assert now() - began < 1.5


class TestRefresh:
    async def test_it_renews_now(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            await asyncio.sleep(100)
            binding = await proxy.refresh(timeout=5)
            assert binding.expires_at == pytest.approx(3700, abs=0.2)
            assert proxy.state is OK
            # AUTH-28: without another round trip.
            assert methods(sip_registrar) == [3600, 3600, 3600]

    @pytest.mark.parametrize("begun", [False, True])
    async def test_there_must_be_something_to_renew(self, sip_registrar: Registrar, begun: bool) -> None:
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=begun))
            if begun:
                await proxy.registered(timeout=5)
                await proxy.unregister()
            with pytest.raises(RegistrationError):
                await proxy.refresh()
            assert proxy.state in (NONE, CLEARED)

    async def test_a_refusal_is_raised_although_the_binding_lives(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            sip_registrar.answer_next(500)
            with pytest.raises(RegistrationRejected) as caught:
                await proxy.refresh(timeout=5)
            assert caught.value.event is not None
            assert caught.value.event.state is REFRESHING
            assert caught.value.event.retry_at is not None
            assert proxy.binding is not None
            assert await proxy.registered() == proxy.binding

    async def test_of_a_failed_account_it_is_another_attempt(self, sip_registrar: Registrar) -> None:
        sip_registrar.answer_next(403)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await proxy.wait_for(FAILED, timeout=5)
            await asyncio.sleep(5)
            assert await proxy.refresh(timeout=5) == proxy.binding


class TestRegistered:
    async def test_it_waits_through_failures(self, sip_registrar: Registrar) -> None:
        sip_registrar.answer_next(500, times=3)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await proxy.registered(timeout=3600)
            assert now() > 30

    async def test_it_gives_up_with_the_account(self, sip_registrar: Registrar) -> None:
        sip_registrar.answer_next(404)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            with pytest.raises(RegistrationRejected, match="404"):
                await proxy.registered(timeout=5)
            with pytest.raises(RegistrationRejected, match="404"):
                await proxy.registered()

    async def test_it_waits_for_whoever_begins(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            waiting = asyncio.create_task(proxy.registered())
            await asyncio.sleep(1000)
            assert not waiting.done()
            await proxy.register()
            assert await waiting == proxy.binding

    async def test_it_waits_for_the_network(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            core.network_reachable = False
            proxy = core.add_proxy_config(account(sip_registrar))
            with pytest.raises(RegistrationTimeout):
                await proxy.registered(timeout=100)
            core.network_reachable = True
            await proxy.registered(timeout=5)


class TestUnregister:
    async def test_the_binding_is_gone_and_stays_so(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            await proxy.unregister(timeout=5)
            assert proxy.state is CLEARED
            assert sip_registrar.bindings == {}
            before = len(sip_registrar.requests)
            await asyncio.sleep(86_400)
            await proxy.unregister()
            assert len(sip_registrar.requests) == before

    async def test_the_draft_shows_it_and_can_turn_it_round(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            await proxy.register(timeout=5)
            draft = proxy.edit()
            assert draft.register is True
            draft.register = False
            draft.done()
            await proxy.wait_for(CLEARED, timeout=5)
            with proxy.edit() as draft:
                draft.register = True
            await proxy.registered(timeout=5)
            await proxy.unregister(timeout=5)
            with proxy.edit() as draft:
                assert draft.register is False
                draft.expires = 300
            await asyncio.sleep(10)
            assert proxy.state is CLEARED

    async def test_one_that_was_never_registered_needs_none(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            await proxy.unregister()
            assert proxy.state is NONE

    async def test_during_the_first_attempt(self, sip_registrar: Registrar) -> None:
        sip_registrar.faults = Faults(delay=0.5)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await asyncio.sleep(1.5)
            await proxy.unregister(timeout=10)
            assert proxy.state is CLEARED
            assert sip_registrar.bindings == {}
            with pytest.raises(RegistrationTimeout):
                await proxy.registered(timeout=100)

    async def test_before_anything_was_sent(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await proxy.unregister(timeout=5)
            await asyncio.sleep(60)
            assert sip_registrar.requests == ()

    async def test_REG_25_a_silent_registrar_is_not_waited_for(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            sip_registrar.faults = Faults(silence=True)
            began = now()
            with pytest.raises(ServerUnreachable) as caught:
                await proxy.unregister()
            assert now() - began == pytest.approx(4.0)
            assert proxy.state is NONE
            assert caught.value.event is not None
            assert caught.value.event.reason is Reason.NO_RESPONSE
            # F-04: the binding may still be there, so another try means something.
            sip_registrar.faults = Faults()
            await proxy.unregister()
            assert proxy.state is CLEARED
            assert sip_registrar.bindings == {}

    async def test_F_03_a_failure_of_long_ago_is_not_raised_again(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, settings={"expires": 60}) as proxy:
            sip_registrar.faults = Faults(silence=True)
            with pytest.raises(ServerUnreachable):
                await proxy.unregister()
            await asyncio.sleep(100)
            await proxy.unregister()
            assert proxy.state is NONE

    async def test_a_refusal_is_raised(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            sip_registrar.answer_next(500)
            with pytest.raises(RegistrationRejected, match="500"):
                await proxy.unregister()

    async def test_REG_24_a_registrar_that_keeps_listing_us_is_reported(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            assert proxy.contact is not None
            contact = ("Contact", f"<{proxy.contact.uri}>;expires=100")
            sip_registrar.answer_next(200, headers=[contact])
            await proxy.unregister()
            assert proxy.state is CLEARED
            assert proxy.last_event is not None
            assert proxy.last_event.reason is Reason.UNCONFIRMED

    async def test_cancelling_the_wait_does_not_stop_the_removal(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            sip_registrar.faults = Faults(delay=0.5)
            removing = asyncio.create_task(proxy.unregister())
            await asyncio.sleep(0.1)
            removing.cancel()
            await proxy.wait_for(CLEARED, timeout=5)

    async def test_REG_23_all_bindings_can_be_removed(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as one, registered(sip_registrar) as other:
            assert len(sip_registrar.bindings[AOR]) == 2
            await other.clear_bindings(timeout=5)
            assert sip_registrar.bindings == {}
            assert (one.state, other.state) == (OK, CLEARED)

    async def test_REG_23_even_by_one_that_is_not_registered(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar), Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            await proxy.clear_bindings(timeout=5)
            assert sip_registrar.bindings == {}


class TestFetchBindings:
    """tests/test_fetch.py has the rest."""

    async def test_the_list_or_the_reason_why_not(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            found = await proxy.fetch_bindings(timeout=5)
            assert [binding.contact for binding in found] == [proxy.contact]
            sip_registrar.answer_next(404)
            with pytest.raises(RegistrationRejected, match="404"):
                await proxy.fetch_bindings()
            sip_registrar.faults = Faults(delay=3)
            asking = asyncio.create_task(proxy.fetch_bindings())
            await asyncio.sleep(0.1)
        with pytest.raises(CoreClosedError):
            await asking


class TestWaitFor:
    async def test_a_state_that_is_there_is_not_waited_for(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            assert await proxy.wait_for(FAILED, OK) is proxy.last_event

    async def test_a_state_that_comes(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, settings={"expires": 60}) as proxy:
            event = await proxy.wait_for(REFRESHING, CLEARED, timeout=60)
            assert (event.state, event.at) == (REFRESHING, now())

    async def test_it_has_an_end(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            with pytest.raises(RegistrationTimeout, match="is Ok after 10 s"):
                await proxy.wait_for(FAILED, timeout=10)

    async def test_the_end_without_any_event(self, sip_registrar: Registrar) -> None:
        async with Core() as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            with pytest.raises(RegistrationTimeout, match=r"is None after 1 s: not registered$") as caught:
                await proxy.wait_for(OK, timeout=1)
            assert caught.value.event.state is NONE


ASKS: dict[str, Callable[[ProxyConfig], Awaitable[object]]] = {
    "register": lambda proxy: proxy.register(),
    "refresh": lambda proxy: proxy.refresh(),
    "fetch_bindings": lambda proxy: proxy.fetch_bindings(),
    "unregister": lambda proxy: proxy.unregister(),
    "clear_bindings": lambda proxy: proxy.clear_bindings(),
    "registered": lambda proxy: proxy.registered(),
    "wait_for": lambda proxy: proxy.wait_for(OK),
}


class TestPause:
    async def test_a_paused_account_begins_nothing_until_it_is_resumed(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, settings={"expires": 600}) as proxy:
            proxy.pause()
            assert (proxy.paused, proxy.refresh_at, proxy.retry_at) == (True, None, None)
            await proxy.wait_for(FAILED, timeout=601)
            assert proxy.last_event is not None
            assert (proxy.last_event.reason, proxy.last_event.retry_at) == (Reason.EXPIRED, None)
            assert methods(sip_registrar) == [600, 600]  # the challenge and its answer
            proxy.resume()
            await proxy.wait_for(OK, timeout=10)
            assert (proxy.paused, methods(sip_registrar)) == (False, [600, 600, 600])

    async def test_a_paused_account_does_what_it_is_told(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            proxy.pause()
            await proxy.refresh(timeout=10)
            assert methods(sip_registrar) == [3600, 3600, 3600]


class TestWake:
    async def test_PUSH_4_a_binding_is_renewed_at_once(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            proxy.wake()
            assert proxy.state is REFRESHING
            await proxy.wait_for(OK, timeout=10)
            assert methods(sip_registrar) == [3600, 3600, 3600]

    async def test_F_40_an_account_that_waits_tries_early(self, sip_registrar: Registrar) -> None:
        sip_registrar.answer_next(503)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await proxy.wait_for(FAILED, timeout=10)
            proxy.wake()
            await proxy.wait_for(OK, timeout=1)


async def test_the_last_answer_can_be_read(sip_registrar: Registrar) -> None:
    sip_registrar.hook = lambda _, response: Response(
        response.status, response.reason, [*response.headers.items(), ("Server", "fake/1")], response.body
    )
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(account(sip_registrar))
        assert proxy.last_response is None
        await proxy.registered(timeout=10)
        assert proxy.last_response is not None
        assert (proxy.last_response.status, proxy.last_response.headers.get("Server")) == (200, "fake/1")


class TestRemoved:
    @pytest.mark.parametrize("name", [name for name in ASKS if name != "refresh"])
    async def test_a_removed_account_takes_no_wishes(self, sip_registrar: Registrar, name: str) -> None:
        async with registered(sip_registrar) as proxy, Core() as other:
            other.add_proxy_config(account(sip_registrar, register=False))
            assert isinstance(proxy.core, Core)
            await proxy.core.remove_proxy_config(proxy)
            before = len(sip_registrar.requests)
            with pytest.raises(CoreClosedError, match="was removed"):
                await ASKS[name](proxy)
            draft = proxy.edit()
            draft.expires = 60
            with pytest.raises(CoreClosedError, match="was removed"):
                draft.done()
            assert len(sip_registrar.requests) == before
            assert await proxy.wait_for(CLEARED) is proxy.last_event

    @pytest.mark.parametrize("name", ["register", "refresh", "fetch_bindings"])
    async def test_nor_does_one_that_is_being_removed(self, sip_registrar: Registrar, name: str) -> None:
        async with registered(sip_registrar) as proxy:
            assert isinstance(proxy.core, Core)
            sip_registrar.faults = Faults(delay=0.5)
            removing = asyncio.create_task(proxy.core.remove_proxy_config(proxy))
            await asyncio.sleep(0.1)
            with pytest.raises(CoreClosedError, match="is being removed"):
                await ASKS[name](proxy)
            draft = proxy.edit()
            draft.server = "sip:192.0.2.1"
            with pytest.raises(CoreClosedError, match="is being removed"):
                draft.done()
            await proxy.unregister()
            await removing
            await asyncio.sleep(10)
            assert sip_registrar.bindings == {}
            assert proxy.state is CLEARED

    async def test_whoever_waits_is_told(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            waiting = asyncio.create_task(proxy.wait_for(FAILED))
            await asyncio.sleep(1)
        with pytest.raises(CoreClosedError, match="was removed while somebody waited"):
            await waiting


class TestEdit:
    async def test_nothing_changed_sends_nothing(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            before = len(sip_registrar.requests)
            with proxy.edit() as draft:
                draft.expires = 3600
                draft.identity = "SIP:toto@SIP.titi.com"
                draft.realm = "another"
                draft.ref_key = "mine"
            await asyncio.sleep(60)
            assert len(sip_registrar.requests) == before
            assert proxy.params.ref_key == "mine"
            assert proxy.state is OK

    async def test_what_the_contact_says_goes_out_with_a_refresh(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            events = proxy.events()
            call_id = sip_registrar.requests[-1].request.call_id
            with proxy.edit() as draft:
                draft.expires = 300
                draft.contact_params = {"q": "0.5"}
                draft.headers = (("X-Mine", "1"),)
            await proxy.wait_for(OK, timeout=5)
            await asyncio.sleep(1)
            request = sip_registrar.requests[-1].request
            assert request.call_id == call_id
            assert request.headers.get("X-Mine") == "1"
            (binding,) = sip_registrar.bindings[AOR]
            assert binding.params["q"] == "0.5"
            assert proxy.binding is not None
            assert (proxy.binding.expires, proxy.params.expires) == (300, 300)
            assert methods(sip_registrar) == [3600, 3600, 300]
        assert await told(events) == ["Ok", "Refreshing", "Ok", "Progress", "Cleared"]

    async def test_REG_38_another_server_moves_the_binding(self, sip_registrar: Registrar) -> None:
        async with Registrar({"toto": "secret"}) as there, registered(sip_registrar) as proxy:
            events = proxy.events()
            with proxy.edit() as draft:
                draft.server = there.uri
            assert proxy.server == there.uri
            await proxy.wait_for(CLEARED, timeout=5)
            await proxy.registered(timeout=5)
            assert sip_registrar.bindings == {}
            assert AOR in there.bindings
            assert there.requests[0].request.call_id != sip_registrar.requests[0].request.call_id
            # AUTH-34: no proof of the secret before this server asked.
            assert there.requests[0].request.headers.get("Authorization") is None
        servers = [(str(event.state), event.server) async for event in events]
        assert servers == [
            ("Ok", sip_registrar.uri),
            ("Progress", sip_registrar.uri),
            ("Cleared", sip_registrar.uri),
            ("Progress", there.uri),
            ("Ok", there.uri),
            ("Progress", there.uri),
            ("Cleared", there.uri),
        ]

    async def test_REG_38_another_identity_moves_the_binding(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            with proxy.edit() as draft:
                draft.identity = "sip:toto@titi.example"
            await proxy.wait_for(CLEARED, timeout=5)
            await proxy.registered(timeout=5)
            assert list(sip_registrar.bindings) == ["sip:toto@titi.example"]

    async def test_a_move_from_a_dead_server_goes_on_all_the_same(self, sip_registrar: Registrar) -> None:
        async with Registrar({"toto": "secret"}) as there, registered(sip_registrar) as proxy:
            sip_registrar.faults = Faults(silence=True)
            with proxy.edit() as draft:
                draft.server = there.uri
            await proxy.wait_for(NONE, timeout=5)
            await proxy.registered(timeout=5)
            assert AOR in there.bindings

    async def test_a_move_during_the_first_attempt(self, sip_registrar: Registrar) -> None:
        sip_registrar.faults = Faults(delay=0.5)
        async with Registrar({"toto": "secret"}) as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await asyncio.sleep(1.5)
            assert proxy.state is PROGRESS
            with proxy.edit() as draft:
                draft.server = there.uri
            await proxy.registered(timeout=30)
            assert sip_registrar.bindings == {}
            assert AOR in there.bindings
            assert proxy.server == there.uri

    async def test_a_move_before_anything_was_sent(self, sip_registrar: Registrar) -> None:
        async with Registrar({"toto": "secret"}) as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            with proxy.edit() as draft:
                draft.server = there.uri
            await proxy.registered(timeout=30)
            assert sip_registrar.requests == ()
            assert AOR in there.bindings

    async def test_REG_6_changes_during_the_first_attempt_go_out_once_after_it(self, sip_registrar: Registrar) -> None:
        sip_registrar.faults = Faults(delay=0.2)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await asyncio.sleep(0.5)
            assert proxy.state is PROGRESS
            for expires in (300, 200, 100):
                with proxy.edit() as draft:
                    draft.expires = expires
            with proxy.edit() as draft:
                draft.ref_key = "mine"
            await proxy.wait_for(OK, timeout=10)
            await asyncio.sleep(10)
            assert methods(sip_registrar) == [3600, 3600, 100]
            assert (proxy.params.expires, proxy.params.ref_key) == (100, "mine")
            assert proxy.binding is not None
            assert proxy.binding.expires == 100

    async def test_a_setting_that_sends_nothing_is_not_undone_by_one_that_waits(self, sip_registrar: Registrar) -> None:
        sip_registrar.faults = Faults(delay=0.2)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await asyncio.sleep(0.5)
            with proxy.edit() as draft:
                draft.expires = 300
            with proxy.edit() as draft:
                draft.refresh_window = (0.1, 0.1)
            await proxy.wait_for(OK, timeout=10)
            await asyncio.sleep(5)
            assert proxy.refresh_at is not None
            assert proxy.refresh_at < 40

    async def test_REG_6_changes_during_a_refresh(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            sip_registrar.faults = Faults(delay=0.2)
            refreshing = asyncio.create_task(proxy.refresh())
            await asyncio.sleep(0.1)
            assert proxy.state is REFRESHING
            with proxy.edit() as draft:
                draft.expires = 300
            await refreshing
            await asyncio.sleep(5)
            assert methods(sip_registrar) == [3600, 3600, 3600, 300]

    async def test_stopping_during_a_refresh(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            sip_registrar.faults = Faults(delay=0.2)
            refreshing = asyncio.create_task(proxy.refresh())
            await asyncio.sleep(0.1)
            with proxy.edit() as draft:
                draft.register = False
            await proxy.wait_for(CLEARED, timeout=5)
            with pytest.raises(RegistrationError):
                await refreshing
            assert sip_registrar.bindings == {}
            assert methods(sip_registrar) == [3600, 3600, 3600, 0]

    async def test_there_and_back_while_the_removal_runs(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            sip_registrar.faults = Faults(delay=0.2)
            for register in (False, True, False, True):
                with proxy.edit() as draft:
                    draft.register = register
            await proxy.wait_for(CLEARED, timeout=5)
            await proxy.registered(timeout=5)
            assert AOR in sip_registrar.bindings

    async def test_two_moves_end_at_the_last(self, sip_registrar: Registrar) -> None:
        async with (
            Registrar({"toto": "secret"}) as second,
            Registrar({"toto": "secret"}) as third,
            registered(sip_registrar) as proxy,
        ):
            for registrar in (second, third):
                with proxy.edit() as draft:
                    draft.server = registrar.uri
            await proxy.wait_for(CLEARED, timeout=5)
            await proxy.registered(timeout=5)
            assert (sip_registrar.bindings, second.requests) == ({}, ())
            assert AOR in third.bindings

    async def test_a_change_that_waits_does_not_outlive_a_move(self, sip_registrar: Registrar) -> None:
        sip_registrar.faults = Faults(delay=0.2)
        async with Registrar({"toto": "secret"}) as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await asyncio.sleep(0.5)
            with proxy.edit() as draft:
                draft.expires = 300
            with proxy.edit() as draft:
                draft.server = there.uri
            await proxy.registered(timeout=30)
            await asyncio.sleep(30)
            assert (proxy.state, proxy.server) == (OK, there.uri)
            assert {str(packet.request.uri) for packet in there.requests} == {there.uri}
            assert methods(there) == [300, 300]

    async def test_settings_of_an_idle_account_hold_when_it_begins(self, sip_registrar: Registrar) -> None:
        async with Registrar({"toto": "secret"}) as there, registered(sip_registrar) as proxy:
            await proxy.unregister()
            with proxy.edit() as draft:
                draft.server = there.uri
                draft.expires = 100
            await asyncio.sleep(60)
            assert there.requests == ()
            await proxy.register(timeout=5)
            assert AOR in there.bindings
            assert methods(there) == [100, 100]

    async def test_a_setting_that_cannot_work_changes_nothing(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            before = proxy.params
            draft = proxy.edit()
            draft.expires = 0
            with pytest.raises(ConfigError, match="expires=0"):
                draft.done()
            assert proxy.params is before
            draft.expires = 60
            draft.done()
            assert proxy.params.expires == 60

    async def test_the_id_stays(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            draft = proxy.edit()
            draft.id = "another"
            with pytest.raises(ConfigError, match="id"):
                draft.done()

    async def test_the_old_binding_is_removed_with_the_old_credentials(self, sip_registrar: Registrar) -> None:
        users = {"toto": "secret", "tata": "other"}
        async with Registrar(users, one_time_nonce=True) as registrar, Core() as core:
            proxy = core.add_proxy_config(account(registrar, auth=TOTO))
            await proxy.registered(timeout=5)
            with proxy.edit() as draft:
                draft.identity = "sip:tata@sip.titi.com"
                draft.auth = AuthInfo("tata", password="other")
            await proxy.wait_for(CLEARED, timeout=5)
            await proxy.registered(timeout=5)
            assert list(registrar.bindings) == ["sip:tata@sip.titi.com"]
            names = [packet.request.headers.get("Authorization") or "" for packet in registrar.requests]
            assert ['"toto"' in name for name in names if name] == [True, True, True, False]


class TestCredentials:
    async def test_late_credentials_wake_the_account(self, sip_registrar: Registrar) -> None:
        async with Core() as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            events = proxy.events()
            with pytest.raises(AuthenticationFailed) as caught:
                await proxy.registered(timeout=5)
            assert caught.value.event is not None
            assert caught.value.event.reason is Reason.AUTH_UNAVAILABLE
            assert caught.value.event.retry_at is None
            await asyncio.sleep(86_400)
            assert len(sip_registrar.requests) == 1
            core.add_auth_info(AuthInfo("somebody", password="else"))
            await asyncio.sleep(10)
            core.add_auth_info(TOTO)
            await proxy.registered(timeout=5)
        assert await told(events) == [
            *("Progress", "Failed"),
            *("Progress", "Failed"),
            *("Progress", "Ok", "Progress", "Cleared"),
        ]

    async def test_AUTH_20_a_wrong_password_is_sent_once(self, sip_registrar: Registrar) -> None:
        async with Core(auth=AuthInfo("toto", password="wrong")) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            with pytest.raises(AuthenticationFailed, match="refused the password"):
                await proxy.registered(timeout=5)
            await asyncio.sleep(86_400)
            assert len(sip_registrar.requests) == 2
            core.add_auth_info(TOTO)
            await proxy.registered(timeout=5)

    async def test_the_accounts_own_credentials_come_first(self, sip_registrar: Registrar) -> None:
        async with Core(auth=AuthInfo("toto", password="wrong")) as core:
            proxy = core.add_proxy_config(account(sip_registrar, auth=TOTO))
            await proxy.registered(timeout=5)

    async def test_credentials_of_one_account_are_not_those_of_another(self, sip_registrar: Registrar) -> None:
        async with Core() as core:
            one = core.add_proxy_config(account(sip_registrar, auth=TOTO))
            other = core.add_proxy_config(account(sip_registrar))
            await one.registered(timeout=5)
            with pytest.raises(AuthenticationFailed):
                await other.registered(timeout=5)

    async def test_own_credentials_may_be_replaced_when_they_are_wrong(self, sip_registrar: Registrar) -> None:
        async with Core() as core:
            proxy = core.add_proxy_config(account(sip_registrar, auth=AuthInfo("toto", password="wrong")))
            await proxy.wait_for(FAILED, timeout=5)
            with proxy.edit() as draft:
                draft.auth = TOTO
            await proxy.registered(timeout=5)

    async def test_AUTH_25_the_provider_is_told_what_it_needs(self, sip_registrar: Registrar) -> None:
        asked = []

        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            asked.append(challenge)
            return AuthInfo(challenge.username, password="secret")

        async with Core(auth=provider) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await proxy.registered(timeout=5)
            await proxy.refresh(timeout=5)
        (challenge,) = asked
        assert challenge.proxy_config is proxy
        assert (challenge.username, challenge.domain, challenge.realm) == ("toto", "sip.titi.com", "sip.example.org")
        assert (challenge.scheme, challenge.algorithms, challenge.attempt) == ("Digest", ("MD5",), 1)
        assert (challenge.secure, challenge.stale) == (False, False)
        assert challenge.server == f"udp:127.0.0.1:{sip_registrar.port}"

    async def test_the_account_may_have_a_provider_of_its_own(self, sip_registrar: Registrar) -> None:
        async def own(challenge: AuthChallenge) -> AuthInfo | None:
            return TOTO

        async def shared(challenge: AuthChallenge) -> AuthInfo | None:
            return None

        async with Core(auth=shared) as core:
            one = core.add_proxy_config(account(sip_registrar, auth=own))
            other = core.add_proxy_config(account(sip_registrar))
            await one.registered(timeout=5)
            with pytest.raises(AuthenticationFailed):
                await other.registered(timeout=5)

    async def test_a_provider_of_its_own_is_asked_before_the_credentials_of_the_core(
        self, sip_registrar: Registrar
    ) -> None:
        asked = []

        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            asked.append(challenge)
            return None if len(asked) == 1 else TOTO

        async with Core(auth=AuthInfo("toto", password="wrong")) as core:
            proxy = core.add_proxy_config(account(sip_registrar, auth=provider))
            # It had nothing to say, so those of the core were tried.
            with pytest.raises(AuthenticationFailed, match="refused the password"):
                await proxy.registered(timeout=5)
            await asyncio.sleep(5)
            await proxy.register(timeout=5)
            assert len(asked) == 2

    async def test_a_slow_provider_holds_up_nobody_else(self, sip_registrar: Registrar) -> None:
        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            await asyncio.sleep(9)
            return TOTO

        async with Core(auth=TOTO) as core:
            slow = core.add_proxy_config(account(sip_registrar, auth=provider))
            quick = core.add_proxy_config(account(sip_registrar))
            await quick.registered(timeout=1)
            assert slow.state is PROGRESS
            await slow.registered(timeout=10)

    async def test_AUTH_25_one_that_hangs_fails_and_is_asked_again_later(self, sip_registrar: Registrar) -> None:
        asked = []

        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            asked.append(now())
            if len(asked) == 1:
                await asyncio.Event().wait()
            return TOTO

        async with Core(auth=provider, auth_timeout=3) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            event = await proxy.wait_for(FAILED, timeout=60)
            assert now() == pytest.approx(3, abs=0.1)
            assert event.reason is Reason.AUTH_PROVIDER_FAILED
            assert "no answer within 3 s" in event.message
            assert event.retry_at is not None
            await proxy.registered(timeout=120)
            assert len(asked) == 2

    @pytest.mark.parametrize(
        ("result", "message"),
        [
            (ValueError("no vault"), "it raised ValueError"),
            (asyncio.CancelledError(), "it was cancelled"),
            ("secret", "it returned str, not AuthInfo"),
        ],
    )
    async def test_one_that_fails_is_told_about(self, sip_registrar: Registrar, result: Any, message: str) -> None:
        async def provider(challenge: AuthChallenge) -> Any:
            if isinstance(result, BaseException):
                raise result
            return result

        async with Core(auth=provider) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            event = await proxy.wait_for(FAILED, timeout=5)
            assert event.reason is Reason.AUTH_PROVIDER_FAILED
            assert message in event.message
            assert event.retry_at is not None

    async def test_one_that_knows_nothing_is_not_asked_again(self, sip_registrar: Registrar) -> None:
        asked = []

        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            asked.append(challenge)
            return None

        async with Core(auth=provider) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            event = await proxy.wait_for(FAILED, timeout=5)
            assert (event.reason, event.retry_at) == (Reason.AUTH_UNAVAILABLE, None)
            await asyncio.sleep(86_400)
            assert len(asked) == 1

    async def test_one_whose_answer_is_refused_is_not_asked_in_a_loop(self, sip_registrar: Registrar) -> None:
        asked = []

        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            asked.append(challenge.attempt)
            return AuthInfo("toto", password="wrong")

        async with Core(auth=provider) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            event = await proxy.wait_for(FAILED, timeout=60)
            assert event.reason is Reason.UNAUTHORIZED
            await asyncio.sleep(86_400)
            assert len(sip_registrar.requests) == 2
            assert asked == [1]

    async def test_unregistering_does_not_wait_for_it(self, sip_registrar: Registrar) -> None:
        ended = []

        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(now())
            return None

        async with Core(auth=provider) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await asyncio.sleep(2)
            await proxy.unregister(timeout=1)
            assert proxy.state is CLEARED
        assert ended
        assert len(sip_registrar.requests) == 1

    async def test_what_it_answers_too_late_is_not_sent(self, sip_registrar: Registrar) -> None:
        gate = asyncio.Event()

        async def provider(challenge: AuthChallenge) -> AuthInfo | None:
            try:
                await gate.wait()
            except asyncio.CancelledError:
                return TOTO
            return TOTO

        async with Core(auth=provider) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            await asyncio.sleep(2)
            await proxy.unregister()
            gate.set()
            await asyncio.sleep(60)
            assert len(sip_registrar.requests) == 1
            assert proxy.state is CLEARED


class TestRegistrarTroubles:
    async def test_RSP_403_ends_it_until_something_changes(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, settings={"expires": 600}) as proxy:
            sip_registrar.answer_next(403)
            event = await proxy.wait_for(FAILED, timeout=600)
            assert event.old is REFRESHING
            assert proxy.binding is None
            before = len(sip_registrar.requests)
            await asyncio.sleep(86_400)
            assert len(sip_registrar.requests) == before

    async def test_F_26_a_binding_outlives_the_failure_of_its_refresh(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, settings={"expires": 600}) as proxy:
            events = proxy.events()
            sip_registrar.faults = Faults(silence=True)
            # F-24 or F-29: between two attempts, or during one.
            ended = await proxy.wait_for(FAILED, PROGRESS, timeout=1000)
            assert ended.at == pytest.approx(600, abs=1)
            assert proxy.binding is None
            sip_registrar.faults = Faults()
            await proxy.registered(timeout=3600)
        seen = [event async for event in events]
        refreshing = [event for event in seen if event.state is REFRESHING]
        assert len(refreshing) >= 2
        assert refreshing[0].reason is Reason.NONE
        for event in refreshing[1:]:
            assert event.reason is Reason.NO_RESPONSE
            assert event.retry_at is not None
            assert event.binding is not None

    async def test_RSP_423_the_registrar_names_the_lifetime(self) -> None:
        async with (
            Registrar({"toto": "secret"}, min_expires=1800) as registrar,
            registered(registrar, settings={"expires": 600}) as proxy,
        ):
            assert proxy.binding is not None
            assert proxy.binding.expires == 1800
            assert proxy.params.expires == 600

    async def test_an_odd_answer_is_not_ours(self, sip_registrar: Registrar) -> None:
        def tampered(request: Request, response: Response) -> Response:
            rows = [(name, "other" if name == "Call-ID" else value) for name, value in response.headers.items()]
            return Response(response.status, response.reason, rows)

        sip_registrar.hook = tampered
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            with pytest.raises(RegistrationTimeout):
                await proxy.registered(timeout=20)
            assert core.stats.dropped["mismatch: Call-ID"] > 0
            sip_registrar.hook = None
