"""One event to many readers: the broadcast behind ``async for event in core.events()`` (floor 3)."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from aiosipreg.states import RegistrationEvent

__all__ = ["Broadcast"]


class _Reader:
    """The events that one reader has not seen yet: a queue, or, when it fell behind, the newest of each account."""

    __slots__ = ("__weakref__", "_buffer", "_folded", "_missed", "_queue", "_waiter", "closed")

    def __init__(self, buffer: int) -> None:
        self.closed = False
        self._buffer = buffer
        self._queue: deque[RegistrationEvent] = deque()
        self._folded: dict[int, RegistrationEvent] = {}
        self._missed = 0
        self._waiter: asyncio.Future[None] | None = None

    def put(self, event: RegistrationEvent) -> None:
        if not self._folded and len(self._queue) < self._buffer:
            self._queue.append(event)
        else:
            for queued in self._queue:
                self._fold(queued)
            self._queue.clear()
            self._fold(event)
        self._wake()

    def _fold(self, event: RegistrationEvent) -> None:
        key = id(event.proxy_config)
        if self._folded.pop(key, None) is not None:
            self._missed += 1
        self._folded[key] = event

    def take(self) -> RegistrationEvent | None:
        if self._folded:
            event = self._folded.pop(next(iter(self._folded)))
        elif self._queue:
            event = self._queue.popleft()
        else:
            return None
        missed, self._missed = self._missed, 0
        return replace(event, missed=missed) if missed else event

    def close(self) -> None:
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class Broadcast:
    """Hands every event to every reader; a reader that nobody holds any more is forgotten.

    Attributes:
        readers: Who reads.
    """

    def __init__(self) -> None:
        # Weak, so that a generator that was never started, or was left by `break`, does not collect events for ever.
        # A WeakSet takes as long to tell that it is empty as most events take to be told.
        self.readers: set[ref[_Reader]] = set()
        self._closed = False

    def publish(self, event: RegistrationEvent) -> None:
        """Hand over one event; never blocks."""
        for reader in self._there():
            reader.put(event)

    def subscribe(self, newest: Iterable[RegistrationEvent], buffer: int) -> AsyncGenerator[RegistrationEvent, None]:
        """Subscribe now.

        Args:
            newest: What the reader gets first.
            buffer: How many events it may fall behind before they are folded to the newest of each account.
        """
        reader = _Reader(max(buffer, 1))
        for event in newest:
            reader.put(event)
        if self._closed:
            reader.close()
        else:
            self.readers.add(ref(reader, self.readers.discard))
        return _follow(reader)

    def close(self) -> None:
        """End every stream, after the events that it still holds."""
        self._closed = True
        for reader in self._there():
            reader.close()

    def _there(self) -> list[_Reader]:
        return [reader for each in tuple(self.readers) if (reader := each()) is not None]


async def _follow(reader: _Reader) -> AsyncGenerator[RegistrationEvent, None]:
    while True:
        event = reader.take()
        if event is not None:
            yield event
        elif reader.closed:
            return
        else:
            await reader.wait()
