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


class _Crowd(Generic[Item]):
    """Those who wait; any of them may be the next."""

    __slots__ = ("_places", "items")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._places: dict[Item, int] = {}

    def add(self, item: Item) -> None:
        self._places[item] = len(self.items)
        self.items.append(item)

    def discard(self, item: Item) -> None:
        if item in self._places:
            self._take(self._places[item])

    def draw(self, random: Random) -> Item:
        return self._take(int(random.random() * len(self.items)))

    def _take(self, place: int) -> Item:
        # The last one moves into the gap, so that taking one out of 100 000 costs no more than out of ten.
        item, last = self.items[place], self.items.pop()
        if last is not item:
            self.items[place] = last
            self._places[last] = place
        del self._places[item]
        return item


class Pacer(Generic[Item]):
    """Lets the attempts toward one target begin at the pace that was set, in random order.

    Those that renew a binding come first. Among the thousands of a start they would wait until theirs has run out, and
    whatever spread them over time would be lost.

    Args:
        pacing: The pace; ``None`` for that at which answers come.
        random: Gives the order.
    """

    __slots__ = ("_flying", "_in_flight", "_interval", "_newcomers", "_next_at", "_random", "_renewals")

    def __init__(self, pacing: Pacing | None, random: Random) -> None:
        self._interval = 0.0 if pacing is None else 1 / pacing.rate
        self._in_flight = _IN_FLIGHT if pacing is None else pacing.in_flight
        self._random = random
        self._next_at = -math.inf
        self._flying: set[Item] = set()
        self._renewals: _Crowd[Item] = _Crowd()
        self._newcomers: _Crowd[Item] = _Crowd()

    @property
    def deadline(self) -> float | None:
        """When `due` is wanted next; ``None`` when nobody waits, or only for answers."""
        return self._next_at if len(self._flying) < self._in_flight and self._waiting else None

    def ask(self, item: Item, now: float, *, renews: bool = False) -> bool:
        """Whether an attempt may begin now; if not it waits, and `due` names it later.

        Args:
            item: The attempt.
            now: The time.
            renews: There is a binding that would run out.
        """
        self.forget(item)
        if len(self._flying) < self._in_flight and self._next_at <= now and not self._waiting:
            self._begin(item, now)
            return True
        (self._renewals if renews else self._newcomers).add(item)
        return False

    def forget(self, item: Item) -> None:
        """The attempt has its final answer, or is given up."""
        if item in self._flying:
            self._flying.remove(item)
        else:
            self._renewals.discard(item)
            self._newcomers.discard(item)

    def due(self, now: float) -> list[Item]:
        """The attempts that may begin now."""
        admitted = []
        while len(self._flying) < self._in_flight and self._next_at <= now and self._waiting:
            item = (self._renewals if self._renewals.items else self._newcomers).draw(self._random)
            self._begin(item, now)
            admitted.append(item)
        return admitted

    def idle(self, now: float) -> bool:
        """Whether nothing is lost when this pacer is forgotten."""
        return not self._flying and not self._waiting and self._next_at <= now

    @property
    def _waiting(self) -> bool:
        return bool(self._newcomers.items or self._renewals.items)

    def _begin(self, item: Item, now: float) -> None:
        self._flying.add(item)
        # A late call does not make up for what was missed by more than one attempt.
        self._next_at = max(self._next_at, now - self._interval) + self._interval
