"""The UDP side of a registrar: its socket, and what happens to datagrams on their way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from aiosipreg.testing.link import arrivals

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from aiosipreg.testing.link import Faults
    from aiosipreg.testing.network import Address
    from aiosipreg.testing.registrar import Registrar

__all__ = ["Datagrams"]


class Datagrams(asyncio.DatagramProtocol):
    """The socket."""

    transport: asyncio.DatagramTransport

    def __init__(self, registrar: Registrar, chance: random.Random) -> None:
        """Made by a registrar when it starts to listen."""
        self._registrar = registrar
        self._chance = chance
        self._loop = asyncio.get_running_loop()
        self._under_way: set[asyncio.TimerHandle] = set()
        self._closed = self._loop.create_future()

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram, as the faults have it."""
        self._convey(self._registrar.faults_out or self._registrar.faults, self.put, data, address)

    def put(self, data: bytes, address: Address) -> None:
        """Send a datagram whatever the faults are."""
        self.transport.sendto(data, address)

    async def close(self) -> None:
        """Close the socket; datagrams under way are lost."""
        for handle in self._under_way:
            handle.cancel()
        self._under_way.clear()
        self.transport.close()
        await self._closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; asyncio calls this."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Take a datagram, as the faults have it; asyncio calls this."""
        self._convey(self._registrar.faults, self._take, data, (addr[0], addr[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        """End; asyncio calls this."""
        self._closed.set_result(None)

    def _take(self, data: bytes, source: Address) -> None:
        for answer, address in self._registrar.receive(data, source, self._loop.time()):
            self.send(answer, address)

    def _convey(self, faults: Faults, end: Callable[[bytes, Address], None], data: bytes, peer: Address) -> None:
        now = self._loop.time()
        for at in arrivals(faults, self._chance, now):
            if at <= now:
                end(data, peer)
            else:
                self._later(at, end, data, peer)

    def _later(self, at: float, end: Callable[[bytes, Address], None], data: bytes, peer: Address) -> None:
        def arrive() -> None:
            self._under_way.discard(handle)
            end(data, peer)

        handle = self._loop.call_at(at, arrive)
        self._under_way.add(handle)
