"""aiosipreg/keepalives.py: who uses which flow, and what becomes of those that fail."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from aiosipreg import KeepAlive
from aiosipreg.engine.agreement import Agreement, Upkeep
from aiosipreg.engine.effects import Flow
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.keepalives import KeepAlives
from aiosipreg.timetable import Timetable
from tests.engine.test_stun import message, xored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiosipreg.engine.session import Session
    from aiosipreg.ports import Carrier
    from aiosipreg.wire import Response

pytestmark = pytest.mark.virtual_clock

SERVER = ("192.0.2.1", 5060)
UDP = Flow(Target(*SERVER, Transport.UDP, "titi.com"), "198.51.100.7", 5062)
TCP = Flow(Target(*SERVER, Transport.TCP, "titi.com"), "198.51.100.7", 40_000, 7)
AGREED = Agreement(pongs=True, stun=True)
PING = b"\r\n\r\n"


class User:
    """An account that uses a flow."""

    identity = "sip:toto@sip.titi.com"

    def __init__(self, log: list[tuple[Any, ...]], name: str = "toto") -> None:
        self.log = log
        self.name = name
        self.session = cast("Session", self)
        self.world: World | None = None
        self.wanted_at: float | None = None
        self.entry: Any = None

    def due(self) -> None:
        raise AssertionError("the runner has nothing to do with these times")

    def received(self, response: Response) -> None:
        raise AssertionError("nothing was asked")

    def failed(self, cause: str, row: str = "RSP-REF") -> None:
        raise AssertionError("no request was sent")

    def flow_lost(self, flow: Flow, cause: str) -> None:
        self.log.append(("lost", self.name, flow, cause))
        if self.world is not None:
            self.world.subject.maintain(self, None)  # As a runner does.

    def proved(self) -> None:
        self.log.append(("proved", self.name))

    def admitted(self) -> None:
        raise AssertionError("nothing was asked")

    def recovered(self) -> None:
        raise AssertionError("nothing was asked")


class World:
    """The carriers, and the time."""

    def __init__(self, settings: KeepAlive) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.sent: list[tuple[float, Flow, bytes]] = []
        self.error: OSError | None = None
        self.busy = False
        self.kept = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.timetable = Timetable(self.loop)
        carriers = {Transport.UDP: cast("Carrier", self), Transport.TCP: cast("Carrier", self)}
        self.subject = KeepAlives(settings, carriers, self.timetable, Random(1))

    def send(self, flow: Flow, data: bytes) -> None:
        self.sent.append((self.loop.time(), flow, data))
        self.kept.set()
        if self.error is not None:
            raise self.error

    def receiving(self, serial: int) -> bool:
        return self.busy

    def fail(self, serial: int, cause: str) -> None:
        self.log.append(("fail", serial, cause))

    def user(self, name: str = "toto") -> User:
        return User(self.log, name)

    def stun(self, host: str = "203.0.113.9", port: int = 40_000, source: tuple[str, int] = SERVER) -> bool:
        """Answer the newest Binding request."""
        transaction = self.sent[-1][2][8:]
        data = message(0x0101, (0x0020, xored(host, port, transaction)), transaction=transaction)
        return self.subject.stun_received(data, source)

    async def next(self) -> float:
        """Wait for the next keep-alive; how long that took."""
        begun = self.loop.time()
        self.kept.clear()
        async with asyncio.timeout(1000):
            await self.kept.wait()
        return self.loop.time() - begun

    @property
    def pings(self) -> list[bytes]:
        return [data for _, _, data in self.sent]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World(KeepAlive())
    yield made
    made.timetable.close()


async def test_KA_5_6_pings_and_pongs(world: World) -> None:
    user = world.user()
    world.subject.maintain(user, Upkeep(TCP, AGREED))
    await world.next()
    assert world.pings == [PING]
    assert world.log == []
    world.subject.pong_received(8)
    world.subject.pong_received(7)
    assert world.log == [("proved", "toto")]
    await world.next()
    world.subject.pong_received(7)
    assert world.log == [("proved", "toto")]  # Once will do.
    assert 96 <= world.sent[1][0] - world.sent[0][0] <= 120
    await world.next()
    await asyncio.sleep(10)
    assert world.log[1:] == [("fail", 7, "no answer to a ping within 10 s")]
    await asyncio.sleep(600)
    assert len(world.pings) == 3
    world.subject.connection_lost(7)
    world.subject.connection_lost(7)
    world.subject.pong_received(7)


async def test_KA_6_a_message_that_is_arriving_is_waited_for(world: World) -> None:
    world.subject.maintain(world.user(), Upkeep(TCP, AGREED))
    await world.next()
    world.busy = True
    await asyncio.sleep(12)
    assert world.log == []
    world.busy = False
    await asyncio.sleep(1)
    assert world.log[0][:2] == ("fail", 7)


async def test_the_strictest_of_those_who_share_a_flow_decides(world: World) -> None:
    users = [world.user(str(number)) for number in range(100)]
    for user in users[:99]:
        world.subject.maintain(user, Upkeep(TCP, Agreement()))
    world.subject.maintain(users[99], Upkeep(TCP, Agreement(pongs=True, interval=20)))
    assert 16 <= await world.next() <= 20.1
    world.subject.pong_received(7)
    assert world.log == [("proved", "99")]
    world.subject.maintain(users[99], None)
    await asyncio.sleep(300)
    assert len(world.log) == 1  # Nobody waits for pongs any more.
    for user in users:
        world.subject.maintain(user, None)
    sent = len(world.sent)
    await asyncio.sleep(1000)
    assert len(world.sent) == sent


async def test_a_changed_agreement_changes_nothing_about_what_is_under_way(world: World) -> None:
    user = world.user()
    world.subject.maintain(user, Upkeep(UDP, Agreement(stun=True)))
    await world.next()
    assert world.stun()
    await world.next()
    world.subject.maintain(user, Upkeep(UDP, Agreement(stun=True, interval=60)))
    assert world.stun(port=40_001)
    assert world.log == [("proved", "toto"), ("lost", "toto", UDP, "the NAT gave us another address")]


async def test_KA_10_11_stun_over_udp(world: World) -> None:
    one, other = world.user("one"), world.user("other")
    one.world = other.world = world
    for user in (one, other):
        world.subject.maintain(user, Upkeep(UDP, AGREED))
    await world.next()
    assert not world.stun(source=("192.0.2.2", 5060))
    assert not world.stun(source=("192.0.2.1", 5061))
    assert world.stun()
    assert not world.stun()
    assert sorted(world.log) == [("proved", "one"), ("proved", "other")]
    await world.next()
    await asyncio.sleep(39.5)
    cause = "no answer to STUN within 40 s"
    assert sorted(world.log[2:]) == [("lost", "one", UDP, cause), ("lost", "other", UDP, cause)]
    sent = len(world.sent)
    await asyncio.sleep(600)
    assert len(world.sent) == sent
    assert not world.stun()


async def test_a_far_end_is_kept_once_however_many_use_it(world: World) -> None:
    for number in range(50):
        world.subject.maintain(world.user(str(number)), Upkeep(UDP, AGREED))
    await world.next()
    assert len(world.sent) == 1
    assert world.stun()
    await world.next()
    assert len(world.sent) == 2


async def test_REG_35_by_another_route_an_address_of_before_says_nothing(world: World) -> None:
    user = world.user()
    world.subject.maintain(user, Upkeep(UDP, AGREED))
    await world.next()
    assert world.stun()
    moved = Flow(UDP.target, "198.51.100.8", 5062)
    world.subject.maintain(user, Upkeep(moved, AGREED))
    await world.next()
    assert world.sent[-1][1] == moved
    assert world.stun("203.0.113.10", 1)
    assert [entry[0] for entry in world.log] == ["proved", "proved"]


async def test_a_user_that_goes_to_another_flow_leaves_the_one_before(world: World) -> None:
    user = world.user()
    world.subject.maintain(user, Upkeep(TCP, AGREED))
    await asyncio.sleep(50)
    world.subject.maintain(user, Upkeep(UDP, AGREED))
    await world.next()
    assert [flow for _, flow, _ in world.sent] == [UDP]
    world.subject.connection_lost(7)
    assert world.stun()


async def test_TXN_8_a_keep_alive_that_cannot_be_sent_is_missed_like_any_other(world: World) -> None:
    world.error = OSError("Network is unreachable")
    world.subject.maintain(world.user(), Upkeep(UDP, AGREED))
    await world.next()
    await asyncio.sleep(39.5)
    assert [entry[:2] for entry in world.log] == [("lost", "toto")]
    assert len(world.sent) == 7


async def test_KA_7_8_what_nobody_answers_fails_nothing() -> None:
    world = World(KeepAlive(nat_refresh=15.0))
    world.subject.maintain(world.user(), Upkeep(UDP, Agreement()))
    world.subject.maintain(world.user(), Upkeep(TCP, Agreement()))
    await asyncio.sleep(3600)
    assert world.log == []
    assert {(flow.serial, data) for _, flow, data in world.sent} == {(0, b"\r\n"), (7, PING)}
    world.timetable.close()
