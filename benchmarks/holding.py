"""Accounts over their life: until all are registered, while there is nothing to do, until all are unregistered.

All are added at once, without a pace. Time is that of one account, with that of all beside it; settings are made and
checked within the start-up. Idle is the share of a core that goes into holding all accounts. Memory is what the process
grows by for an account that is registered, everything included that it keeps. Each run has a process of its own, which
treats the garbage collector as docs/performance.md advises, on each event loop and build; on asyncio the same is
measured with a collector that is left as it is.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.builds import BUILDS, SOURCES, told
from benchmarks.measure import Figure, Sample, figures
from benchmarks.network import LOOPS, cpus, missing
from benchmarks.null_registrar import null_registrar

if TYPE_CHECKING:
    from benchmarks.measure import Effort

__all__ = ["measured"]

_BRIEFLY = 1.0


def measured(effort: Effort) -> list[Figure]:
    client_cpu, registrar_cpu = cpus()
    rows: list[Figure] = []
    crowds = effort.crowds(effort.accounts[-1])
    with null_registrar(registrar_cpu) as registrar:
        ways = [(loop, build, True) for loop, build in product(LOOPS, BUILDS)]
        for loop, build, tidy in (*ways, (LOOPS[0], SOURCES, False)):
            for accounts in crowds:
                title = build.of(f"holding, {accounts} accounts, {loop}{'' if tidy else ', gc as it is'}")
                if why := missing(loop, build):
                    rows.append(Figure(title, "start-up", note=why))
                    continue
                # Whichever way they are held, nothing is done; and of few of them hardly anything would be seen.
                long = accounts == crowds[-1] and (loop, build) == ways[0][:2]
                seconds = effort.seconds if long else min(effort.seconds, _BRIEFLY)
                arguments = loop, registrar.port, client_cpu, seconds if tidy else 0.01, accounts, int(tidy)
                runs = [told("benchmarks.holding_client", *arguments, build=build) for _ in range(effort.runs)]
                rows += _rows(title, accounts, runs, tidy=tidy)
    return rows


def _rows(title: str, accounts: int, runs: list[dict[str, Any]], *, tidy: bool) -> list[Figure]:
    timed = {
        name: [Sample(cpu / accounts * 1e6, wall / accounts * 1e6) for cpu, wall in (run[name] for run in runs)]
        for name in ("start-up", "shutdown")
    }
    notes = {name: _note(name, runs) for name in timed}
    start, stop = figures(title, timed, limits={}, notes=notes)
    start = replace(start, amount=median(run["start-up"][1] for run in runs), unit="s for all")
    stop = replace(stop, amount=median(run["shutdown"][1] for run in runs), unit="s for all")
    if not tidy:
        return [start, stop]
    idle = median(cpu / wall * 100 for cpu, wall in (run["holding"] for run in runs))
    return [
        start,
        Figure(title, "idle", amount=idle, unit="% of a core"),
        Figure(title, "memory", amount=median(run["memory"] for run in runs) / 1000, unit="kB"),
        stop,
    ]


def _note(name: str, runs: list[dict[str, Any]]) -> str:
    again = median(run["repeated"][name] for run in runs)
    share = median(run["collected"][name] / run[name][0] * 100 for run in runs)
    return ", ".join([*([f"{again:.0f} sent again"] if again else []), *([f"gc {share:.0f} %"] if share >= 1 else [])])
