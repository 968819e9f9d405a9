"""Accounts at two Kamailios behind one SRV name of NSD; one fails. Figures come from ``benchmarks.failover``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiosipreg import RetryPolicy, SipTimers
from benchmarks.failover.stage import FAULTS, Scale, registered, servers

if TYPE_CHECKING:
    from pathlib import Path

# Timer F is 0.64 s, so that a silent server costs no more than that.
BRIEF = Scale(accounts=20, timers=SipTimers(t1=0.01, t2=0.08, t4=0.1), retry=RetryPolicy(base=0.5, max=5), at_once=True)

CASES = [(fault, "udp") for fault in FAULTS] + [(fault, "tcp") for fault in ("killed", "busy", "silent")]


@pytest.mark.parametrize(("fault", "transport"), [*CASES, ("killed", "tls"), ("silent", "ws")])
async def test_DNS_15_16_17_OVL_7_all_move_and_none_loses_its_binding(
    fault: str, transport: str, tmp_path: Path
) -> None:
    with servers(tmp_path, transport, BRIEF.ttl) as ready:
        async with registered(ready, transport, BRIEF) as stage:
            outcome = await stage.play(FAULTS[fault], within=10)
            assert (outcome.unbound, outcome.absent) == (0, 0)
            sent = outcome.sent - outcome.repeated
            if fault == "dns":
                assert sent == BRIEF.accounts
            else:
                # At most one each at the server that failed, and two at the other, which challenges.
                assert 2 * BRIEF.accounts <= sent <= 3 * BRIEF.accounts
