"""The process that `benchmarks.udp` measures: ``python -m benchmarks.udp_client LOOP PORT ACCOUNTS RUNS CPU``.

It prints, as JSON, CPU and wall microseconds of each run.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from typing import TYPE_CHECKING, Any, cast

from aiosipreg import AuthInfo, Core, ProxyParams, RegistrationState
from benchmarks.measure import Sample, Stopwatch
from benchmarks.samples import AUTHORIZED

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg import ProxyConfig

WINDOW = 64
"""Requests under way at once, so that no socket buffer overflows."""

_PATIENCE = 300.0


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
    with Stopwatch() as watch:
        echo.start()
        await asyncio.wait_for(echo.done, _PATIENCE)
    transport.close()
    return watch.sample(pieces)


async def registrations(port: int, accounts: int) -> tuple[Sample, Sample, int]:
    """Register and refresh so many accounts; what each took, and how many requests were sent again."""
    settings = [
        ProxyParams(
            f"sip:user{number}@sip.titi.com",
            server=f"127.0.0.1:{port}",
            auth=AuthInfo(f"user{number}", password="secret"),
            unregister_at_stop=False,
        )
        for number in range(accounts)
    ]
    async with Core(pacing=None) as core:
        gc.collect()
        proxies: list[ProxyConfig] = []
        with Stopwatch() as registering:
            for number, params in enumerate(settings):
                await _leave_room(proxies, number)
                proxies.append(core.add_proxy_config(params))
            await _all_ok(proxies)
        gc.collect()
        with Stopwatch() as refreshing:
            for number, proxy in enumerate(proxies):
                await _leave_room(proxies, number)
                proxy._enter(lambda machine, now: machine.refresh(now))
            await _all_ok(proxies)
        again = core.stats.retransmitted
    return registering.sample(accounts), refreshing.sample(accounts), again


async def _leave_room(proxies: list[ProxyConfig], number: int) -> None:
    """Before the next half of a window begins, wait for the end of the one before."""
    half = WINDOW // 2
    if number >= WINDOW and number % half == 0:
        await _ok(proxies[number - half - 1])


async def _all_ok(proxies: list[ProxyConfig]) -> None:
    for proxy in proxies:
        if proxy.state is not RegistrationState.OK:
            await _ok(proxy)


async def _ok(proxy: ProxyConfig) -> None:
    await proxy.wait_for(RegistrationState.OK, timeout=_PATIENCE)


async def measured(port: int, accounts: int, runs: int) -> dict[str, object]:
    samples: dict[str, list[tuple[float, float]]] = {}
    retransmitted = 0

    def note(name: str, sample: Sample) -> None:
        samples.setdefault(name, []).append((sample.cpu, sample.wall))

    for _ in range(runs):
        note("two round trips", await round_trips(port, 2 * accounts, accounts))
        registering, refreshing, again = await registrations(port, accounts)
        note("registration", registering)
        note("one round trip", await round_trips(port, accounts, accounts))
        note("refresh", refreshing)
        retransmitted += again
        gc.collect()
    return {"samples": samples, "retransmitted": retransmitted}


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    return asyncio.SelectorEventLoop


def main() -> None:
    loop, port, accounts, runs, cpu = sys.argv[1:]
    if int(cpu) >= 0:
        os.sched_setaffinity(0, {int(cpu)})
    with asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        json.dump(runner.run(measured(int(port), int(accounts), int(runs))), sys.stdout)


if __name__ == "__main__":
    main()
