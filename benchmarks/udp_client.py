"""The process that `benchmarks.udp` measures: ``python -m benchmarks.udp_client LOOP PORT CPU RUNS ACCOUNTS...``.

It prints, as JSON, CPU and wall microseconds of each run, by number of accounts and by what was done, and how many
requests were sent again.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from typing import Any, cast

from aiosipreg import Core
from benchmarks.accounts import PATIENCE, WINDOW, bind, loop_factory, refreshed, registered, settings
from benchmarks.measure import Sample, Stopwatch
from benchmarks.samples import AUTHORIZED


class _Echo(asyncio.DatagramProtocol):
    """Sends a datagram for each that comes back, `WINDOW` at once, until it has had so many."""

    def __init__(self, round_trips: int) -> None:
        self._left = round_trips
        self._to_send = round_trips
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        reading: Any = transport
        if hasattr(reading, "max_size"):
            # By default asyncio reads into so large a buffer that what is measured is mostly its allocation.
            reading.max_size = 65_535

    def start(self) -> None:
        for _ in range(min(WINDOW, self._to_send)):
            self._send()

    def _send(self) -> None:
        self._to_send -= 1
        self._transport.sendto(_PAYLOAD)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._left -= 1
        if self._to_send:
            self._send()
        elif not self._left:
            self.done.set_result(None)


_PAYLOAD = AUTHORIZED.replace(b"REGISTER", b"ECHO", 1)


async def round_trips(port: int, number: int, pieces: int) -> Sample:
    """So many round trips by the bare protocol, as the cost of one of so many pieces of work."""
    loop = asyncio.get_running_loop()
    transport, echo = await loop.create_datagram_endpoint(lambda: _Echo(number), remote_addr=("127.0.0.1", port))
    gc.collect()
    with Stopwatch() as watch:
        echo.start()
        await asyncio.wait_for(echo.done, PATIENCE)
    transport.close()
    return watch.sample(pieces)


async def registrations(port: int, accounts: int) -> tuple[Sample, Sample, int]:
    """Register and refresh so many accounts; what each took, and how many requests were sent again."""
    crowd = list(settings(port, range(accounts)))
    async with Core(pacing=None) as core:
        gc.collect()
        with Stopwatch() as registering:
            proxies = await registered(core, crowd)
        gc.collect()
        with Stopwatch() as refreshing:
            await refreshed(proxies)
        again = core.stats.retransmitted
    return registering.sample(accounts), refreshing.sample(accounts), again


async def measured(port: int, runs: int, crowds: list[int]) -> dict[str, Any]:
    samples: dict[int, dict[str, list[Sample]]] = {accounts: {} for accounts in crowds}
    retransmitted = dict.fromkeys(crowds, 0)
    for _ in range(runs):
        for accounts in crowds:
            two = await round_trips(port, 2 * accounts, accounts)
            registering, refreshing, again = await registrations(port, accounts)
            one = await round_trips(port, accounts, accounts)
            done = {"two round trips": two, "registration": registering, "one round trip": one, "refresh": refreshing}
            for name, sample in done.items():
                samples[accounts].setdefault(name, []).append(sample)
            retransmitted[accounts] += again
    return {"samples": _plain(samples), "retransmitted": retransmitted}


def _plain(samples: dict[int, dict[str, list[Sample]]]) -> dict[int, dict[str, list[tuple[float, float]]]]:
    return {
        accounts: {name: [(run.cpu, run.wall) for run in runs] for name, runs in done.items()}
        for accounts, done in samples.items()
    }


def main() -> None:
    loop, port, cpu, runs, *crowds = sys.argv[1:]
    bind(int(cpu))
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        json.dump(runner.run(measured(int(port), int(runs), [int(accounts) for accounts in crowds])), sys.stdout)


if __name__ == "__main__":
    main()
