"""Several flows of one account (RFC 5626), on a whole core and registrars that take part in outbound."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import AuthInfo, ConfigError, Core, FileStore, OutboundFlow, ProxyParams, Reason, RegistrationError
from aiosipreg.testing import Faults, Registrar
from tests.accounts import AOR, CLEARED, FAILED, NONE, OK, PROGRESS, REFRESHING, TOTO, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiosipreg import ProxyConfig, RegistrationEvent
    from aiosipreg.engine.course import Course

pytestmark = pytest.mark.virtual_clock(delay=0.01)

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


class Edges:
    """Two edge proxies, which are registrars here, so that each has the bindings of its own flow."""

    def __init__(self, one: Registrar, two: Registrar) -> None:
        self.one = one
        self.two = two

    def __iter__(self) -> Any:
        return iter((self.one, self.two))

    def params(self, **settings: Any) -> ProxyParams:
        usual: dict[str, Any] = {"instance_id": INSTANCE, "outbound_proxies": (self.one.uri, self.two.uri)}
        return ProxyParams(AOR, **{**usual, **settings})


@asynccontextmanager
async def edges(*transports: Any, **options: Any) -> AsyncIterator[Edges]:
    listens: Any = transports or ("tcp",)
    async with (
        Registrar(host="127.0.0.1", transports=listens, **options) as one,
        Registrar(host="127.0.0.2", transports=listens, **options) as two,
    ):
        yield Edges(one, two)


async def both(proxy: ProxyConfig, within: float = 30.0) -> None:
    """Wait until both flows are there."""
    async with asyncio.timeout(within), aclosing(proxy.events()) as events:
        while [flow.state for flow in proxy.flows] != [OK, OK]:
            await anext(events)


def moves(events: list[RegistrationEvent]) -> list[tuple[int | None, str, str]]:
    return [(event.flow, str(event.old), str(event.state)) for event in events]


async def collected(stream: AsyncIterator[RegistrationEvent]) -> list[RegistrationEvent]:
    return [event async for event in stream]


class TestBeginning:
    async def test_OUTB_5_6_an_account_registers_through_both_proxies(self) -> None:
        async with edges() as there:
            async with Core(auth=TOTO) as core:
                proxy = core.add_proxy_config(there.params())
                assert (await proxy.registered(timeout=5)).reg_id == 1
                await both(proxy)
                for number, registrar in enumerate(there, 1):
                    [binding] = registrar.bindings[AOR]
                    assert (binding.reg_id, binding.instance_id) == (number, INSTANCE)
                calls = {packet.request.call_id for registrar in there for packet in registrar.requests}
                assert len(calls) == 2
                for number, (flow, registrar) in enumerate(zip(proxy.flows, there, strict=True), 1):
                    assert flow.binding is not None
                    assert flow == OutboundFlow(
                        reg_id=number,
                        server=f"{registrar.uri};lr",
                        state=OK,
                        outbound=True,
                        binding=flow.binding,
                        target=f"tcp:{registrar.host}:{registrar.port}",
                        retry_at=None,
                        failures=0,
                    )
            assert [registrar.bindings for registrar in there] == [{}, {}]

    async def test_F_56_the_first_flow_is_asked_before_the_second(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params())
            events = proxy.events()
            await both(proxy)
            await core.stop()
            assert moves(await collected(events)) == [
                (1, "None", "Progress"), (1, "Progress", "Ok"), (2, "Ok", "Ok"), (2, "Ok", "Ok"),
                (1, "Ok", "Progress"), (2, "Progress", "Progress"), (1, "Progress", "Progress"),
                (2, "Progress", "Cleared"),
            ]  # fmt: skip

    async def test_OUTB_7_8_a_registrar_without_outbound_gets_one_plain_registration(self) -> None:
        async with edges(outbound=False) as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params(expires=120))
            await proxy.registered(timeout=5)
            await asyncio.sleep(1000)
            assert there.two.requests == ()
            assert [(flow.state, flow.outbound) for flow in proxy.flows] == [(OK, False), (NONE, None)]
            assert len(there.one.bindings[AOR]) == 1

    async def test_OUTB_8_a_dead_first_proxy_does_not_hold_up_the_second(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            await there.one.__aexit__(None, None, None)
            proxy = core.add_proxy_config(there.params())
            binding = await proxy.registered(timeout=5)
            assert binding.reg_id == 2
            assert [flow.state for flow in proxy.flows] == [FAILED, OK]
            # It is asked again in the time of an account that has another flow (F-55).
            retry_at = proxy.flows[0].retry_at
            assert retry_at is not None
            assert proxy.retry_at == retry_at
            await there.one.__aenter__()
            await asyncio.sleep(70)
            await both(proxy)

    async def test_F_56_without_outbound_a_proxy_that_failed_is_not_asked_again(self) -> None:
        async with edges(outbound=False) as there, Core(auth=TOTO) as core:
            await there.one.__aexit__(None, None, None)
            proxy = core.add_proxy_config(there.params())
            await proxy.registered(timeout=5)
            assert [(flow.state, flow.outbound) for flow in proxy.flows] == [(CLEARED, None), (OK, False)]
            await there.one.__aenter__()
            await asyncio.sleep(3600)
            assert there.one.requests == ()
            assert len(there.two.bindings[AOR]) == 1

    async def test_flows_that_never_come_to_rest_are_told_of_all_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params())
            reviews = 0

            def review(flows: tuple[Course, ...]) -> tuple[tuple[Course, ...], tuple[Course, ...]]:
                nonlocal reviews
                reviews += 1
                return flows, ()

            monkeypatch.setattr("aiosipreg.flows.review", review)
            await both(proxy)
            assert reviews > 0

    async def test_register_waits_for_all_that_may_still_work(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            await there.one.__aexit__(None, None, None)
            proxy = core.add_proxy_config(there.params(register=False))
            assert (await proxy.register(timeout=5)).reg_id == 2
            await proxy.unregister(timeout=5)
            await there.two.__aexit__(None, None, None)
            with pytest.raises(RegistrationError) as caught:
                await proxy.register(timeout=5)
            event = caught.value.event
            assert (event.state, event.flow, event.reason) == (FAILED, 2, Reason.IO_ERROR)
            assert event.retry_at is not None
            await there.one.__aenter__()
            await there.two.__aenter__()

    async def test_a_wrong_password_is_not_tried_through_the_next_proxy(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            for registrar in there:
                registrar.hook = lambda request, response: response if response.status != 200 else None
            there.one.answer_next(403)
            proxy = core.add_proxy_config(there.params())
            event = await proxy.wait_for(FAILED, timeout=5)
            assert event.retry_at is None
            assert there.two.requests == ()

    @pytest.mark.parametrize("settings", [{"outbound_proxies": ("sip:edge.titi.com",)}, {"outbound": True}])
    async def test_OUTB_1_outbound_needs_an_instance_id(self, settings: dict[str, Any]) -> None:
        async with Core() as core:
            with pytest.raises(ConfigError, match=r"urn:uuid.*store") as caught:
                core.add_proxy_config(ProxyParams(AOR, register=False, **settings))
            assert caught.value.field == "instance_id"
            assert core.proxy_configs == ()
            proxy = core.add_proxy_config(ProxyParams(AOR, register=False))
            draft = proxy.edit()
            for name, value in settings.items():
                setattr(draft, name, value)
            with pytest.raises(ConfigError):
                draft.done()
            assert not proxy.params.outbound
            assert proxy.params.outbound_proxies == ()

    async def test_OUTB_1_a_store_has_one(self, tmp_path: Path) -> None:
        for _ in range(2):
            async with edges() as there, Core(auth=TOTO, store=FileStore(tmp_path / "accounts.db")) as core:
                proxy = core.add_proxy_config(there.params(instance_id=None, id="toto"))
                await both(proxy)
                ids = {binding.instance_id for registrar in there for binding in registrar.bindings[AOR]}
                assert ids == {proxy.params.instance_id}


class TestLoss:
    async def test_F_50_OUTB_13_one_flow_that_lives_keeps_the_account_ok(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params())
            await both(proxy)
            await asyncio.sleep(200)  # The first pings were answered.
            events = proxy.events()
            await anext(events)
            there.one.kill_connections()
            lost = await anext(events)
            assert (proxy.state, [flow.state for flow in proxy.flows]) == (OK, [REFRESHING, OK])
            assert proxy.binding is not None
            assert proxy.binding.reg_id == 2
            await both(proxy)
            [binding] = there.one.bindings[AOR]
            assert binding.reg_id == 1
            await core.stop()
            back, *_ = await collected(events)
            assert moves([lost, back]) == [(1, "Ok", "Ok"), (1, "Ok", "Ok")]
            assert (lost.reason, back.reason) == (Reason.IO_ERROR, Reason.NONE)
            assert lost.message.startswith("flow 1: the connection to the server was lost")
            assert lost.binding is not None
            assert lost.binding.reg_id == 2
            assert lost.retry_at is not None
            assert lost.retry_at - lost.at <= 2
            assert back.message == "flow 1: registered for 3600 s"

    async def test_RSP_430_OUTB_13_a_flow_that_failed_is_replaced_by_another_connection(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params())
            await both(proxy)
            await asyncio.sleep(200)
            [before], [other] = there.one.connections, there.two.connections
            there.one.answer_next(430)
            await proxy.refresh(timeout=5)
            assert [flow.state for flow in proxy.flows] == [REFRESHING, OK]
            await asyncio.sleep(1)
            assert (proxy.flows[0].failures, there.one.connections) == (1, ())
            await both(proxy, within=300)
            [after] = there.one.connections
            assert after != before
            assert there.two.connections == (other,)
            [binding] = there.one.bindings[AOR]
            assert binding.reg_id == 1

    async def test_RSP_430_a_connection_that_failed_has_failed_for_all_who_share_it(self) -> None:
        users = {"toto": "secret", "tata": "secret", "titi": "secret"}
        async with Registrar(users, transports=("tcp",)) as registrar:
            infos = [AuthInfo(user, password="secret") for user in users]
            async with Core(auth=infos) as core:
                toto, *others = [
                    core.add_proxy_config(ProxyParams(f"sip:{user}@sip.titi.com", server=registrar.uri))
                    for user in users
                ]
                for proxy in (toto, *others):
                    await proxy.registered(timeout=5)
                await asyncio.sleep(200)
                [before] = registrar.connections
                registrar.answer_next(430)
                with pytest.raises(RegistrationError):
                    await toto.refresh(timeout=5)
                assert toto.state is REFRESHING
                # They register anew, spread out over 2 s; the one that was refused waits as after any failure.
                for proxy in others:
                    event = await proxy.wait_for(REFRESHING, timeout=1)
                    assert "the flow is broken on the server's side" in event.message
                    assert event.retry_at is not None
                    assert event.retry_at - event.at <= 2
                await asyncio.sleep(3)
                assert [proxy.state for proxy in (toto, *others)] == [REFRESHING, OK, OK]
                [after] = registrar.connections
                assert after != before
                await toto.wait_for(OK, timeout=60)
                assert registrar.connections == (after,)

    async def test_F_51_53_when_all_are_lost_the_account_says_so(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params(expires=600))
            await both(proxy)
            events = proxy.events()
            for registrar in there:
                await registrar.__aexit__(None, None, None)
            await asyncio.sleep(1)
            assert proxy.state is REFRESHING
            event = await proxy.wait_for(FAILED, timeout=700)
            assert [flow.state for flow in proxy.flows] == [FAILED, FAILED]
            assert event.retry_at is not None
            assert event.retry_at == min(flow.retry_at for flow in proxy.flows if flow.retry_at is not None)
            for registrar in there:
                await registrar.__aenter__()
            await both(proxy, within=1000)
            await core.stop()
            await told(events)  # Each goes on from the one before it.

    async def test_KA_6_OUTB_13_a_server_that_falls_silent_is_noticed_by_its_missing_pong(self) -> None:
        async with edges(flow_timer=30) as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params())
            await both(proxy)
            await asyncio.sleep(100)
            assert len(there.one.pings) >= 3
            there.one.pongs = False
            events = proxy.events()
            await anext(events)
            lost = await anext(events)
            assert (lost.flow, lost.state, proxy.flows[0].state) == (1, OK, REFRESHING)
            assert "no answer to a ping within 10 s" in lost.message
            before = there.one.connections
            there.one.pongs = True
            await both(proxy)
            [after] = there.one.connections
            assert after not in before
            await events.aclose()

    async def test_OUTB_16_F_55_a_server_that_never_pongs_is_asked_ever_more_rarely(self) -> None:
        async with edges(flow_timer=30) as there, Core(auth=TOTO) as core:
            there.one.pongs = False
            proxy = core.add_proxy_config(there.params())
            await both(proxy)
            await asyncio.sleep(4 * 3600)
            assert proxy.flows[0].failures >= 5
            assert proxy.flows[1].failures == 0
            registered = [packet for packet in there.one.responses if packet.response.status == 200]
            assert 8 <= len(registered) <= 20

    async def test_refresh_of_all_flows_fails_only_with_the_last(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params())
            await both(proxy)
            there.one.answer_next(503)
            binding = await proxy.refresh(timeout=5)
            assert binding.reg_id == 2
            assert [flow.state for flow in proxy.flows] == [REFRESHING, OK]
            for registrar in there:
                registrar.answer_next(503, times=2)
            with pytest.raises(RegistrationError):
                await proxy.refresh(timeout=10)


class TestEdit:
    async def test_OUTB_5_proxies_come_and_go(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(ProxyParams(AOR, server=there.one.uri, instance_id=INSTANCE))
            await proxy.registered(timeout=5)
            assert [flow.outbound for flow in proxy.flows] == [False]
            with proxy.edit() as draft:
                draft.outbound_proxies = (there.one.uri, there.two.uri)
            await both(proxy)
            [one], [two] = there.one.bindings[AOR], there.two.bindings[AOR]
            assert (one.reg_id, two.reg_id) == (1, 2)
            # The first stays as it is when only the second changes.
            before = len(there.one.requests)
            with proxy.edit() as draft:
                draft.outbound_proxies = (there.one.uri,)
            await asyncio.sleep(1)
            assert len(proxy.flows) == 1
            assert there.two.bindings == {}
            assert len(there.one.requests) == before
            assert proxy.state is OK
            with proxy.edit() as draft:
                draft.outbound_proxies = ()
            await asyncio.sleep(1)
            assert [flow.outbound for flow in proxy.flows] == [False]
            [binding] = there.one.bindings[AOR]
            assert binding.reg_id is None

    async def test_a_proxy_that_comes_back_at_once_is_registered_after_its_removal(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params())
            await both(proxy)
            for proxies in ((there.one.uri,), (there.one.uri, there.two.uri)):
                with proxy.edit() as draft:
                    draft.outbound_proxies = proxies
            await asyncio.sleep(1)
            await both(proxy)
            lifetimes = [packet.request.expires for packet in there.two.requests]
            assert lifetimes == [3600, 3600, 0, 3600]
            [binding] = there.two.bindings[AOR]
            assert binding.reg_id == 2

    async def test_another_edit_leaves_a_flow_alone_that_is_leaving(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params())
            await both(proxy)
            with proxy.edit() as draft:
                draft.outbound_proxies = (there.one.uri,)
            with proxy.edit() as draft:
                draft.expires = 600
            await asyncio.sleep(1)
            assert [packet.request.expires for packet in there.two.requests] == [3600, 3600, 0]
            assert there.one.requests[-1].request.expires == 600
            assert there.two.bindings == {}

    async def test_an_edit_reaches_every_flow(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params())
            await both(proxy)
            with proxy.edit() as draft:
                draft.expires = 600
            await both(proxy)
            assert [registrar.requests[-1].request.expires for registrar in there] == [600, 600]
            with proxy.edit() as draft:
                draft.register = False
            await proxy.wait_for(CLEARED, timeout=5)
            assert [registrar.bindings for registrar in there] == [{}, {}]
            with proxy.edit() as draft:
                draft.register = True
            assert [flow.state for flow in proxy.flows] == [PROGRESS, CLEARED]
            await both(proxy)

    async def test_the_account_may_end_while_a_flow_is_leaving(self) -> None:
        async with edges() as there, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(there.params())
            await both(proxy)
            there.two.hook = lambda request, response: None
            with proxy.edit() as draft:
                draft.outbound_proxies = (there.one.uri,)
            await core.remove_proxy_config(proxy)
            assert proxy.state is CLEARED
            assert there.one.bindings == {}


async def test_fetch_goes_through_the_first_proxy() -> None:
    async with edges() as there, Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(there.params())
        await both(proxy)
        [binding] = await proxy.fetch_bindings(timeout=5)
        assert binding.reg_id == 1
        assert there.one.requests[-1].request.headers.get("Route") == f"<{there.one.uri};lr>"


async def test_RSP_403_clearing_all_bindings_ends_all_flows() -> None:
    async with edges() as there, Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(there.params())
        await both(proxy)
        await proxy.clear_bindings(timeout=5)
        assert [flow.state for flow in proxy.flows] == [CLEARED, CLEARED]
        assert [registrar.bindings for registrar in there] == [{}, {}]


async def test_OUTB_10_11_over_udp_too() -> None:
    async with edges("udp", flow_timer=60) as there, Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(there.params())
        await both(proxy)
        await asyncio.sleep(200)
        assert all(len(registrar.pings) >= 3 for registrar in there)
        there.one.faults = Faults(silence=True)
        await asyncio.sleep(60 + 40)
        assert [flow.state for flow in proxy.flows] == [REFRESHING, OK]
        there.one.faults = Faults()
        await both(proxy, within=400)
