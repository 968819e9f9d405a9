"""One connection that a registrar accepted (TCP, TLS, WS, WSS), and what goes wrong with it."""

from __future__ import annotations

import asyncio
import enum
import re
import socket
import struct
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from aiosipreg.testing.flow import Flow, Transport
from aiosipreg.testing.framing import StreamFraming, web_socket_framing
from aiosipreg.testing.packet import Packet
from aiosipreg.testing.tls import TlsLayer

if TYPE_CHECKING:
    import ssl

    from aiosipreg.testing.breakage import Point, StreamFaults
    from aiosipreg.testing.framing import Framing
    from aiosipreg.testing.listeners import Listeners

__all__ = ["Connection"]

_RST_INSTEAD_OF_FIN = struct.pack("ii", 1, 0)
_CONTENT_LENGTH = re.compile(rb"(?<=\r\nContent-Length: )[^\r]*")


class _Phase(enum.Enum):
    OPEN = enum.auto()
    STALLED = enum.auto()
    CLOSED = enum.auto()


@dataclass(frozen=True, slots=True)
class _Write:
    at: float
    data: bytes
    is_answer: bool


class Connection(asyncio.Protocol):
    """A connection of a client to a ``Registrar``, which has them all in ``connections``.

    Attributes:
        flow: Its transport, the address of its peer, and its number.
    """

    flow: Flow

    def __init__(
        self,
        listeners: Listeners,
        transport: Transport,
        number: int,
        tls: ssl.SSLContext | None,
        own: StreamFaults | None,
    ) -> None:
        """Made by a registrar for each connection that it accepts."""
        self._listeners = listeners
        self._registrar = listeners.registrar
        self._kind: Transport = transport
        self._number = number
        self._tls = None if tls is None else TlsLayer(tls)
        self._own = own
        self._loop = asyncio.get_running_loop()
        self._phase = _Phase.OPEN
        self._held: list[bytes] = []
        self._outbox: deque[_Write] = deque()
        self._timer: asyncio.Handle | None = None
        self._lost = self._loop.create_future()

    @property
    def faults(self) -> StreamFaults:
        """What happens to it: the ``stream_faults`` of the registrar, unless ``break_next`` has set its own."""
        return self._registrar.stream_faults if self._own is None else self._own

    @property
    def is_open(self) -> bool:
        """Whether it has not ended; a stalled one is open."""
        return self._phase is not _Phase.CLOSED

    def reset(self) -> None:
        """End it at once, so that the peer sees ``ECONNRESET``; what is not written yet is lost."""
        if not self.is_open:
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_INSTEAD_OF_FIN)
        self.abort()

    def close(self) -> None:
        """Write what is waiting, say goodbye as WebSocket and TLS do, and close; a stalled one just ends."""
        if self._phase is not _Phase.OPEN:
            self.abort()
            return
        waiting = b"".join([*(write.data for write in self._outbox), *self._held])
        self._end(_Phase.CLOSED)
        self._output(waiting + self._framing.farewell())
        if self._tls is not None:
            self._transport.write(self._tls.farewell())
        self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        self._end(_Phase.CLOSED)
        self._transport.abort()

    def stall(self) -> None:
        """Read and write nothing any more, and stay open."""
        if self.is_open:
            self._end(_Phase.STALLED)
            self._transport.pause_reading()

    def send(self, message: bytes) -> None:
        """Write a message, as ``faults`` has it.

        Args:
            message: A SIP message, or CRLF.
        """
        if self._phase is not _Phase.OPEN:
            return
        faults = self.faults
        if faults.content_length is not None:
            length = faults.content_length.encode()
            message = _CONTENT_LENGTH.sub(lambda _: length, message, count=1)
        data = self._framing.wrap(message)
        is_answer = message.startswith(b"SIP/2.0 ")
        if is_answer:
            self._held.append(data)
            if len(self._held) < faults.merge:
                return
            data, self._held = b"".join(self._held), []
        self._put(data, is_answer)

    async def lost(self) -> None:
        """Wait for its end."""
        await asyncio.shield(self._lost)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; asyncio calls this."""
        self._transport = cast("asyncio.Transport", transport)
        self.flow = Flow(transport.get_extra_info("peername")[:2], self._kind, self._number)
        self._framing = self._make_framing()
        self._listeners.connected(self)
        self._reached("accept")

    def data_received(self, data: bytes) -> None:
        """Take octets; asyncio calls this."""
        if self._phase is not _Phase.OPEN:
            return
        if self._tls is not None:
            data, reply = self._tls.feed(data)
            self._transport.write(reply)
        messages, reply = self._framing.feed(data)
        self._put(reply)
        for message in messages:
            answers = self._registrar.receive(message, self.flow, self._loop.time())
            if not message.startswith((b"SIP/2.0 ", b"\r\n")) and self._reached("request"):
                return
            for answer, _ in answers:
                self.send(answer)
            if self._phase is not _Phase.OPEN:
                return
        self._registrar.ignored += self._framing.broken
        if self._framing.broken or self._framing.ended or (self._tls is not None and self._tls.ended):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; asyncio calls this."""
        self._end(_Phase.CLOSED)
        self._lost.set_result(None)
        self._listeners.disconnected(self)

    def _make_framing(self) -> Framing:
        if self._kind not in ("ws", "wss"):
            return StreamFraming()
        return web_socket_framing()(self._pinged, self.faults.upgrade)

    def _pinged(self, data: bytes) -> bool:
        return self._registrar._ping_came(Packet(self._loop.time(), self.flow, data))

    def _end(self, phase: _Phase) -> None:
        self._phase = phase
        self._outbox.clear()
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _reached(self, point: Point) -> bool:
        """Do what the faults say at this point; whether they said anything."""
        faults = self.faults
        if faults.reset == point:
            self.reset()
        elif faults.close == point:
            self.close()
        elif faults.stall == point:
            self.stall()
        else:
            return False
        return True

    def _put(self, data: bytes, is_answer: bool = False) -> None:
        if data:
            self._outbox.append(_Write(self._loop.time() + self.faults.delay, data, is_answer))
            if self._timer is None:
                self._write()

    def _write(self) -> None:
        """Write what is due, one piece in a turn of the loop."""
        self._timer = None
        while self._outbox:
            first = self._outbox[0]
            if first.at > self._loop.time():
                self._timer = self._loop.call_at(first.at, self._write)
                return
            size = self.faults.piece or len(first.data)
            self._output(first.data[:size])
            if len(first.data) > size:
                self._outbox[0] = replace(first, data=first.data[size:])
                self._timer = self._loop.call_soon(self._write)
                return
            self._outbox.popleft()
            if first.is_answer:
                self._reached("answer")

    def _output(self, data: bytes) -> None:
        self._transport.write(data if self._tls is None else self._tls.wrap(data))
