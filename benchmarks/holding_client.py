"""The process that `benchmarks.holding` measures, run with LOOP PORT CPU SECONDS ACCOUNTS.

It prints, as JSON, CPU and wall seconds of the start-up, of holding the accounts, and of the shutdown, and the memory
of an account in octets.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from pathlib import Path

from aiosipreg import Core
from benchmarks.accounts import bind, loop_factory, registered, settings
from benchmarks.measure import Stopwatch


async def measured(port: int, seconds: float, accounts: int) -> dict[str, object]:
    # From some accounts to all: what the program needs without any does not count.
    some = max(accounts // 10, 1)
    starting, holding, stopping = Stopwatch(), Stopwatch(), Stopwatch()
    core = Core(pacing=None)
    with starting:
        await core.start()
        await registered(core, settings(port, range(some), unregister=True))
    before = resident()
    with starting:
        await registered(core, settings(port, range(some, accounts), unregister=True))
    memory = (resident() - before) / max(accounts - some, 1)
    # Timers that were set for answers run out within a second: each account is looked at once.
    await asyncio.sleep(min(seconds, 1.0))
    with holding:
        await asyncio.sleep(seconds)
    again = core.stats.retransmitted
    with stopping:
        await core.stop()
    watches = {"start-up": starting, "holding": holding, "shutdown": stopping}
    return {
        **{name: (watch.cpu, watch.wall) for name, watch in watches.items()},
        "memory": memory,
        "retransmitted": core.stats.retransmitted - again,
    }


def resident() -> int:
    """Resident memory of this process in octets."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    loop, port, cpu, seconds, accounts = sys.argv[1:]
    bind(int(cpu))
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        json.dump(runner.run(measured(int(port), float(seconds), int(accounts))), sys.stdout)


if __name__ == "__main__":
    main()
