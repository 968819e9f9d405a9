"""One timer for all accounts (floor 3): a heap of deadlines and a single handle of the event loop.

A handle per account costs microseconds and memory for each message, and most deadlines move before they come. Here a
deadline that moves later leaves its entry where it is; the entry is looked at when it comes up.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["Timetable"]

logger = logging.getLogger("aiosipreg.timetable")

# The clock of uvloop counts milliseconds and its timers are rounded to them: what is due within one would be called,
# found too early and called again, hundreds of times.
_TICK: Final = 0.001

Item = TypeVar("Item")

_ROOM = 64


class Timetable(Generic[Item]):
    """Calls ``due(item)`` when an item's time has come."""

    def __init__(self, loop: asyncio.AbstractEventLoop, due: Callable[[Item], None]) -> None:
        self._loop = loop
        self._due = due
        self._heap: list[tuple[float, int, Item]] = []
        self._wanted: dict[Item, float] = {}
        # Where the entry that counts stands in the heap, if that is not where it is wanted.
        self._queued: dict[Item, float] = {}
        self._order = itertools.count()
        # Kept beside the handle: that of uvloop does not know its time when it is due at once.
        self._armed_for = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def set(self, item: Item, at: float | None) -> None:
        """Have ``item`` called at that time of the loop instead of any earlier wish; ``None`` for not at all."""
        if at is None:
            self._wanted.pop(item, None)
            self._queued.pop(item, None)
            self._trim()
            return
        queued = self._queued.get(item, self._wanted.get(item, math.inf))
        self._wanted[item] = at
        if at < queued:
            self._push(item, at)
            if at < self._armed_for:
                self._arm()
        elif at > queued:
            self._queued[item] = queued
        else:
            self._queued.pop(item, None)

    def close(self) -> None:
        """Forget everything."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._armed_for = math.inf
        self._heap.clear()
        self._wanted.clear()
        self._queued.clear()

    def _push(self, item: Item, at: float) -> None:
        self._queued.pop(item, None)
        heapq.heappush(self._heap, (at, next(self._order), item))
        self._trim()

    def _trim(self) -> None:
        # Entries that count no more keep their items alive, and may not come up for hours.
        if len(self._heap) > _ROOM + 2 * len(self._wanted):
            places = [(self._queued.get(item, at), item) for item, at in self._wanted.items()]
            self._heap = [(at, next(self._order), item) for at, item in places if at < math.inf]
            heapq.heapify(self._heap)

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        at = self._armed_for = self._heap[0][0]
        now = self._loop.time()
        self._handle = self._loop.call_at(at if at <= now else max(at, now + _TICK), self._run)

    def _run(self) -> None:
        self._handle = None
        self._armed_for = math.inf
        now = self._loop.time()
        due = []
        while self._heap and self._heap[0][0] <= now:
            at, _, item = heapq.heappop(self._heap)
            wanted = self._wanted.get(item)
            if wanted is None or self._queued.get(item, wanted) != at:
                continue
            if wanted > now:
                self._push(item, wanted)
            else:
                self._queued[item] = math.inf
                due.append(item)
        if self._heap:
            self._arm()
        # Called from a list and not from the heap: an item that is due again at once waits for the next turn of the
        # event loop, so that it cannot hold up everybody else.
        for item in due:
            # Whoever was called before may have changed what this one wants.
            if self._queued.get(item) == math.inf:
                del self._wanted[item], self._queued[item]
                self._call(item)

    def _call(self, item: Item) -> None:
        try:
            self._due(item)
        except Exception:
            # ROB-8: the timers of all others must go on.
            logger.exception("a timer failed")
