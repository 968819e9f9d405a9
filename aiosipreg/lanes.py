"""Whose turn it is toward each target (floor 4; OVL-8)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiosipreg.engine.pacing import Pacer

if TYPE_CHECKING:
    from random import Random

    from aiosipreg.engine.pacing import Pacing
    from aiosipreg.engine.targets import Target
    from aiosipreg.ports import Expectant
    from aiosipreg.timetable import Entry, Timetable

__all__ = ["Lanes"]

_FEW: Final = 32


class Lanes:
    """Lets attempts begin toward each target at the pace that was set.

    Args:
        pacing: The pace, ``None`` for that at which answers come.
        timetable: Calls a lane when the next attempt may begin.
        random: Gives the order.
    """

    def __init__(self, pacing: Pacing | None, timetable: Timetable, random: Random) -> None:
        self._pacing = pacing
        self._timetable = timetable
        self._random = random
        self._lanes: dict[Target, _Lane] = {}
        self._lane_of: dict[Expectant, Target] = {}
        self._many = _FEW

    def __len__(self) -> int:
        return len(self._lanes)

    def admit(self, runner: Expectant, target: Target, now: float) -> bool:
        """Whether an attempt may begin toward a target now; if not, ``runner.admitted()`` is called later."""
        self.release(runner, now)
        lane = self._lanes.get(target)
        if lane is None:
            self._tidy(now)
            lane = self._lanes[target] = _Lane(Pacer(self._pacing, self._random), self._timetable)
        self._lane_of[runner] = target
        return lane.ask(runner, now)

    def release(self, runner: Expectant, now: float) -> None:
        """The runner's attempt waits for no answer any more."""
        target = self._lane_of.pop(runner, None)
        if target is None:
            return
        if self._lanes[target].forget(runner, now):
            del self._lanes[target]
        if not self._lane_of:
            # After 100 000 that started together it would keep room for as many.
            self._lane_of.clear()

    def _tidy(self, now: float) -> None:
        # A lane is kept for its pace when its last attempt ends; where names lead elsewhere every day, for nobody.
        if len(self._lanes) >= self._many:
            self._lanes = {target: lane for target, lane in self._lanes.items() if not lane.idle(now)}
            self._many = _FEW + 2 * len(self._lanes)


class _Lane:
    """The way to one target."""

    def __init__(self, pacer: Pacer[Expectant], timetable: Timetable) -> None:
        self._pacer = pacer
        self._timetable = timetable
        self.wanted_at: float | None = None
        self.entry: Entry | None = None

    def ask(self, runner: Expectant, now: float) -> bool:
        admitted = self._pacer.ask(runner, now, renews=runner.session.bound is not None)
        self._timetable.set(self, self._pacer.deadline)
        return admitted

    def forget(self, runner: Expectant, now: float) -> bool:
        """Give the runner's place to the next one; return whether the lane is empty."""
        self._pacer.forget(runner)
        self._timetable.set(self, self._pacer.deadline)
        return self.idle(now)

    def idle(self, now: float) -> bool:
        """Whether nobody misses it."""
        return self._pacer.idle(now)

    def due(self) -> None:
        now = asyncio.get_running_loop().time()
        admitted = self._pacer.due(now)
        self._timetable.set(self, self._pacer.deadline)
        for runner in admitted:
            runner.admitted()
