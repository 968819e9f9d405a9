"""Accounts over their life: until all are registered, while there is nothing to do, until all are unregistered.

Time is that of one account, with that of all beside it; settings are made and checked within the start-up. Idle is the
share of a core that goes into holding all accounts. Memory is what the process grows by for an account that is
registered, everything included that it keeps. Each run has a process of its own.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Figure, Sample, figures
from benchmarks.null_registrar import null_registrar
from benchmarks.programs import told
from benchmarks.udp import LOOPS, cpus, installed

if TYPE_CHECKING:
    from benchmarks.measure import Effort

__all__ = ["measured"]


def measured(effort: Effort) -> list[Figure]:
    client_cpu, registrar_cpu = cpus()
    rows: list[Figure] = []
    with null_registrar(registrar_cpu) as registrar:
        for loop in LOOPS:
            for accounts in effort.accounts if effort.full else effort.accounts[:1]:
                title = f"holding, {accounts} accounts, {loop}"
                if not installed(loop):
                    rows.append(Figure(title, "start-up", note=f"{loop} is not installed"))
                    continue
                arguments = loop, registrar.port, client_cpu, effort.seconds, accounts
                runs = [told("benchmarks.holding_client", *arguments) for _ in range(effort.runs)]
                rows += _rows(title, accounts, runs)
    return rows


def _rows(title: str, accounts: int, runs: list[dict[str, Any]]) -> list[Figure]:
    timed = {
        name: [Sample(cpu / accounts * 1e6, wall / accounts * 1e6) for cpu, wall in (run[name] for run in runs)]
        for name in ("start-up", "shutdown")
    }
    again = sum(run["retransmitted"] for run in runs)
    notes = {"shutdown": f"{again / len(runs):.0f} sent again"} if again else {}
    start, stop = figures(title, timed, limits={}, notes=notes)
    idle = median(cpu / wall * 100 for cpu, wall in (run["holding"] for run in runs))
    return [
        replace(start, amount=median(run["start-up"][1] for run in runs), unit="s for all"),
        Figure(title, "idle", amount=idle, unit="% of a core"),
        Figure(title, "memory", amount=median(run["memory"] for run in runs) / 1000, unit="kB"),
        replace(stop, amount=median(run["shutdown"][1] for run in runs), unit="s for all"),
    ]
