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
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Figure, Sample, figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.measure import Effort

__all__ = ["LOOPS", "measured"]

LOOPS = ("asyncio", "uvloop")
_ROOT = Path(__file__).resolve().parent.parent


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
    client_cpu, registrar_cpu = _cpus()
    with null_registrar(registrar_cpu) as port:
        command = [loop, str(port), str(accounts), str(runs), *client_cpu]
        result = subprocess.run(
            [sys.executable, "-m", "benchmarks.udp_client", *command], cwd=_ROOT, check=True, stdout=subprocess.PIPE
        )
    told = json.loads(result.stdout)
    samples = {name: [Sample(*run) for run in taken] for name, taken in told["samples"].items()}
    again = told["retransmitted"]
    notes = {"registration": f"{again} sent again"} if again else {}
    limits = {"registration": "two round trips", "refresh": "one round trip"}
    return figures(title, samples, limits=limits, notes=notes)


@contextmanager
def null_registrar(cpu: tuple[str, ...] = ()) -> Iterator[int]:
    """Run the null registrar; gives its port on 127.0.0.1."""
    command = [sys.executable, "-m", "benchmarks.null_registrar", *cpu]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.communicate()


def _cpus() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The CPUs for client and registrar as arguments, nothing if they have to share or cannot be bound."""
    if not hasattr(os, "sched_getaffinity"):
        return (), ()
    cpus = sorted(os.sched_getaffinity(0))
    return ((str(cpus[0]),), (str(cpus[-1]),)) if len(cpus) > 1 else ((), ())
