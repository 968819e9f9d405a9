"""What an account is made of: the octets that each file of the package allocates for one, and of which it is most.

A child process registers some accounts, then more, under ``tracemalloc``; what is there for each of the second lot is
attributed to the innermost line of the package that led to it. ``python -m benchmarks.memory PORT ACCOUNTS`` is that
child.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING

from aiosipreg import Core
from benchmarks.accounts import registered, settings
from benchmarks.measure import Figure
from benchmarks.null_registrar import null_registrar
from benchmarks.programs import HERE, told

if TYPE_CHECKING:
    from benchmarks.measure import Effort

__all__ = ["measured"]

_PACKAGE = str(HERE.parent / "aiosipreg") + "/"
_ELSEWHERE = "elsewhere"
_FRAMES = 12
_MOST = 25


def measured(effort: Effort) -> list[Figure]:
    with null_registrar() as registrar:
        lines: dict[str, float] = told("benchmarks.memory", registrar.port, effort.accounts[0])
    files: dict[str, float] = {}
    for line, octets in lines.items():
        file = line.partition(":")[0]
        files[file] = files.get(file, 0.0) + octets
    own = {line: octets for line, octets in lines.items() if line != _ELSEWHERE}
    rows = [("all of it", sum(lines.values())), *_largest(files), *_largest(own)[:_MOST]]
    return [Figure("memory of an account", name, amount=octets, unit="B") for name, octets in rows if octets >= 1]


def _largest(sizes: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(sizes.items(), key=lambda item: -item[1])


async def traced(port: int, accounts: int) -> dict[str, float]:
    """Octets for each account, by line of the package."""
    async with Core(pacing=None) as core:
        await registered(core, settings(port, range(accounts)))
        gc.collect()
        tracemalloc.start(_FRAMES)
        await registered(core, settings(port, range(accounts, 2 * accounts)))
        gc.collect()
        snapshot = tracemalloc.take_snapshot()
        tracemalloc.stop()
    found: Counter[str] = Counter()
    for trace in snapshot.traces:
        found[_line(trace.traceback)] += trace.size
    return {line: size / accounts for line, size in found.items()}


def _line(traceback: tracemalloc.Traceback) -> str:
    for frame in reversed(traceback):
        if frame.filename.startswith(_PACKAGE):
            return f"{frame.filename.removeprefix(_PACKAGE)}:{frame.lineno}"
    return _ELSEWHERE


def main() -> None:
    port, accounts = map(int, sys.argv[1:])
    json.dump(asyncio.run(traced(port, accounts)), sys.stdout)


if __name__ == "__main__":
    main()
