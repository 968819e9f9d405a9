"""Authenticated registrations over the loopback, against the null registrar in a process of its own.

Over UDP, and over TCP and TLS on the one connection that all accounts share. Beside them as many round trips by a bare
asyncio protocol on the same event loop, in the same run: REGISTER, 401, REGISTER, 200 are two, a refresh on a kept
nonce is one. Over UDP the same is done in straight-line code as well, see `benchmarks.floor`, and once more without
garbage collections, as docs/performance.md advises large programs; all of it on each build, see `benchmarks.builds`,
but straight-line code is compiled in none. Each event loop and build gets a fresh process, which takes all numbers of
accounts in turn, so that what many accounts cost can be compared with what few do. Where there are two CPUs, the client
and the registrar have one each.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from itertools import product
from typing import TYPE_CHECKING, Any

from benchmarks.builds import BUILDS, SOURCES, told
from benchmarks.measure import Figure, Sample, figures
from benchmarks.null_registrar import null_registrar
from benchmarks.stream_registrar import stream_registrar

if TYPE_CHECKING:
    from benchmarks.builds import Build
    from benchmarks.measure import Effort

__all__ = ["LOOPS", "cpus", "missing", "registering", "streams", "udp"]

LOOPS = ("asyncio", "uvloop")
STREAMS = ("tcp", "tls")
_OVER_UDP = {
    "straight-line registration": "two round trips",
    "straight-line refresh": "one round trip",
    "registration": "straight-line registration",
    "refresh": "straight-line refresh",
    "registration, no collections": "straight-line registration",
    "refresh, no collections": "straight-line refresh",
}
_OVER_STREAMS = {"registration": "two round trips", "refresh": "one round trip"}
_MOST_ON_STREAMS = 10_000


def udp(effort: Effort) -> list[Figure]:
    """Over UDP, with all numbers of accounts, and how that grows."""
    client_cpu, registrar_cpu = cpus()
    rows: list[Figure] = []
    for loop, build in product(LOOPS, BUILDS):
        way = build.of(loop)
        if why := missing(loop, build):
            rows.append(Figure(f"udp, {way}", "registration", note=why))
            continue
        with null_registrar(registrar_cpu) as registrar:
            said = registering(loop, build, registrar.port, client_cpu, effort.runs, effort.accounts)
        rows += _rows("udp", way, said, effort.accounts, _OVER_UDP)
        rows += _growth(way, said, effort.accounts)
    return rows


def streams(effort: Effort) -> list[Figure]:
    """Over TCP and TLS."""
    client_cpu, registrar_cpu = cpus()
    rows: list[Figure] = []
    accounts = effort.crowds(_MOST_ON_STREAMS)
    for transport in STREAMS:
        for loop in LOOPS:
            if missing(loop, SOURCES):
                continue
            with stream_registrar(transport, registrar_cpu) as (port, ca):
                said = told("benchmarks.client", loop, transport, port, ca, client_cpu, effort.runs, *accounts)
            rows += _rows(transport, loop, said, accounts, _OVER_STREAMS)
    return rows


def missing(loop: str, build: Build) -> str:
    """Why this event loop or build cannot be had; nothing if both can."""
    return build.missing() if loop == "asyncio" or find_spec(loop) else f"{loop} is not installed"


def registering(loop: str, build: Build, port: int, cpu: int, runs: int, accounts: tuple[int, ...]) -> dict[str, Any]:
    """What `benchmarks.client` says of UDP, run with these arguments."""
    said: dict[str, Any] = told("benchmarks.client", loop, "udp", port, "", cpu, runs, *accounts, build=build)
    return said


def _rows(
    transport: str, way: str, said: dict[str, Any], crowds: tuple[int, ...], limits: dict[str, str]
) -> list[Figure]:
    rows: list[Figure] = []
    for accounts in crowds:
        again = said["retransmitted"][str(accounts)]
        notes = {"registration": f"{again} sent again"} if again else {}
        title = f"{transport}, {accounts} accounts, {way}"
        rows += figures(title, _samples(said, accounts), limits=limits, notes=notes)
    return rows


def _growth(way: str, said: dict[str, Any], crowds: tuple[int, ...]) -> list[Figure]:
    """What one costs among many, in units of what it costs among few."""
    if len(crowds) < 2:
        return []
    growth: dict[str, list[Sample]] = {}
    limits = {}
    for accounts in crowds:
        samples = _samples(said, accounts)
        for name in ("registration", "refresh"):
            row = f"{name} among {accounts}"
            growth[row] = samples[name]
            if accounts != crowds[0]:
                limits[row] = f"{name} among {crowds[0]}"
    return figures(f"growth, {way}", growth, limits=limits)


def _samples(said: dict[str, Any], accounts: int) -> dict[str, list[Sample]]:
    return {name: [Sample(*run) for run in runs] for name, runs in said["samples"][str(accounts)].items()}


def cpus() -> tuple[int, int]:
    """The CPUs for client and registrar, -1 for any if they have to share one or cannot be bound."""
    if not hasattr(os, "sched_getaffinity"):
        return -1, -1
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else (-1, -1)
