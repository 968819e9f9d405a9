"""aiosipreg/net/stats.py."""

from __future__ import annotations

from aiosipreg.net.stats import Stats


def test_counters_start_at_zero() -> None:
    assert Stats() == Stats(sent=0, retransmitted=0, received=0, requests=0)
    assert Stats().dropped["anything"] == 0


def test_a_copy_stands_still() -> None:
    stats = Stats()
    stats.sent += 1
    stats.dropped["malformed"] += 1
    copy = stats.copy()
    stats.sent += 1
    stats.received += 1
    stats.dropped["malformed"] += 1
    stats.dropped["stun"] += 1
    assert copy == Stats(sent=1, dropped=copy.dropped)
    assert Stats(downgrades=2).copy().downgrades == 2
    assert dict(copy.dropped) == {"malformed": 1}
    copy.dropped["malformed"] = 9
    assert stats.dropped["malformed"] == 2
