"""liblinphone's suite "Account"; `rows.py` has all of it. Where we do better on purpose the docstring says so."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from aiosipreg import Core, CoreClosedError, NatMode, ProxyParams, Reason
from aiosipreg.testing import Faults, Registrar
from tests.accounts import AOR, CLEARED, NONE, OK, REFRESHING, TOTO, account, methods, registered, told
from tests.parity.scene import counted, failing_sends, now, packets, requests

pytestmark = pytest.mark.virtual_clock(delay=0.01)

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


async def test_account_01_simple_account_creation(sip_registrar: Registrar) -> None:
    """Better: an account is found by its id, of which there is one; liblinphone takes the first of equal identities."""
    async with Core(auth=TOTO) as core:
        assert (core.proxy_configs, core.default_proxy_config) == ((), None)
        one = core.add_proxy_config(account(sip_registrar, id="one", ref_key="blue"))
        other = core.add_proxy_config(account(sip_registrar, id="other"))
        assert core.proxy_configs == (one, other)
        assert core.default_proxy_config is one
        core.default_proxy_config = other
        assert core.default_proxy_config is other
        assert (core.proxy_config("one"), core.proxy_config("other")) == (one, other)
        assert one.params.ref_key == "blue"


async def test_account_02_simple_account_creation_with_removal(sip_registrar: Registrar) -> None:
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(account(sip_registrar))
        await proxy.registered(timeout=5)
        events = proxy.events()
        await core.remove_proxy_config(proxy)
        assert methods(sip_registrar)[-1] == 0
        assert await counted(events) == {"Ok": 1, "Progress": 1, "Cleared": 1}
        assert core.proxy_configs == ()
        gone = weakref.ref(proxy)
        del proxy, events
        await asyncio.sleep(60)  # Answers that come late are looked out for until then.
        gc.collect()
        assert gone() is None


@pytest.mark.parametrize("known", [True, False])
async def test_account_03_simple_account_creation_with_removal_offline(sip_registrar: Registrar, known: bool) -> None:
    """Better: at once if the core was told that there is no network, else after ``shutdown_timeout``; both are told."""
    async with registered(sip_registrar, shutdown_timeout=3) as proxy:
        core, events = proxy.core, proxy.events()
        sip_registrar.faults = Faults(silence=True)
        core.network_reachable = not known
        began = now()
        await core.remove_proxy_config(proxy)
        assert now() - began == pytest.approx(0 if known else 3)
        assert core.proxy_configs == ()
        assert proxy.last_event is not None
        assert proxy.last_event.state is NONE
        assert proxy.last_event.reason is (Reason.NETWORK_DOWN if known else Reason.NO_RESPONSE)
        assert (await told(events))[-1] == "None"


async def test_account_04_simple_account_creation_with_removal_and_shutdown(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar) as proxy:
        events = proxy.events()
        removing = asyncio.create_task(proxy.core.remove_proxy_config(proxy))
        await asyncio.sleep(0)
    await removing
    assert sip_registrar.bindings == {}
    assert methods(sip_registrar) == [3600, 3600, 0]
    assert await told(events) == ["Ok", "Progress", "Cleared"]


async def test_account_05_default_account_removal(sip_registrar: Registrar) -> None:
    """Better: the role passes to the next account, and is nobody's only when there is none."""
    async with Core(auth=TOTO) as core:
        first = core.add_proxy_config(account(sip_registrar))
        second = core.add_proxy_config(account(sip_registrar, register=False))
        await first.registered(timeout=5)
        await core.remove_proxy_config(first)
        assert first.state is CLEARED
        assert core.default_proxy_config is second
        await core.remove_proxy_config(second)
        assert core.default_proxy_config is None


async def test_account_06_default_account_removal_while_refreshing(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar) as proxy:
        core, events = proxy.core, proxy.events()
        sip_registrar.faults = Faults(delay=0.2)
        await core.refresh_registers()
        assert proxy.state is REFRESHING
        await core.remove_proxy_config(proxy)
        assert proxy.state is CLEARED
        assert sip_registrar.bindings == {}
        assert core.default_proxy_config is None
    assert await told(events) == ["Ok", "Refreshing", "Progress", "Cleared"]


async def test_account_07_added_account_removal_while_registering() -> None:
    async with Registrar(users=None, faults=Faults(delay=0.5)) as registrar, Core() as core:
        proxy = core.add_proxy_config(account(registrar))
        await asyncio.sleep(0.2)
        removing = asyncio.create_task(core.remove_proxy_config(proxy))
        await asyncio.sleep(0.6)
        assert [request.expires for request in requests(registrar)] == [3600]
        await removing
        assert proxy.state is CLEARED
        assert registrar.bindings == {}
        # The removal left when the answer was there, a second after the first request; it is one transaction later.
        first, second = packets(registrar)
        assert second.at - first.at == pytest.approx(1.0, abs=0.1)
        assert (first.request.call_id, second.request.expires) == (second.request.call_id, 0)


async def test_account_08_added_account_removal_no_register(sip_registrar: Registrar) -> None:
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(account(sip_registrar, register=False))
        await core.remove_proxy_config(proxy)
        assert core.proxy_configs == ()
        assert core.stats.sent == 0
    assert sip_registrar.requests == ()


def test_account_09_simple_account_params_creation() -> None:
    params = ProxyParams("sip:toto@sip.titi.com")
    assert (str(params.registrar), params.routes) == ("sip:sip.titi.com", ())
    assert (params.expires, params.register, params.unregister_at_stop) == (3600, True, True)
    assert (params.realm, params.id, params.ref_key, params.depends_on, params.auth) == (None,) * 5
    assert (params.contact_params, params.contact_uri_params, params.headers) == ({}, {}, ())
    assert (params.supported, params.instance_id, params.nat) == (None, None, NatMode.AUTO)


async def test_account_10_simple_account_params_creation_with_contact_parameters() -> None:
    """Better: one form, a frozen mapping; a copy keeps both maps apart, which liblinphone's copy does not."""
    both = {"contact_params": {"q": "0.5", "Mobility": "fixed"}, "contact_uri_params": {"ob": None, "x": "1"}}
    async with Registrar(users=None) as registrar, registered(registrar, settings=both) as proxy:
        contact = requests(registrar)[-1].headers.get("Contact") or ""
        assert ";ob;x=1>" in contact
        assert ';q=0.5;mobility="fixed";' in contact
        copy = proxy.params.replace(expires=60)
        assert (copy.contact_params, copy.contact_uri_params) == (both["contact_params"], both["contact_uri_params"])
        with proxy.edit() as draft:
            draft.contact_params = {name: text for name, text in draft.contact_params.items() if name != "q"}
        await proxy.wait_for(OK, timeout=5)
        await asyncio.sleep(1)
        (stored,) = registrar.bindings[AOR]
        assert "q" not in stored.params
        assert stored.params["mobility"] == "fixed"
        assert ";ob;" in str(stored.contact)


async def test_account_11_account_dependency_to_self(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar, settings={"id": "one", "depends_on": "one"}) as proxy:
        await proxy.refresh(timeout=5)
        assert proxy.state is OK
        await proxy.core.remove_proxy_config(proxy)
        assert sip_registrar.bindings == {}


async def test_account_12_registration_state_changed_callback_on_account(sip_registrar: Registrar) -> None:
    async with Core(auth=TOTO) as core:
        one = core.add_proxy_config(account(sip_registrar))
        other = core.add_proxy_config(account(sip_registrar, "sip:toto@titi.example"))
        streams = [one.events(), one.events(), other.events()]
        for proxy in (one, other):
            await proxy.registered(timeout=5)
    seen = [[event async for event in stream] for stream in streams]
    assert seen[0] == seen[1]
    for events, proxy in zip(seen, (one, one, other), strict=True):
        assert {event.proxy_config for event in events} == {proxy}
        assert [str(event.state) for event in events] == ["Progress", "Ok", "Progress", "Cleared"]


async def test_account_13_no_unregister_when_changing_transport() -> None:
    """Other: the old binding is removed all the same, because a registrar keeps both (RFC 5627 4.1); the GRUU stays."""
    settings = {"instance_id": INSTANCE, "supported": ("gruu", "path")}
    async with (
        Registrar(transports=["udp", "tcp"], gruu=True) as registrar,
        registered(registrar, settings=settings) as proxy,
    ):
        events, gruu = proxy.events(), proxy.pub_gruu
        assert gruu is not None
        with proxy.edit() as draft:
            draft.server = registrar.uri_of("tcp")
        await registrar.wait_for_request(lambda packet: packet.flow.transport == "tcp")
        await proxy.wait_for(OK, timeout=5)
        assert proxy.pub_gruu == gruu
        assert [binding.flow.transport for binding in registrar.bindings[AOR]] == ["tcp"]
        await proxy.core.stop()
        assert await counted(events) == {"Ok": 2, "Progress": 3, "Cleared": 2}


async def test_account_15_account_reconnection_after_multiple_network_changes(
    sip_registrar: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better: Refreshing and not Failed, as long as the binding is alive; each failure is told with its reason."""
    async with registered(sip_registrar) as proxy:
        core = proxy.core
        for _ in range(3):
            failing_sends(monkeypatch)
            await core.refresh_registers()
            await asyncio.sleep(1)
            assert proxy.last_event is not None
            assert (proxy.last_event.state, proxy.last_event.reason) == (REFRESHING, Reason.IO_ERROR)
            core.network_reachable = False
            monkeypatch.undo()
            core.network_reachable = True
            await proxy.wait_for(OK, timeout=5)
        assert len(sip_registrar.bindings[AOR]) == 1


async def test_account_17_supported_tags_handled_by_account_empty_list(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar, settings={"supported": ()}):
        assert {request.headers.get("Supported") for request in requests(sip_registrar)} == {None}


async def test_account_19_chatrooms_and_call_logs_deleted_when_remove_account_with_data() -> None:
    async with Registrar(one_time_nonce=True) as registrar, Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(account(registrar))
        await proxy.registered(timeout=5)
        await core.remove_proxy_config(proxy)
        core.remove_auth_info(TOTO)
        # The removal was challenged, and answered before the credentials went.
        assert methods(registrar) == [3600, 3600, 0, 0]
        assert (registrar.bindings, core.auth_infos) == ({}, ())


async def test_account_21_trying_to_set_account_params_after_core_has_been_stopped(sip_registrar: Registrar) -> None:
    """Better: the commit says why it cannot be, instead of doing nothing."""
    async with registered(sip_registrar) as proxy:
        opened = proxy.edit()
    params, sent = proxy.params, len(sip_registrar.requests)
    for draft in (opened, proxy.edit()):
        draft.expires = 60
        draft.server = "sip:127.0.0.99"
        with pytest.raises(CoreClosedError, match="was removed"):
            draft.done()
    await asyncio.sleep(60)
    assert proxy.params is params
    assert len(sip_registrar.requests) == sent
