"""What a core has sent, received and dropped (floor 3)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

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
    """

    sent: int = 0
    retransmitted: int = 0
    received: int = 0
    requests: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def copy(self) -> Stats:
        """The counters as they stand now."""
        return Stats(self.sent, self.retransmitted, self.received, self.requests, Counter(self.dropped))
