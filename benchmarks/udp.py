"""Authenticated registrations over real UDP on the loopback, against the null registrar in a process of its own.

Beside them as many datagram round trips by a bare asyncio ``DatagramProtocol`` on the same event loop, in the same
run: REGISTER, 401, REGISTER, 200 are two, a refresh on a kept nonce is one. Each event loop gets a fresh process. Where
there are two CPUs, the client and the registrar have one each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks.measure import Figure, Sample, figures
from benchmarks.null_registrar import null_registrar
from benchmarks.programs import HERE

if TYPE_CHECKING:
    from benchmarks.measure import Effort

__all__ = ["LOOPS", "cpus", "measured"]

LOOPS = ("asyncio", "uvloop")


def measured(effort: Effort) -> list[Figure]:
    rows: list[Figure] = []
    for accounts in effort.accounts:
        for loop in LOOPS:
            title = f"udp, {accounts} accounts, {loop}"
            if loop == "uvloop" and find_spec("uvloop") is None:
                rows.append(Figure(title, "registration", note="uvloop is not installed"))
            else:
                rows += _measured(title, loop, accounts, effort.runs)
    return rows


def _measured(title: str, loop: str, accounts: int, runs: int) -> list[Figure]:
    client_cpu, registrar_cpu = cpus()
    with null_registrar(registrar_cpu) as port:
        command = [loop, *map(str, (port, accounts, runs, client_cpu))]
        result = subprocess.run(
            [sys.executable, "-m", "benchmarks.udp_client", *command],
            cwd=HERE.parent,
            check=True,
            stdout=subprocess.PIPE,
        )
    told = json.loads(result.stdout)
    samples = {name: [Sample(*run) for run in taken] for name, taken in told["samples"].items()}
    again = told["retransmitted"]
    notes = {"registration": f"{again} sent again"} if again else {}
    limits = {"registration": "two round trips", "refresh": "one round trip"}
    return figures(title, samples, limits=limits, notes=notes)


def cpus() -> tuple[int, int]:
    """The CPUs for client and registrar, -1 for any if they have to share one or cannot be bound."""
    if not hasattr(os, "sched_getaffinity"):
        return -1, -1
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else (-1, -1)
