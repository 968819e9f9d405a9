"""How many attempts may begin at once toward one target (OVL-8): the avalanche after a restart is spread out.

Also where no pace is set, so many wait for an answer at most: what nobody could take at once would be sent again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from aiosipreg.checks import positive
from aiosipreg.errors import ConfigError

if TYPE_CHECKING:
    from random import Random

__all__ = ["Pacer", "Pacing"]

_IN_FLIGHT = 200


@dataclass(frozen=True, slots=True)
class Pacing:
    """The pace toward one target, for all accounts of a core together.

    Attributes:
        rate: Attempts that may begin per second.
        in_flight: Attempts that may wait for a final answer.

    Raises:
        ConfigError: A value is out of range.
    """

    rate: float = 50.0
    in_flight: int = _IN_FLIGHT

    def __post_init__(self) -> None:
        positive("rate", self.rate)
        if self.in_flight < 1:
            raise ConfigError("in_flight", self.in_flight, "1 or more")


Item = TypeVar("Item")


class Pacer(Generic[Item]):
    """Lets the attempts toward one target begin at the pace that was set, in random order.

    Args:
        pacing: The pace; ``None`` for that at which answers come.
        random: Gives the order.
    """

    __slots__ = ("_flying", "_in_flight", "_interval", "_next_at", "_places", "_queue", "_random")

    def __init__(self, pacing: Pacing | None, random: Random) -> None:
        self._interval = 0.0 if pacing is None else 1 / pacing.rate
        self._in_flight = _IN_FLIGHT if pacing is None else pacing.in_flight
        self._random = random
        self._next_at = -math.inf
        self._flying: set[Item] = set()
        self._queue: list[Item] = []
        self._places: dict[Item, int] = {}

    @property
    def deadline(self) -> float | None:
        """When `due` is wanted next; ``None`` when nobody waits, or only for answers."""
        return self._next_at if self._queue and len(self._flying) < self._in_flight else None

    def ask(self, item: Item, now: float) -> bool:
        """Whether an attempt may begin now; if not it waits, and `due` names it later."""
        self.forget(item)
        self._places[item] = len(self._queue)
        self._queue.append(item)
        return len(self._queue) == 1 and item in self.due(now)

    def forget(self, item: Item) -> None:
        """The attempt has its final answer, or is given up."""
        self._flying.discard(item)
        if item in self._places:
            self._take(self._places[item])

    def due(self, now: float) -> list[Item]:
        """The attempts that may begin now."""
        admitted = []
        while self._queue and self._next_at <= now and len(self._flying) < self._in_flight:
            item = self._take(self._random.randrange(len(self._queue)))
            self._flying.add(item)
            admitted.append(item)
            # A late call does not make up for what was missed by more than one attempt.
            self._next_at = max(self._next_at, now - self._interval) + self._interval
        return admitted

    def idle(self, now: float) -> bool:
        """Whether nothing is lost when this pacer is forgotten."""
        return not self._queue and not self._flying and self._next_at <= now

    def _take(self, place: int) -> Item:
        # The last one moves into the gap, so that taking one out of 100 000 costs no more than out of ten.
        item, last = self._queue[place], self._queue.pop()
        if last is not item:
            self._queue[place] = last
            self._places[last] = place
        del self._places[item]
        return item
