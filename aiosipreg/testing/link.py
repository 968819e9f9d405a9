"""Losing, delaying, doubling and disordering datagrams, without I/O and with plain numbers as time.

``arrivals`` is the only place of this package where a packet is lost; ``Link``, ``VirtualNetwork`` and ``Registrar``
all decide by it, so that "30 % loss" means the same everywhere. What can go wrong with connections is in ``breakage``.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from typing import TypeAlias

from aiosipreg import ConfigError

__all__ = ["HOLD_BACK", "Delay", "Faults", "Link", "arrivals"]

Delay: TypeAlias = float | tuple[float, float]
"""Seconds on the way: one number, or the two ends of a range to draw from evenly."""

HOLD_BACK = 0.1
"""Seconds that a reordered packet stays behind, long enough for the next ones to overtake it."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What happens to packets on their way in one direction.

    Attributes:
        loss: Share of packets that never arrive, 0.0 to 1.0.
        delay: Seconds every packet needs; a range draws anew for each packet, so that packets may overtake each other.
        reorder: Share of packets that are held back by another ``HOLD_BACK`` seconds, 0.0 to 1.0.
        duplicate: Share of packets that arrive twice, 0.0 to 1.0.
        silence: Nothing arrives at all: a dead host or a black hole.

    Raises:
        ConfigError: A share outside of 0.0 to 1.0, a negative delay, or a range whose end comes first.
    """

    loss: float = 0.0
    delay: Delay = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    silence: bool = False

    def __post_init__(self) -> None:
        for name in ("loss", "reorder", "duplicate"):
            share = getattr(self, name)
            if not 0.0 <= share <= 1.0:
                raise ConfigError(name, share, "a share from 0.0 to 1.0")
        shortest, longest = self.delays
        if not 0.0 <= shortest <= longest:
            raise ConfigError("delay", self.delay, "seconds, or two of them with the smaller first")

    @property
    def delays(self) -> tuple[float, float]:
        """The shortest and the longest delay in seconds."""
        return self.delay if isinstance(self.delay, tuple) else (self.delay, self.delay)


def arrivals(faults: Faults, chance: random.Random, now: float) -> tuple[float, ...]:
    """When a packet that is sent now arrives: once, twice when doubled, never when lost.

    Args:
        faults: What may happen to it.
        chance: Where the dice come from; the same seed and calls give the same fate.
        now: Time of sending in seconds.

    Returns:
        The times of arrival, none of them before ``now``.
    """
    if faults.silence or (faults.loss and chance.random() < faults.loss):
        return ()
    copies = 2 if faults.duplicate and chance.random() < faults.duplicate else 1
    return tuple(now + _time_on_the_way(faults, chance) for _ in range(copies))


def _time_on_the_way(faults: Faults, chance: random.Random) -> float:
    shortest, longest = faults.delays
    seconds = chance.uniform(shortest, longest) if longest > shortest else longest
    if faults.reorder and chance.random() < faults.reorder:
        seconds += HOLD_BACK
    return seconds


class Link:
    """One direction between two ends that do no I/O themselves; two links make a connection.

    ::

        link = Link(loss=0.3, delay=(0.01, 0.05), seed=7)
        link.send(datagram, now=0.0)
        while (at := link.deadline) is not None:
            for data in link.receive(at):
                machine.received(data, at)

    Attributes:
        faults: What happens to packets; may be replaced at any time and counts for what is sent afterwards.
    """

    def __init__(
        self,
        loss: float = 0.0,
        delay: Delay = 0.0,
        reorder: float = 0.0,
        duplicate: float = 0.0,
        *,
        silence: bool = False,
        seed: int = 0,
    ) -> None:
        self.faults = Faults(loss, delay, reorder, duplicate, silence)
        self._chance = random.Random(seed)
        self._under_way: list[tuple[float, int, bytes]] = []
        self._sent = 0

    def send(self, data: bytes, now: float) -> None:
        """Put a packet on the link; what becomes of it is decided at once.

        Args:
            data: The packet.
            now: Time of sending in seconds.
        """
        for at in arrivals(self.faults, self._chance, now):
            # The running number keeps packets with the same time of arrival in the order of sending.
            self._sent += 1
            heapq.heappush(self._under_way, (at, self._sent, data))

    def receive(self, now: float) -> list[bytes]:
        """Take what has arrived by ``now``, in order of arrival.

        Args:
            now: The time in seconds.
        """
        arrived = []
        while self._under_way and self._under_way[0][0] <= now:
            arrived.append(heapq.heappop(self._under_way)[2])
        return arrived

    @property
    def deadline(self) -> float | None:
        """When the next packet arrives; ``None`` while nothing is under way."""
        return self._under_way[0][0] if self._under_way else None
