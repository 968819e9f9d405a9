"""One connection: whole messages out, whole messages in, and no longer than it is good for (floor 3)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from aiosipreg.engine.effects import Flow
from aiosipreg.errors import ParseError
from aiosipreg.net.failure import TransportFailure
from aiosipreg.net.handler import hand_over
from aiosipreg.net.sockets import plain_host
from aiosipreg.wire import Framer, Ping

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.engine.targets import Target
    from aiosipreg.net.handler import MessageHandler
    from aiosipreg.net.sockets import Address
    from aiosipreg.net.stats import Stats
    from aiosipreg.wire import Request, Response

__all__ = ["Connection"]

logger = logging.getLogger("aiosipreg.stream")

MESSAGE_WITHIN: Final = 10.0
"""A message must be whole this many seconds after its first octet (SEC-25)."""

DRAINED_WITHIN: Final = 10.0
"""A far end that reads so little that the buffer stays full for this long has failed (SEC-24)."""

CLOSED_WITHIN: Final = 1.0
"""Seconds for the farewell (TLS-10)."""

MOST_BUFFERED: Final = 64 * 1024
"""Octets that are copied into the buffer before messages have to wait; about 64 messages."""

MOST_WAITING: Final = 10_000
"""Messages that wait. They cost nothing: each is the request of a transaction, which holds it anyway."""

_LONGEST_READ: Final = 64 * 1024


class Connection(asyncio.Protocol):
    """Cuts the stream into messages, writes messages whole and in order, and tells when it is gone.

    It takes no part before `begin`: a connection that has to be verified first is silent until then.

    Args:
        serial: Tells it apart from all others of the core.
        address: The far end.
        idle: Seconds after its last use that it is kept when nobody uses it (TRA-11).
        handler: Takes the messages.
        stats: Counters to keep.
        lost: Called when it is gone, with the cause.

    Attributes:
        gone: Done when the socket is closed.
        heard_at: When something came in last.
        names: The names in the certificate of the far end; empty when nobody looked at them.
    """

    def __init__(
        self,
        serial: int,
        address: Address,
        *,
        idle: float,
        handler: MessageHandler,
        stats: Stats,
        lost: Callable[[Connection, str], None],
    ) -> None:
        self.serial = serial
        self.address = address
        self.names: tuple[str, ...] = ()
        self._idle = idle
        self._handler = handler
        self._stats = stats
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._local: Address = ("", 0)
        self._framer = Framer()
        self._early = bytearray()
        self._waiting: deque[bytes] = deque()
        self._paused = False
        self._in_use = False
        self._used_at = self.heard_at = self._loop.time()
        # Why it is of no use any more; set before it is gone, or when that is noticed.
        self._cause: str | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def usable(self) -> bool:
        """Whether requests may be sent on it."""
        return self._transport is not None and self._cause is None and not self._transport.is_closing()

    @property
    def receiving(self) -> bool:
        """Whether a message has begun to arrive and is not whole yet."""
        return "message" in self._timers

    def begin(self, transport: asyncio.Transport) -> None:
        """Take part, now that the far end is known to be the right one.

        Raises:
            TransportFailure: It was closed already.
        """
        if self.gone.done() or transport.is_closing():
            raise TransportFailure(f"{self._cause or 'closed by the server'} before anything was sent", "RSP-CLOSE")
        self._transport = transport
        local = transport.get_extra_info("sockname")
        self._local = plain_host(local), local[1]
        transport.set_write_buffer_limits(high=MOST_BUFFERED)
        reading: Any = transport
        if hasattr(reading, "max_size"):
            # asyncio reads into 256 KiB, which the allocator gives back to the system after every read.
            reading.max_size = _LONGEST_READ
        self._used()
        early, self._early = bytes(self._early), bytearray()
        if early:
            self.data_received(early)

    def flow(self, target: Target) -> Flow:
        """What this connection is to those who use it for a target."""
        self._used()
        host, port = self._local
        return Flow(target, host, port, self.serial, names=self._proved(target))

    def _proved(self, target: Target) -> tuple[str, ...]:
        # It carries accounts of those names alone that the certificate is for, be it by the settings (TLS-7).
        return (*self.names, target.name) if self.names else ()

    def send(self, data: bytes) -> None:
        """Write a message, or let it wait until the far end has read more (TRA-15).

        Raises:
            TransportFailure: The connection is gone.
            OSError: Too many messages wait.
        """
        transport = self._writable()
        if not self._paused:
            transport.write(self._framed(data))
        elif len(self._waiting) < MOST_WAITING:
            self._waiting.append(self._framed(data))
        else:
            raise OSError("too many messages wait for the server to read")
        self._used()

    def reply(self, data: bytes, _source: Address) -> None:
        """Write an answer; none is kept for a far end that does not read.

        Raises:
            OSError: The connection is gone, or the far end does not read.
        """
        transport = self._writable()
        if self._paused:
            raise OSError("the server does not read what it is sent")
        transport.write(self._framed(data))

    def use(self, *, in_use: bool) -> None:
        """Note whether anybody uses it: one that nobody uses is closed after a while (TRA-11)."""
        self._in_use = in_use
        self._used()

    def close(self, cause: str) -> None:
        """End it politely: what was written still goes out, if that takes no longer than a second (TLS-10)."""
        if self._transport is None or self.gone.done():
            return
        self._end(cause)
        self._transport.close()
        self._set("end", CLOSED_WITHIN, self._transport.abort)

    def fail(self, cause: str) -> None:
        """End it at once."""
        if self._transport is not None and not self.gone.done():
            self._end(cause)
            self._transport.abort()

    # What the event loop calls.

    def data_received(self, data: bytes) -> None:
        """Octets came in; before `begin` they are kept, as many as the event loop reads in a turn or two."""
        if self._transport is None:
            self._early += data
            return
        if self._cause is not None:
            return
        try:
            frames = self._framer.feed(data)
        except ParseError:
            frames = []
        self._used()
        self.heard_at = self._used_at
        for frame in frames:
            if isinstance(frame, Ping):
                self._ping(frame)
            else:
                self._hand_over(frame)
        if self._framer.error is not None:
            # MSG-13: where the next message would begin is not known any more.
            self._stats.dropped["malformed"] += 1
            self.fail(f"the server sent what is no SIP: {self._framer.error}")
        elif self._cause is None:
            self._watch(pending=self._framer.pending, began=bool(frames))

    def eof_received(self) -> None:
        """The far end closes: nothing new may be started (TLS-10); the event loop closes the rest."""
        self._end("closed by the server")

    def pause_writing(self) -> None:
        """The buffer is full."""
        self._paused = True
        self._set("drain", DRAINED_WITHIN, lambda: self.fail(f"the server read nothing for {DRAINED_WITHIN:g} s"))

    def resume_writing(self) -> None:
        """There is room in the buffer."""
        self._paused = False
        self._unset("drain")
        while self._waiting and not self._paused and self._transport is not None:
            self._transport.write(self._waiting.popleft())

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._end(_words(exc))
        self._unset("end")
        self.gone.set_result(None)
        if self._transport is not None and self._cause is not None:
            logger.debug("connection %d to %s is gone: %s", self.serial, self.address, self._cause)
            self._lost(self, self._cause)

    # How it is done.

    def _writable(self) -> asyncio.Transport:
        if self._transport is None or not self.usable:
            raise TransportFailure(self._cause or "the connection is closed", "RSP-CLOSE")
        return self._transport

    def _framed(self, data: bytes) -> bytes:
        """A message as it travels."""
        return data

    def _hand_over(self, message: Request | Response) -> None:
        hand_over(
            message, self.address, self.serial, self.reply, handler=self._handler, stats=self._stats, logger=logger
        )

    def _ping(self, ping: Ping) -> None:
        # RFC 5626 4.4.1: a ping is answered by a pong. What flows the other way answers pings of ours.
        if ping is Ping.PONG:
            self._handler.pong_received(self.serial)
        elif self.usable and not self._paused and self._transport is not None:
            self._transport.write(self._framed(Ping.PONG.value))

    def _end(self, cause: str) -> None:
        self._cause = self._cause or cause
        self._waiting.clear()
        for name in self._timers.keys() - {"end"}:
            self._unset(name)

    def _watch(self, *, pending: bool, began: bool) -> None:
        """Give a message 10 s from its first octet; with ``began`` what is pending is another one (SEC-25)."""
        if began or not pending:
            self._unset("message")
        if pending and "message" not in self._timers:
            self._set("message", MESSAGE_WITHIN, lambda: self.fail(f"a message took more than {MESSAGE_WITHIN:g} s"))

    def _used(self) -> None:
        self._used_at = self._loop.time()
        if not self._in_use and self._cause is None and "idle" not in self._timers:
            self._set("idle", self._idle, self._idled)

    def _idled(self) -> None:
        self._unset("idle")
        rest = self._used_at + self._idle - self._loop.time()
        if self._in_use:
            return
        if rest > 0:
            self._set("idle", rest, self._idled)
        else:
            self.close("nobody used it")

    def _set(self, name: str, seconds: float, call: Callable[[], object]) -> None:
        self._unset(name)
        self._timers[name] = self._loop.call_later(seconds, call)

    def _unset(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


def _words(exc: Exception | None) -> str:
    if exc is None:
        return "closed by the server"
    # OpenSSL says it in capitals, with the line of C that noticed.
    reason = getattr(exc, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else str(exc) or type(exc).__name__
