"""``python -m benchmarks.pacing``: how evenly many accounts ask their registrar, over a virtual day (OVL-8).

All accounts start at once, at the configured pace; they are renewed for a day; in between the registrar is silent for
longer than a binding lives, and then answers again. The core is the real one, on the virtual clock and the network in
memory of `aiosipreg.testing`, so that a day takes minutes. With ``--png`` the requests of each second are drawn, which
needs the extra ``plot``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from array import array
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from aiosipreg import Core, Pacing
from aiosipreg.testing import run
from benchmarks.accounts import settings
from benchmarks.null_registrar import answered

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Day", "Stretch", "as_table", "draw", "play"]

_HOUR = 3600
_LIFETIME = 3600  # what the null registrar grants
_ADDRESS = "127.0.0.1", 5060
_SEEN = b";received=127.0.0.1;rport=5060"
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the day.

    Attributes:
        name: Which.
        begins: Second of the day.
        ends: Likewise.
        mean: Requests a second.
        peak: The busiest minute, requests a second on average.
        second: The busiest second.
        ratio: ``peak`` to ``mean``.
    """

    name: str
    begins: int
    ends: int
    mean: float
    peak: float
    second: int
    ratio: float


@dataclass(frozen=True, slots=True)
class Day:
    """What the registrar saw.

    Attributes:
        accounts: How many there were.
        pace: Attempts that may begin a second.
        counts: Requests of each second, those included that were not answered.
        started: Second in which the last account was registered for the first time.
        silent: When the silence began and when it ended, in seconds.
        recovered: Second in which the last account was registered again; ``None`` if the day ended before.
        states: How many accounts were in which state at the end.
        took: Seconds of CPU time.
    """

    accounts: int
    pace: float
    counts: Sequence[int]
    started: int
    silent: tuple[int, int]
    recovered: int | None
    states: dict[str, int]
    took: float

    @property
    def stretches(self) -> list[Stretch]:
        """The start, refreshes by the hour until the silence, what follows it, and refreshes by the hour again."""
        ends = len(self.counts)
        silent_at, over_at = self.silent
        again = ends if self.recovered is None else self.recovered
        parts = [("start", 0, self.started), *_hours("refreshes", self.started, silent_at)]
        parts += [("silence", silent_at, over_at), ("recovery", over_at, again), *_hours("refreshes", again, ends)]
        return [self._stretch(*part) for part in parts if part[2] - part[1] >= 60]

    def _stretch(self, name: str, begins: int, ends: int) -> Stretch:
        counts = self.counts[begins:ends]
        usual = sum(counts) / len(counts)
        until = [0, *accumulate(counts)]
        peak = max(later - earlier for earlier, later in zip(until, until[60:], strict=False)) / 60
        return Stretch(name, begins, ends, usual, peak, max(counts), peak / usual if usual else 0.0)


def _hours(name: str, begins: int, ends: int) -> list[tuple[str, int, int]]:
    """Whole hours of a time."""
    return [(name, at, at + _HOUR) for at in range(begins, ends - _HOUR + 1, _HOUR)]


class _Registrar(asyncio.DatagramProtocol):
    """Counts requests by the second, and answers while it is not silent."""

    def __init__(self, seconds: int) -> None:
        self.counts = array("L", bytes(array("L").itemsize * seconds))
        self.silent = False
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        second = int(self._loop.time())
        if second < len(self.counts):
            self.counts[second] += 1
        if not self.silent:
            self._transport.sendto(answered(data, _SEEN), addr)


async def _day(accounts: int, seconds: int, silent: tuple[int, int], pacing: Pacing | None) -> Day:
    loop = asyncio.get_running_loop()
    began = time.process_time()
    _, registrar = await loop.create_datagram_endpoint(lambda: _Registrar(seconds), local_addr=_ADDRESS)
    async with Core(pacing=pacing) as core:
        for number, params in enumerate(settings(_ADDRESS[1], range(accounts))):
            core.add_proxy_config(params)
            if number % _CHUNK == _CHUNK - 1:
                await asyncio.sleep(0)
        started = await _all_ok(core)
        # What lives as long as the program need not be looked at by every collection.
        gc.collect()
        gc.freeze()
        await asyncio.sleep(silent[0] - loop.time())
        registrar.silent = True
        await asyncio.sleep(silent[1] - loop.time())
        registrar.silent = False
        recovered: int | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout_at(seconds):
                recovered = await _all_ok(core)
        await asyncio.sleep(seconds - loop.time())
        states = dict(Counter(str(proxy.state) for proxy in core.proxy_configs))
    gc.unfreeze()
    pace = float("inf") if pacing is None else pacing.rate
    return Day(accounts, pace, registrar.counts, started, silent, recovered, states, time.process_time() - began)


async def _all_ok(core: Core) -> int:
    for proxy in core.proxy_configs:
        await proxy.registered()
    return int(asyncio.get_running_loop().time()) + 1


def play(accounts: int, hours: float, *, outage: float, silence: float = 1.25, pacing: Pacing | None = None) -> Day:
    """Let a virtual day pass.

    Args:
        accounts: How many accounts.
        hours: How long the day is.
        outage: The hour in which the registrar falls silent.
        silence: For how many hours; every binding runs out when it is longer than one.
        pacing: The pace; ``None`` for the default.
    """
    silent = int(outage * _HOUR), int((outage + silence) * _HOUR)
    return run(_day(accounts, int(hours * _HOUR), silent, pacing or Pacing()))


def draw(days: Sequence[Day], file: Path) -> None:
    """Draw the requests of each day as a PNG.

    Raises:
        ImportError: The extra ``plot`` is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3 * len(days)), dpi=110, layout="constrained")
    for day, axes in zip(days, figure.subplots(len(days), squeeze=False)[:, 0], strict=True):
        minutes = [sum(day.counts[at : at + 60]) / 60 for at in range(0, len(day.counts) - 59, 60)]
        hours = [minute / 60 for minute in range(len(minutes))]
        axes.axvspan(day.silent[0] / _HOUR, day.silent[1] / _HOUR, color="0.9", label="the registrar is silent")
        axes.plot(hours, minutes, linewidth=0.8, label="requests a second, by the minute")
        axes.set(xlim=(0, len(day.counts) / _HOUR), ylim=(0, None), xlabel="hour", ylabel="requests a second")
        axes.set_title(f"{day.accounts:,} accounts, {day.pace:g} may begin a second", fontsize="medium")
        axes.legend(loc="upper right", fontsize="small")
    figure.savefig(file)


def as_table(day: Day) -> str:
    """The stretches of a day, in Markdown."""
    lines = [("Hours", "What", "Requests a second", "Busiest minute", "Busiest second", "Ratio"), ("---",) * 6]
    for part in day.stretches:
        hours = f"{part.begins / _HOUR:.2f} to {part.ends / _HOUR:.2f}"
        lines.append((hours, part.name, f"{part.mean:.2f}", f"{part.peak:.2f}", str(part.second), f"{part.ratio:.2f}"))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accounts", type=int, nargs="+", default=[100_000, 10_000], help="one day each (%(default)s)")
    parser.add_argument("--hours", type=float, nargs="+", default=[8, 24], help="how long each day is (%(default)s)")
    parser.add_argument("--png", type=Path, help="draw the days into this file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    given = parser.parse_args(arguments)
    if len(given.accounts) != len(given.hours):
        parser.error("as many --hours as --accounts")
    days = [
        play(accounts, hours, outage=hours / 2) for accounts, hours in zip(given.accounts, given.hours, strict=True)
    ]
    if given.json:
        print(json.dumps([_plain(day) for day in days], indent=1))
    else:
        print("\n\n".join(f"{day.accounts} accounts, {day.took:.0f} s of CPU time\n\n{as_table(day)}" for day in days))
    if given.png:
        draw(days, given.png)


def _plain(day: Day) -> dict[str, Any]:
    said = {"accounts": day.accounts, "started": day.started, "silent": day.silent, "recovered": day.recovered}
    return {**said, "states": day.states, "stretches": [asdict(part) for part in day.stretches]}


if __name__ == "__main__":
    main()
