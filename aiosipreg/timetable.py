"""One timer for all accounts (floor 3): a heap of deadlines and a single handle of the event loop.

A handle per account costs microseconds and memory for each message, and most deadlines move before they come. Here a
deadline that moves later leaves its entry where it is; the entry is looked at when it comes up. What an item wants and
which entry is its own stands in the item itself: two dictionaries of all accounts would cost more than the rest.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    import asyncio

__all__ = ["Entry", "Timed", "Timetable"]

logger = logging.getLogger("aiosipreg.timetable")

# The clock of uvloop counts milliseconds and its timers are rounded to them: what is due within one would be called,
# found too early and called again, hundreds of times.
_TICK: Final = 0.001
_ROOM: Final = 64

Entry: TypeAlias = "tuple[float, int, Timed]"
"""When something is due, the order of the wish, and what is due."""


class Timed(Protocol):
    """What is called when its time has come.

    Attributes:
        wanted_at: When that is, ``None`` for never: at first, and after the call.
        entry: Its entry in the timetable, ``None`` without one. Both are the timetable's own.
    """

    wanted_at: float | None
    entry: Entry | None

    def due(self) -> None:
        """Its time has come."""


class Timetable:
    """Calls ``item.due()`` when an item's time has come."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[Entry] = []
        # How many entries are nobody's any more.
        self._stale = 0
        self._order = itertools.count()
        # Kept beside the handle: that of uvloop does not know its time when it is due at once.
        self._armed_for = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def set(self, item: Timed, at: float | None) -> None:
        """Have ``item`` called at that time of the loop instead of any earlier wish; ``None`` for not at all."""
        item.wanted_at = at
        entry = item.entry
        if entry is not None:
            if at is not None and at >= entry[0]:
                return
            item.entry = None
            self._stale += 1
            self._trim()
        if at is not None:
            self._push(item, at)
            if at < self._armed_for:
                self._arm()

    def close(self) -> None:
        """Forget everything."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._armed_for = math.inf
        for _, _, item in self._heap:
            item.wanted_at = item.entry = None
        self._heap.clear()
        self._stale = 0

    def _push(self, item: Timed, at: float) -> None:
        item.entry = (at, next(self._order), item)
        heapq.heappush(self._heap, item.entry)

    def _trim(self) -> None:
        # Entries that are nobody's keep their items alive, and may not come up for hours.
        if 2 * self._stale > _ROOM + len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].entry is entry]
            heapq.heapify(self._heap)
            self._stale = 0

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
            entry = heapq.heappop(self._heap)
            item = entry[2]
            if item.entry is not entry:
                self._stale -= 1
            elif item.wanted_at is not None and item.wanted_at > now:
                self._push(item, item.wanted_at)
            else:
                item.entry = None
                due.append(item)
        if self._heap:
            self._arm()
        # Called from a list and not from the heap: an item that is due again at once waits for the next turn of the
        # event loop, so that it cannot hold up everybody else.
        for item in due:
            # Whoever was called before may have changed what this one wants.
            if item.entry is None and item.wanted_at is not None:
                item.wanted_at = None
                self._call(item)

    def _call(self, item: Timed) -> None:
        try:
            item.due()
        except Exception:
            # ROB-8: the timers of all others must go on.
            logger.exception("a timer failed")
