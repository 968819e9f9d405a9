"""What a core has sent, received and dropped (floor 3)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

__all__ = ["Stats"]


@dataclass(slots=True)
class Stats:
    """Counters since the core started.

    Attributes:
        sent: Requests, retransmissions included.
        retransmitted: Retransmissions.
        received: Answers that belonged to a request of ours.
        requests: Requests from the network that were answered or handed to the application.
        dropped: What was thrown away, by cause.
        downgrades: Domains that DNS offered a secure way to, and then no more (DNS-22).
    """

    sent: int = 0
    retransmitted: int = 0
    received: int = 0
    requests: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    downgrades: int = 0

    def copy(self) -> Stats:
        """The counters as they stand now."""
        return replace(self, dropped=Counter(self.dropped))
