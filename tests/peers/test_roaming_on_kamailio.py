"""Twenty accounts at a Kamailio follow the machine into another network; figures come from ``benchmarks.roaming``."""

from __future__ import annotations

import pytest

from benchmarks.roaming import CHANGES, play
from tests.namespaces import needs_namespaces

ACCOUNTS = 20
# Each takes seconds; the other pairs are measured by the benchmark alone.
CASES = [("address", "tls"), ("address", "ws"), ("link", "udp"), ("hole", "wss")]


@pytest.mark.parametrize(("change", "transport"), CASES)
def test_REG_35_all_are_bound_where_the_machine_is_now(
    change: str, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_namespaces()
    monkeypatch.setattr("benchmarks.roaming.DARK", 0.6)
    outcome = play(transport, CHANGES[change], ACCOUNTS, within=15)
    assert (outcome.lost, outcome.old, outcome.sent) == (0, 0, ACCOUNTS)
