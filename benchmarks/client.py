"""The process that `benchmarks.network` measures, run with LOOP TRANSPORT PORT CA CPU RUNS ACCOUNTS...

It prints, as JSON, CPU and wall microseconds of each run, by number of accounts and by what was done, and how many
requests were sent again.
"""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import sys
from dataclasses import dataclass
from typing import Any

from aiosipreg import Core, TlsParams
from benchmarks.accounts import PATIENCE, WINDOW, bind, loop_factory, refreshed, registered, settings
from benchmarks.floor import Floor
from benchmarks.measure import Sample, Stopwatch
from benchmarks.samples import AUTHORIZED

FLOORS = ("straight-line registration", "straight-line refresh")
UNCOLLECTED = ("registration, no collections", "refresh, no collections")


class _Echo:
    """Sends a message for each that comes back, `WINDOW` at once, until it has had so many."""

    def __init__(self, round_trips: int) -> None:
        self._left = round_trips
        self._to_send = round_trips
        self._octets = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        if isinstance(self, asyncio.DatagramProtocol) and hasattr(self._transport, "max_size"):
            # By default asyncio reads into so large a buffer that what is measured is mostly its allocation.
            self._transport.max_size = 65_535

    def start(self) -> None:
        self._send(min(WINDOW, self._to_send))

    def _send(self, count: int) -> None:
        self._to_send -= count
        for _ in range(count):
            self._write(_PAYLOAD)

    def _write(self, data: bytes) -> None:
        raise NotImplementedError

    def _came(self, octets: int) -> None:
        self._octets += octets
        came, self._octets = divmod(self._octets, len(_PAYLOAD))
        self._left -= came
        self._send(min(came, self._to_send))
        if not self._left:
            self.done.set_result(None)


class _Datagrams(_Echo, asyncio.DatagramProtocol):
    def datagram_received(self, data: bytes, addr: object) -> None:
        self._came(len(data))

    def _write(self, data: bytes) -> None:
        self._transport.sendto(data)


class _Stream(_Echo, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self._came(len(data))

    def _write(self, data: bytes) -> None:
        self._transport.write(data)


_PAYLOAD = AUTHORIZED.replace(b"REGISTER", b"ECHO", 1)


@dataclass(frozen=True, slots=True)
class Way:
    """How the registrar is reached.

    Attributes:
        transport: ``udp``, ``tcp`` or ``tls``.
        port: Its port.
        ca: The file of the authority that signed its certificate.
    """

    transport: str
    port: int
    ca: str

    async def echo(self, number: int) -> _Echo:
        """The bare protocol, connected."""
        loop, there = asyncio.get_running_loop(), ("127.0.0.1", self.port)
        if self.transport == "udp":
            return (await loop.create_datagram_endpoint(lambda: _Datagrams(number), remote_addr=there))[1]
        context = ssl.create_default_context(cafile=self.ca) if self.transport == "tls" else None
        return (await loop.create_connection(lambda: _Stream(number), *there, ssl=context))[1]

    @property
    def trust(self) -> TlsParams:
        """Whom accounts trust."""
        return TlsParams(ca_file=self.ca) if self.transport == "tls" else TlsParams()


async def round_trips(way: Way, number: int, pieces: int) -> Sample:
    """So many round trips by the bare protocol, as the cost of one of so many pieces of work."""
    echo = await way.echo(number)
    gc.collect()
    with Stopwatch() as watch:
        echo.start()
        await asyncio.wait_for(echo.done, PATIENCE)
    echo._transport.close()
    return watch.sample(pieces)


async def straight(way: Way, accounts: int) -> tuple[Sample, Sample]:
    """Register and refresh so many accounts in straight-line code."""
    floor = Floor(way.port, accounts)
    samples = []
    for _ in range(2):
        gc.collect()
        with Stopwatch() as watch:
            await floor.register()
        samples.append(watch.sample(accounts))
    floor.close()
    return samples[0], samples[1]


async def registrations(way: Way, accounts: int) -> tuple[Sample, Sample, int]:
    """Register and refresh so many accounts; what each took, and how many requests were sent again."""
    crowd = list(settings(way.port, range(accounts), transport=way.transport))
    async with Core(pacing=None, tls=way.trust) as core:
        gc.collect()
        with Stopwatch() as registering:
            proxies = await registered(core, crowd)
        gc.collect()
        with Stopwatch() as refreshing:
            await refreshed(proxies)
        again = core.stats.retransmitted
    return registering.sample(accounts), refreshing.sample(accounts), again


async def measured(way: Way, runs: int, crowds: list[int]) -> dict[str, Any]:
    samples: dict[int, dict[str, list[Sample]]] = {accounts: {} for accounts in crowds}
    retransmitted = dict.fromkeys(crowds, 0)
    for _ in range(runs):
        for accounts in crowds:
            done = {"two round trips": await round_trips(way, 2 * accounts, accounts)}
            floors = await straight(way, accounts) if way.transport == "udp" else ()
            registering, refreshing, again = await registrations(way, accounts)
            done |= zip(FLOORS, floors, strict=False)
            done |= {"registration": registering, "one round trip": await round_trips(way, accounts, accounts)}
            done["refresh"] = refreshing
            if way.transport == "udp":
                gc.disable()
                done |= zip(UNCOLLECTED, (await registrations(way, accounts))[:2], strict=True)
                gc.enable()
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
    loop, transport, port, ca, cpu, runs, *crowds = sys.argv[1:]
    bind(int(cpu))
    way = Way(transport, int(port), ca)
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        json.dump(runner.run(measured(way, int(runs), [int(accounts) for accounts in crowds])), sys.stdout)


if __name__ == "__main__":
    main()
