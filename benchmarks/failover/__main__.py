"""``python -m benchmarks.failover``: let everything fail, and print the table."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aiosipreg import SipTimers
from benchmarks.failover.stage import (
    FAULTS,
    TRANSPORTS,
    Outcome,
    Scale,
    Servers,
    faults_of,
    registered,
    servers,
    servers_afar,
)
from benchmarks.table import machine
from tests.namespaces import run_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PATIENCE = 900.0
COLUMNS = (
    "What happened",
    "Transport",
    "Noticed",
    "All Ok",
    "Slowest account",
    "Bindings lost",
    "REGISTERs",
    "Repeated",
)


async def outcomes(transport: str, scale: Scale, faults: Sequence[str]) -> list[Outcome]:
    """What becomes of each fault; they happen side by side, because most of the time is spent waiting."""

    async def one(fault: str, ready: Servers) -> Outcome:
        async with registered(ready, transport, scale) as stage:
            return await stage.play(FAULTS[fault])

    async def placed(fault: str, ready: Servers) -> Outcome:
        wire = ready.wire
        if wire is None:
            return await one(fault, ready)
        found: Outcome = await asyncio.to_thread(run_in, wire.here, lambda: one(fault, ready), PATIENCE)
        return found

    with tempfile.TemporaryDirectory() as directory, ExitStack() as open_:
        homes = [Path(directory, fault) for fault in faults]
        started = [
            open_.enter_context((servers_afar if fault == "lost" else servers)(home, transport, scale.ttl))
            for fault, home in zip(faults, homes, strict=True)
        ]
        return list(await asyncio.gather(*map(placed, faults, started)))


def as_table(rows: Iterable[tuple[str, str, Outcome]]) -> str:
    """The table, in Markdown; times in seconds."""
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    for fault, transport, found in rows:
        story = (FAULTS[fault].__doc__ or fault).rstrip(".")
        times = (f"{seconds:.1f}" for seconds in (found.noticed, found.recovered, found.slowest))
        lines.append((story, transport, *times, str(found.lost), str(found.sent), str(found.repeated)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    usual = Scale(settle=31.0)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failover", description=__doc__)
    parser.add_argument("--accounts", type=int, default=usual.accounts, help="(%(default)s)")
    parser.add_argument("--expires", type=int, default=usual.expires, help="lifetime of bindings (%(default)s s)")
    parser.add_argument("--ttl", type=int, default=usual.ttl, help="time to live of the DNS records (%(default)s s)")
    parser.add_argument(
        "--t1", type=float, default=usual.timers.t1, help="the SIP timer, Timer F is 64 T1 (%(default)s s)"
    )
    parser.add_argument("--settle", type=float, default=usual.settle, help="wait before the fault (%(default)s s)")
    parser.add_argument("--at-once", action="store_true", help="refresh all at once then, instead of when it is time")
    parser.add_argument("--transport", action="append", choices=TRANSPORTS, help="only this; may be repeated")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this; may be repeated")
    given = parser.parse_args(arguments)
    scale = replace(
        usual,
        accounts=given.accounts,
        expires=given.expires,
        ttl=given.ttl,
        timers=SipTimers(t1=given.t1, t2=8 * given.t1, t4=10 * given.t1),
        settle=given.settle,
        at_once=given.at_once,
    )
    rows = []
    for transport in given.transport or TRANSPORTS:
        faults = [fault for fault in faults_of(transport) if fault in (given.fault or FAULTS)]
        found = asyncio.run(outcomes(transport, scale, faults))
        rows += [(fault, transport, outcome) for fault, outcome in zip(faults, found, strict=True)]
    print(as_table(rows))
    print(
        f"\n{scale.accounts} accounts, bindings of {scale.expires} s, Timer F {scale.timers.timer_f:g} s; {machine()}"
    )


if __name__ == "__main__":
    main()
