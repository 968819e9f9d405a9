"""Authenticated registrations over real UDP on the loopback, against the null registrar in a process of its own.

Beside them as many datagram round trips by a bare asyncio ``DatagramProtocol`` on the same event loop, in the same
run: REGISTER, 401, REGISTER, 200 are two, a refresh on a kept nonce is one. Each event loop gets a fresh process, which
takes all numbers of accounts in turn, so that what many accounts cost can be compared with what few do. Where there are
two CPUs, the client and the registrar have one each.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Figure, Sample, figures
from benchmarks.null_registrar import null_registrar
from benchmarks.programs import told

if TYPE_CHECKING:
    from benchmarks.measure import Effort

__all__ = ["LOOPS", "cpus", "installed", "measured", "registering"]

LOOPS = ("asyncio", "uvloop")
_LIMITS = {"registration": "two round trips", "refresh": "one round trip"}


def measured(effort: Effort) -> list[Figure]:
    rows: list[Figure] = []
    for loop in LOOPS:
        if installed(loop):
            rows += _measured(loop, effort)
        else:
            rows.append(Figure(f"udp, {loop}", "registration", note=f"{loop} is not installed"))
    return rows


def installed(loop: str) -> bool:
    """Whether this event loop can be had."""
    return loop == "asyncio" or find_spec(loop) is not None


def registering(loop: str, port: int, cpu: int, runs: int, accounts: tuple[int, ...]) -> dict[str, Any]:
    """What `benchmarks.udp_client` says, run with these arguments."""
    said: dict[str, Any] = told("benchmarks.udp_client", loop, port, cpu, runs, *accounts)
    return said


def _measured(loop: str, effort: Effort) -> list[Figure]:
    client_cpu, registrar_cpu = cpus()
    with null_registrar(registrar_cpu) as registrar:
        said = registering(loop, registrar.port, client_cpu, effort.runs, effort.accounts)
    rows: list[Figure] = []
    growth: dict[str, list[Sample]] = {}
    limits = {}
    for accounts in effort.accounts:
        samples = {name: [Sample(*run) for run in runs] for name, runs in said["samples"][str(accounts)].items()}
        again = said["retransmitted"][str(accounts)]
        notes = {"registration": f"{again} sent again"} if again else {}
        rows += figures(f"udp, {accounts} accounts, {loop}", samples, limits=_LIMITS, notes=notes)
        for name in _LIMITS:
            row = f"{name} among {accounts}"
            growth[row] = samples[name]
            if accounts != effort.accounts[0]:
                limits[row] = f"{name} among {effort.accounts[0]}"
    return rows + (figures(f"growth, {loop}", growth, limits=limits) if limits else [])


def cpus() -> tuple[int, int]:
    """The CPUs for client and registrar, -1 for any if they have to share one or cannot be bound."""
    if not hasattr(os, "sched_getaffinity"):
        return -1, -1
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else (-1, -1)
