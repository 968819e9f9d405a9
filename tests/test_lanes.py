"""aiosipreg/lanes.py: whose turn it is toward each target."""

from __future__ import annotations

import asyncio
import random
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aiosipreg.engine.pacing import Pacing
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.lanes import Lanes
from aiosipreg.timetable import Timetable

HERE, THERE = (Target(f"192.0.2.{number}", 5060, Transport.UDP, "titi.com") for number in (1, 2))


class Runner:
    """Waits for its turn."""

    def __init__(self, *, renews: bool = False) -> None:
        self.session = SimpleNamespace(bound=object() if renews else None)
        self.admitted_at: float | None = None

    def admitted(self) -> None:
        self.admitted_at = now()


def now() -> float:
    return asyncio.get_running_loop().time()


def opened(pacing: Pacing | None) -> Lanes:
    return Lanes(pacing, Timetable(asyncio.get_running_loop()), random.Random(1))


def admit(lanes: Lanes, runner: Runner, target: Target = HERE) -> bool:
    return lanes.admit(cast("Any", runner), target, now())


@pytest.mark.virtual_clock
async def test_OVL_8_each_target_has_a_lane_of_its_own() -> None:
    lanes = opened(Pacing(rate=10, in_flight=100))
    runners = [Runner() for _ in range(4)]
    assert [admit(lanes, runner) for runner in runners] == [True, True, False, False]
    assert admit(lanes, Runner(), THERE)
    assert len(lanes) == 2
    await asyncio.sleep(1)
    assert sorted(runner.admitted_at or 0.0 for runner in runners) == pytest.approx([0.0, 0.0, 0.1, 0.2])


@pytest.mark.virtual_clock
async def test_OVL_8_who_renews_a_binding_goes_before_newcomers() -> None:
    lanes = opened(Pacing(rate=10, in_flight=100))
    while admit(lanes, Runner()):
        pass
    newcomers, renewal = [Runner() for _ in range(5)], Runner(renews=True)
    for runner in (*newcomers, renewal):
        assert not admit(lanes, runner)
    await asyncio.sleep(5)
    assert renewal.admitted_at == pytest.approx(0.1)
    assert all((newcomer.admitted_at or 0.0) > 0.1 for newcomer in newcomers)


@pytest.mark.virtual_clock
async def test_OVL_8_the_end_of_one_attempt_is_the_turn_of_another() -> None:
    lanes = opened(Pacing(rate=1000, in_flight=1))
    first, second = Runner(), Runner()
    assert (admit(lanes, first), admit(lanes, second)) == (True, False)
    await asyncio.sleep(1)
    assert second.admitted_at is None
    lanes.release(cast("Any", first), now())
    await asyncio.sleep(1)
    assert second.admitted_at == pytest.approx(1.0)
    lanes.release(cast("Any", second), now())
    assert len(lanes) == 0


@pytest.mark.virtual_clock
async def test_lanes_that_nobody_is_in_do_not_pile_up() -> None:
    lanes = opened(Pacing(rate=10, in_flight=100))
    for number in range(1000):
        runners = Runner(), Runner()
        for runner in runners:
            assert admit(lanes, runner, HERE._replace(port=number + 1))
        for runner in runners:  # The answers came before the next one might have begun.
            lanes.release(cast("Any", runner), now())
        await asyncio.sleep(1)
    assert len(lanes) < 100


@pytest.mark.virtual_clock
async def test_many_that_started_together_leave_no_room_behind() -> None:
    lanes = opened(None)
    runners = [Runner() for _ in range(10_000)]
    for runner in runners:
        admit(lanes, runner)
    assert sys.getsizeof(lanes._lane_of) > 100_000
    for runner in runners:
        lanes.release(cast("Any", runner), now())
    assert sys.getsizeof(lanes._lane_of) < 1000
    assert len(lanes) == 0


@pytest.mark.virtual_clock
async def test_who_asks_again_somewhere_else_gives_up_the_place() -> None:
    lanes = opened(None)
    runner = Runner()
    assert admit(lanes, runner)
    assert admit(lanes, runner, THERE)
    assert len(lanes) == 1
    lanes.release(cast("Any", Runner()), now())
    assert len(lanes) == 1
