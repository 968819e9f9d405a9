"""The process that `benchmarks.holding` measures, run with LOOP PORT CPU SECONDS ACCOUNTS TIDY.

It prints, as JSON, CPU and wall seconds of the start-up, of holding the accounts, and of the shutdown, seconds that
went into garbage collection meanwhile, and the memory of an account in octets. With TIDY 1 it does what
docs/performance.md advises: no collections during the start, and none of what was made by then.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from pathlib import Path

from aiosipreg import Core
from benchmarks.accounts import PATIENCE, bind, loop_factory, settings, started
from benchmarks.measure import Stopwatch


class Collections:
    """Adds up the CPU time of garbage collections."""

    def __init__(self) -> None:
        self.seconds = 0.0
        gc.callbacks.append(self._told)

    def _told(self, phase: str, _about: object) -> None:
        self.seconds += time.process_time() * (1 if phase == "stop" else -1)


async def measured(port: int, seconds: float, accounts: int, *, tidy: bool) -> dict[str, object]:
    # From some accounts to all: what the program needs without any does not count.
    some = max(accounts // 10, 1)
    starting, holding, stopping = Stopwatch(), Stopwatch(), Stopwatch()
    collections, collected = Collections(), {}
    core = Core(pacing=None, shutdown_timeout=PATIENCE)
    if tidy:
        gc.disable()
    with starting:
        await core.start()
        await started(core, settings(port, range(some), unregister=True))
    before = resident(tidy=tidy)
    collections.seconds = 0.0
    with starting:
        await started(core, settings(port, range(some, accounts), unregister=True))
        collected["start-up"] = collections.seconds
        if tidy:
            gc.freeze()
            gc.enable()
    repeated = {"start-up": core.stats.retransmitted}
    memory = (resident(tidy=tidy) - before) / max(accounts - some, 1)
    # Timers that were set for answers run out within a second: each account is looked at once.
    await asyncio.sleep(min(seconds, 0.6))
    with holding:
        await asyncio.sleep(seconds)
    collections.seconds = 0.0
    with stopping:
        await core.stop()
    collected["shutdown"] = collections.seconds
    repeated["shutdown"] = core.stats.retransmitted - repeated["start-up"]
    watches = {"start-up": starting, "holding": holding, "shutdown": stopping}
    return {
        **{name: (watch.cpu, watch.wall) for name, watch in watches.items()},
        "memory": memory,
        "collected": collected,
        "repeated": repeated,
    }


def resident(*, tidy: bool) -> int:
    """Resident memory of this process in octets."""
    if not tidy:
        gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    loop, port, cpu, seconds, accounts, tidy = sys.argv[1:]
    bind(int(cpu))
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        work = measured(int(port), float(seconds), int(accounts), tidy=tidy == "1")
        json.dump(runner.run(work), sys.stdout)


if __name__ == "__main__":
    main()
