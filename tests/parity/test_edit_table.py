"""edit() and done(), liblinphone's table with our corrections, as what goes over the wire.

tests/engine/test_edits.py has the table as a function, tests/engine/test_registration.py what the machine makes of it,
tests/test_proxy.py single stories. Here every setting is changed on a running account, and every kind of change is made
while each other thing is going on.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import (
    AuthChallenge,
    AuthInfo,
    ConfigError,
    Core,
    CoreClosedError,
    ExpiresIn,
    NatMode,
    Reason,
    Redirect,
    TlsParams,
)
from aiosipreg.params import SETTABLE
from aiosipreg.testing import Faults, Registrar
from tests.accounts import AOR, CLEARED, FAILED, NONE, OK, PROGRESS, REFRESHING, account
from tests.parity.scene import packets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine

    from aiosipreg import ProxyConfig, RegistrationEvent
    from aiosipreg.testing.packet import Packet
    from aiosipreg.wire import Request

    Situation = Callable[["Stage"], Coroutine[None, None, ProxyConfig]]

pytestmark = pytest.mark.virtual_clock(delay=0.01)

USERS = {"toto": "secret", "tata": "secret"}
TATA = "sip:tata@sip.titi.com"
INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


def arrival(packet: Packet) -> float:
    return packet.at


@dataclass
class Stage:
    """Two registrars, a core, and credentials that can be held back."""

    here: Registrar
    there: Registrar
    core: Core
    gate: asyncio.Event

    def add(self, **settings: Any) -> ProxyConfig:
        return self.core.add_proxy_config(account(self.here, **settings))

    async def registered(self, **settings: Any) -> ProxyConfig:
        proxy = self.add(**settings)
        await proxy.registered(timeout=5)
        return proxy

    def commit(self, proxy: ProxyConfig, name: str) -> None:
        changes = {**COMMITS[name], **({"server": self.there.uri} if name == "move" else {})}
        with proxy.edit() as draft:
            for setting, value in changes.items():
                setattr(draft, setting, value)
        assert {setting: getattr(proxy.params, setting) for setting in changes} == changes

    def release(self) -> None:
        """Nothing is held back any more."""
        self.here.faults = Faults()
        self.core.network_reachable = True
        self.gate.set()

    @property
    def requests(self) -> list[Request]:
        """What both registrars got, in order of time."""
        return [packet.request for packet in sorted([*packets(self.here), *packets(self.there)], key=arrival)]


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    gate = asyncio.Event()
    gate.set()

    async def ask(challenge: AuthChallenge) -> AuthInfo:
        await gate.wait()
        return AuthInfo(challenge.username, password="secret")

    async with Registrar(USERS) as here, Registrar(USERS) as there, Core(auth=ask) as core:
        yield Stage(here, there, core, gate)


# One setting at a time, on an account that is registered.


@dataclass(frozen=True)
class Effect:
    """What a commit causes: the lifetimes of its REGISTERs, and what is told."""

    sent: tuple[int, ...] = ()
    states: tuple[str, ...] = ()


NOTHING = Effect()
REFRESH = Effect((600,), ("Refreshing", "Ok"))
STOP = Effect((0,), ("Progress", "Cleared"))
START = Effect((600,), ("Progress", "Ok"))
# The removal, then a registration that is challenged anew.
MOVE = Effect((0, 600, 600), ("Progress", "Cleared", "Progress", "Ok"))


def header(name: str) -> Callable[[Request], object]:
    return lambda request: request.headers.get(name)


@dataclass(frozen=True)
class Change:
    """Another value of one setting.

    Attributes:
        value: The value, or a function of the second registrar.
        effect: What that causes.
        shows: Where it is seen in the REGISTER; ``None`` if nowhere.
        back: What the old value causes, where that is something else.
        given: What the account has besides, because the setting needs it.
    """

    value: Any
    effect: Effect
    shows: Callable[[Request], object] | None = None
    back: Effect | None = None
    given: dict[str, Any] = field(default_factory=dict)


CHANGES: dict[str, Change] = {
    "identity": Change(TATA, MOVE, header("From")),
    "server": Change(lambda there: there.uri, MOVE, lambda request: request.uri),
    "backup_servers": Change(lambda there: (there.uri,), NOTHING),
    "routes": Change(lambda there: (there.uri,), MOVE, header("Route")),  # liblinphone: nothing
    "outbound_proxies": Change(lambda there: (there.uri,), MOVE, header("Route"), given={"instance_id": INSTANCE}),
    "outbound": Change(
        True, MOVE, lambda request: request.contacts[0].params.get("reg-id"), given={"instance_id": INSTANCE}
    ),
    "loose_routing": Change(False, MOVE),
    "registered_by": Change(TATA, MOVE, header("From")),
    "auth": Change(AuthInfo("toto", userid="tata", password="secret"), MOVE, header("Authorization")),
    "register": Change(False, STOP, back=START),
    "expires": Change(300, Effect((300,), REFRESH.states), header("Expires"), back=REFRESH),
    "lifetime_in": Change(ExpiresIn.CONTACT, REFRESH, header("Expires")),
    "contact_params": Change({"q": "0.5"}, REFRESH, lambda request: request.contacts[0].q),
    "contact_uri_params": Change({"ob": None}, REFRESH, lambda request: "ob" in str(request.contacts[0].uri)),
    "extra_contacts": Change(("<sip:toto@192.0.2.7>",), REFRESH, lambda request: str(request.contacts[1:])),
    "headers": Change((("X-Mine", "1"),), REFRESH, header("X-Mine")),  # liblinphone: with the next change
    "supported": Change(("path", "gruu"), REFRESH, header("Supported")),  # liblinphone: nothing
    "instance_id": Change(INSTANCE, REFRESH, lambda request: request.contacts[0].params.get("+sip.instance")),
    "nat": Change(NatMode.OFF, REFRESH),  # liblinphone: nothing
    "realm": Change("sip.example.org", NOTHING),
    "unregister_at_stop": Change(False, NOTHING),
    "ref_key": Change("mine", NOTHING),
    "strict_binding": Change(True, NOTHING),
    "refresh_window": Change((0.5, 0.6), NOTHING),
    "retry_403": Change(True, NOTHING),
    "redirect": Change(Redirect.NEVER, NOTHING),
    "redirect_hosts": Change(("edge.titi.com",), NOTHING),
    "path_hosts": Change(("edge.titi.com",), NOTHING),
    "tls": Change(TlsParams(wildcards=False), REFRESH),
    "udp_only": Change(True, NOTHING),
    "compact": Change(True, NOTHING),
}
FIXED = {"id": "another", "depends_on": "another"}


def test_every_setting_is_in_one_of_the_tables() -> None:
    assert sorted([*CHANGES, *FIXED]) == sorted(SETTABLE)


@pytest.mark.parametrize("name", CHANGES)
async def test_what_a_changed_setting_sends(name: str) -> None:
    change = CHANGES[name]
    async with staged() as stage:
        proxy = await stage.registered(expires=600, **change.given)
        value = change.value(stage.there) if callable(change.value) else change.value
        there_and_back = ((value, change.effect), (getattr(proxy.params, name), change.back or change.effect))
        for new, effect in there_and_back:
            before, states = stage.requests, proxy.events()
            with proxy.edit() as draft:
                setattr(draft, name, new)
            await asyncio.sleep(60)
            sent = stage.requests[len(before) :]
            assert tuple(asked(request) for request in sent) == effect.sent
            assert await told_so_far(proxy, states) == effect.states
            check_call_ids(before[-1], sent, effect)
            if change.shows is not None:
                assert change.shows(sent[-1]) != change.shows(before[-1])
        assert proxy.state is OK
        assert len(stage.here.bindings) == 1
        assert stage.there.bindings == {}


async def told_so_far(proxy: ProxyConfig, stream: AsyncGenerator[RegistrationEvent, None]) -> tuple[str, ...]:
    """The states of a stream that begins with the newest event, without that one."""
    states = [str(event.state) async for event in upto_newest(proxy, stream)]
    return tuple(states[1:])


async def upto_newest(
    proxy: ProxyConfig, stream: AsyncGenerator[RegistrationEvent, None]
) -> AsyncIterator[RegistrationEvent]:
    """What there is in a stream now."""
    async with aclosing(stream):
        async for event in stream:
            yield event
            if event is proxy.last_event:
                break


def asked(request: Request) -> int | None:
    """The lifetime that a REGISTER asks for."""
    return request.contacts[0].expires


def check_call_ids(before: Request, sent: list[Request], effect: Effect) -> None:
    """A move goes on under another Call-ID, everything else under the same one."""
    old, new = (before.call_id, sent[-1].call_id if effect is MOVE else before.call_id)
    assert (old == new) is (effect is not MOVE)
    for request in sent:
        assert request.call_id == (old if asked(request) == 0 else new)


@pytest.mark.parametrize("name", FIXED)
async def test_what_cannot_be_changed_is_refused_and_takes_the_rest_of_the_draft_along(name: str) -> None:
    async with staged() as stage:
        proxy = await stage.registered()
        params, before = proxy.params, len(stage.requests)
        draft = proxy.edit()
        draft.expires = 300
        setattr(draft, name, FIXED[name])
        with pytest.raises(ConfigError, match=name):
            draft.done()
        await asyncio.sleep(60)
        assert proxy.params is params
        assert len(stage.requests) == before


# Every kind of change while each other thing is going on.

CONTENT: dict[str, Any] = {"expires": 300, "headers": (("X-Mine", "1"),), "contact_params": {"q": "0.5"}}
COMMITS: dict[str, dict[str, Any]] = {
    "nothing": {"ref_key": "mine", "realm": "sip.example.org"},
    "refresh": CONTENT,
    "move": {"server": "there", **CONTENT},
    "rename": {"identity": TATA, **CONTENT},
    "stop": {"register": False, **CONTENT},
}


async def before_anything_was_sent(stage: Stage) -> ProxyConfig:
    return stage.add(expires=600)


async def request_out(stage: Stage) -> ProxyConfig:
    stage.here.faults = Faults(delay=0.3)
    proxy = stage.add(expires=600)
    await asyncio.sleep(0.1)
    assert proxy.state is PROGRESS
    return proxy


async def answer_to_a_challenge_out(stage: Stage) -> ProxyConfig:
    proxy = await request_out(stage)
    await asyncio.sleep(0.65)
    assert (proxy.state, len(stage.requests)) == (PROGRESS, 1)
    return proxy


async def asking_for_credentials(stage: Stage) -> ProxyConfig:
    stage.gate.clear()
    proxy = stage.add(expires=600)
    await asyncio.sleep(1)
    assert proxy.state is PROGRESS
    return proxy


async def refreshing(stage: Stage) -> ProxyConfig:
    proxy = await stage.registered(expires=600)
    stage.here.faults = Faults(delay=0.3)
    await stage.core.refresh_registers()
    await asyncio.sleep(0.1)
    assert (proxy.state, proxy.retry_at) == (REFRESHING, None)
    return proxy


async def refresh_failed(stage: Stage) -> ProxyConfig:
    proxy = await stage.registered(expires=600)
    stage.here.answer_next(500)
    await stage.core.refresh_registers()
    await asyncio.sleep(1)
    assert proxy.state is REFRESHING
    assert proxy.retry_at is not None
    return proxy


async def waiting_in_failed(stage: Stage) -> ProxyConfig:
    stage.here.answer_next(500)
    proxy = stage.add(expires=600)
    await proxy.wait_for(FAILED, timeout=5)
    assert proxy.retry_at is not None
    return proxy


async def failed_for_good(stage: Stage) -> ProxyConfig:
    stage.here.answer_next(403)
    proxy = stage.add(expires=600)
    await proxy.wait_for(FAILED, timeout=5)
    assert proxy.retry_at is None
    return proxy


async def unregistering(stage: Stage) -> ProxyConfig:
    proxy = await stage.registered(expires=600)
    stage.here.faults = Faults(delay=0.3)
    with proxy.edit() as draft:
        draft.register = False
    await asyncio.sleep(0.1)
    assert proxy.state is PROGRESS
    return proxy


async def unregistered(stage: Stage) -> ProxyConfig:
    proxy = await stage.registered(expires=600)
    await proxy.unregister(timeout=5)
    return proxy


async def network_down(stage: Stage) -> ProxyConfig:
    proxy = await stage.registered(expires=600)
    stage.core.network_reachable = False
    return proxy


async def network_down_from_the_start(stage: Stage) -> ProxyConfig:
    stage.core.network_reachable = False
    return stage.add(expires=600)


async def paused(stage: Stage) -> ProxyConfig:
    proxy = await stage.registered(expires=600)
    proxy.pause()
    return proxy


async def paused_in_failed(stage: Stage) -> ProxyConfig:
    proxy = await waiting_in_failed(stage)
    proxy.pause()
    assert proxy.retry_at is None
    return proxy


SITUATIONS: list[Situation] = [
    *(before_anything_was_sent, request_out, answer_to_a_challenge_out, asking_for_credentials, refreshing),
    *(refresh_failed, waiting_in_failed, failed_for_good, unregistering, unregistered),
    *(network_down, network_down_from_the_start, paused, paused_in_failed),
]


def content(request: Request) -> tuple[object, ...]:
    """The parts of a REGISTER that the commits change together."""
    return request.headers.get("X-Mine"), request.contacts[0].q


OLD, NEW = (None, None), ("1", 0.5)


REMOVING = ("move", "rename", "stop")
CASES = [
    pytest.param(situation, commit, id=f"{situation.__name__}-{commit}")
    for situation in SITUATIONS
    for commit in COMMITS
    if situation is not network_down or commit not in REMOVING
]


@pytest.mark.parametrize(("situation", "commit"), CASES)
async def test_nothing_is_lost_and_nothing_goes_out_in_part(situation: Situation, commit: str) -> None:
    async with staged() as stage:
        proxy = await situation(stage)
        before, down = len(stage.requests), not stage.core.network_reachable
        stage.commit(proxy, commit)
        await asyncio.sleep(1)
        if down:
            assert len(stage.requests) == before
        stage.release()
        await asyncio.sleep(100)
        stays_failed = situation in (failed_for_good, paused_in_failed) and commit == "nothing"
        registered_now = proxy.params.register and not stays_failed
        assert (proxy.state is OK) is registered_now
        if not registered_now:
            assert (stage.here.bindings, stage.there.bindings) == ({}, {})
            await proxy.register(timeout=60)
        check_where_it_ended(stage, proxy, commit)
        check_what_was_sent(stage, commit, before)


@pytest.mark.parametrize("commit", REMOVING)
async def test_a_binding_that_cannot_be_removed_without_a_network_runs_out_and_that_is_told(commit: str) -> None:
    async with staged() as stage:
        proxy = await network_down(stage)
        events = proxy.events()
        stage.commit(proxy, commit)
        left = [event async for event in upto_newest(proxy, events) if event.state is NONE]
        assert [(event.identity, event.server, event.reason) for event in left] == [
            (AOR, stage.here.uri, Reason.NETWORK_DOWN)
        ]
        await asyncio.sleep(60)
        stage.release()
        await asyncio.sleep(60)
        assert (proxy.state is OK) is (commit != "stop")
        if commit == "stop":
            # Here the account knows what it has left, and a second word takes it away.
            assert AOR in stage.here.bindings
            await proxy.unregister(timeout=5)
            assert stage.here.bindings == {}
        else:
            await asyncio.sleep(600)
            check_where_it_ended(stage, proxy, commit)


def check_where_it_ended(stage: Stage, proxy: ProxyConfig, commit: str) -> None:
    """One binding in all, where and as the settings say."""
    home, other = (stage.there, stage.here) if commit == "move" else (stage.here, stage.there)
    assert other.bindings == {}
    ((aor, (binding,)),) = home.bindings.items()
    assert (aor, proxy.identity) == ((TATA, TATA) if commit == "rename" else (AOR, AOR))
    assert binding.params.get("q") == (None if commit == "nothing" else "0.5")
    assert proxy.binding is not None
    assert proxy.binding.expires == (600 if commit == "nothing" else 300)


def check_what_was_sent(stage: Stage, commit: str, before: int) -> None:
    """Each REGISTER is of the old settings or of the new ones, never of some of both, and the old ones end."""
    sent = stage.requests
    kinds = [content(request) for request in sent]
    assert set(kinds) <= {OLD, NEW}
    assert kinds == sorted(kinds, key=(OLD, NEW).index)
    if commit == "nothing":
        assert NEW not in kinds
    for request, kind in zip(sent, kinds, strict=True):
        assert asked(request) in (0, 600 if kind == OLD else 300)
        moved = (request.uri == stage.there.uri, TATA in (request.headers.get("From") or ""))
        assert moved == ((commit == "move", commit == "rename") if kind == NEW else (False, False))
    # A challenge and a removal at most, besides what was sent for the change.
    assert len(sent) - before <= 5


@pytest.mark.parametrize("commit", COMMITS)
async def test_an_account_that_is_being_removed_takes_no_commit(commit: str) -> None:
    async with staged() as stage:
        proxy = await stage.registered(expires=600)
        stage.here.faults = Faults(delay=0.3)
        removing = asyncio.create_task(stage.core.remove_proxy_config(proxy))
        await asyncio.sleep(0.1)
        params, draft = proxy.params, proxy.edit()
        for name, value in COMMITS[commit].items():
            setattr(draft, name, value)
        with pytest.raises(CoreClosedError, match="is being removed"):
            draft.done()
        await removing
        assert proxy.params is params
        assert proxy.state is CLEARED
        assert [asked(request) for request in stage.requests] == [600, 600, 0]
