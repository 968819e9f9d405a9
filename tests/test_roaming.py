"""Accounts follow the machine into another network: REG-35 on real interfaces, and what is left alone."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from aiosipreg import Core, ProxyParams, RegistrationState, SipTimers, TransportParams
from aiosipreg.hub import Hub
from aiosipreg.testing import Registrar
from tests.accounts import AOR, FAILED, OK, REFRESHING, TOTO, account, registered
from tests.namespaces import Cable, cable, needs_namespaces, run_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiosipreg import ProxyConfig
    from aiosipreg.testing.flow import Transport

    Change = Callable[[], None]
    Seen = dict[str, str | None]

SERVER, HERE, ELSEWHERE = "10.9.0.1", "10.9.0.2", "10.9.0.3"


class Far:
    """A registrar at the other end of the cable, in a thread of its own."""

    def __init__(self, wire: Cable, transport: Transport) -> None:
        self._wire = wire
        self._transport: Transport = transport
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        self._thread = threading.Thread(target=run_in, args=(wire.there, self._serve))

    @property
    def hosts(self) -> list[str]:
        """Where the bindings lead."""
        return [
            str(binding.contact.uri).partition("@")[2].partition(":")[0]
            for binding in self.registrar.bindings.get(AOR, ())
        ]

    def start(self) -> None:
        self._wire.give(self._wire.there, f"{SERVER}/24")
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with Registrar(host=SERVER, transports=[self._transport]) as self.registrar:
            self._ready.set()
            await self._over.wait()


@contextmanager
def far_registrar(transport: Transport = "udp") -> Iterator[tuple[Cable, Far]]:
    needs_namespaces()
    with cable() as wire:
        far = Far(wire, transport)
        far.start()
        try:
            yield wire, far
        finally:
            far.stop()


async def until_bound(proxy: ProxyConfig, host: str) -> None:
    async with asyncio.timeout(10):
        async for event in proxy.events():
            if event.state is OK and proxy.contact is not None and f"@{host}:" in str(proxy.contact):
                return


def test_REG_35_F_17_another_address_is_registered_and_the_old_one_removed() -> None:
    with far_registrar() as (wire, far):

        async def roam() -> None:
            wire.give(wire.here, f"{HERE}/24")
            async with Core(auth=TOTO) as core:
                proxy = core.add_proxy_config(ProxyParams(AOR, server=far.registrar.uri))
                await proxy.registered(timeout=5)
                assert far.hosts == [HERE]
                events = proxy.events()
                wire.take(wire.here, f"{HERE}/24")
                wire.give(wire.here, f"{ELSEWHERE}/24")
                await until_bound(proxy, ELSEWHERE)
                assert far.hosts == [ELSEWHERE]
                states = []
                async for event in events:
                    states.append(event.state)
                    if len(states) == 3:
                        break
                await events.aclose()
                assert states == [OK, REFRESHING, OK]
            assert far.hosts == []

        run_in(wire.here, roam)


def test_TRA_12_a_connection_into_the_void_is_replaced_within_the_same_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody says that nothing arrives; the system notices that nothing is acknowledged."""
    gone = asyncio.Event()

    def lost(hub: Hub, serial: int, cause: str) -> None:
        gone.set()
        told(hub, serial, cause)

    told = Hub.connection_lost
    monkeypatch.setattr(Hub, "connection_lost", lost)
    with far_registrar("tcp") as (wire, far):

        async def lose() -> None:
            wire.give(wire.here, f"{HERE}/24")
            # Timer F is 1.28 s.
            async with Core(auth=TOTO, timers=SipTimers(t1=0.02, t2=0.16, t4=0.2)) as core:
                proxy = core.add_proxy_config(ProxyParams(AOR, server=far.registrar.uri))
                first = await proxy.registered(timeout=5)
                events = proxy.events()
                wire.lose(SERVER)
                await core.refresh_registers()
                async with asyncio.timeout(10):
                    await gone.wait()
                wire.find(SERVER)
                await proxy.wait_for(OK, timeout=10)
                assert proxy.contact != first.contact
                await core.stop()
                assert [event.state async for event in events][:3] == [OK, REFRESHING, OK]

        run_in(wire.here, lose)


def test_F_39_an_account_without_a_way_registers_when_there_is_one() -> None:
    with far_registrar() as (wire, far):

        async def arrive() -> None:
            async with Core(auth=TOTO) as core:
                proxy = core.add_proxy_config(ProxyParams(AOR, server=far.registrar.uri))
                event = await proxy.wait_for(FAILED, timeout=5)
                assert event.retry_at is not None
                assert event.retry_at > event.at + 10
                wire.give(wire.here, f"{HERE}/24")
                await proxy.wait_for(OK, timeout=10)

        run_in(wire.here, arrive)


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has the monitor of the core tell that something happened."""
    told: list[Callable[[], None]] = []

    class Monitor:
        def __init__(self, changed: Callable[[], None]) -> None:
            told.append(changed)

        def close(self) -> None:
            told.clear()

    monkeypatch.setattr("aiosipreg.roaming.NetworkMonitor", Monitor)
    return lambda: told[0]()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """What the system would send from, toward each host; 127.0.0.1 where nothing is said."""
    addresses: dict[str, str | None] = {}
    way_to = lambda host: addresses.get(host, "127.0.0.1")  # noqa: E731
    monkeypatch.setattr("aiosipreg.roaming.way_to", way_to)
    return addresses


class TestWhoIsMoved:
    pytestmark = pytest.mark.virtual_clock

    async def test_nobody_whose_address_is_as_it_was(
        self, sip_registrar: Registrar, seen: Seen, change: Change
    ) -> None:
        async with registered(sip_registrar) as proxy:
            seen["192.0.2.1"] = "10.0.0.1"
            change()
            assert proxy.state is OK

    async def test_nobody_whose_websocket_is_as_it_was(self, seen: Seen, change: Change) -> None:
        async with Registrar(transports=["ws"]) as registrar, registered(registrar) as proxy:
            seen["192.0.2.1"] = "10.0.0.1"
            change()
            assert proxy.state is OK
            seen["127.0.0.1"] = "127.0.0.9"
            change()
            assert proxy.state is REFRESHING

    async def test_nobody_while_there_is_no_way_at_all(
        self, sip_registrar: Registrar, seen: Seen, change: Change
    ) -> None:
        async with registered(sip_registrar) as proxy:
            seen["127.0.0.1"] = None
            change()
            assert proxy.state is OK

    async def test_nobody_who_is_bound_to_an_address(
        self, sip_registrar: Registrar, seen: Seen, change: Change
    ) -> None:
        async with registered(sip_registrar, transports=TransportParams(bind=("127.0.0.1",))) as proxy:
            seen["127.0.0.1"] = "127.0.0.9"
            change()
            assert proxy.state is OK

    async def test_whoever_is_seen_from_another_address(
        self, sip_registrar: Registrar, seen: Seen, change: Change
    ) -> None:
        async with registered(sip_registrar) as proxy:
            seen["127.0.0.1"] = "127.0.0.9"
            change()
            assert proxy.state is REFRESHING
            await proxy.wait_for(OK, timeout=3)

    @pytest.mark.parametrize("host", ["192.0.2.1", "127.0.0.1"], ids=["the world", "the server"])
    async def test_whoever_failed_when_there_is_another_way(
        self, sip_registrar: Registrar, seen: Seen, change: Change, host: str
    ) -> None:
        sip_registrar.answer_next(503, times=2)
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            before = await proxy.wait_for(FAILED, timeout=5)
            change()
            assert proxy.retry_at == before.retry_at
            seen[host] = "10.0.0.7"
            change()
            assert proxy.retry_at is not None
            assert proxy.retry_at <= before.at + 2
            assert proxy.state is RegistrationState.FAILED
