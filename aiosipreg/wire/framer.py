"""Cutting a stream into messages (RFC 3261 sections 7.5 and 18.3, RFC 5626 section 4.4.1)."""

from __future__ import annotations

import enum
from typing import Final, TypeAlias

from aiosipreg.errors import ParseError
from aiosipreg.wire.head import MAX_HEAD, find_end, give_body, parse_head
from aiosipreg.wire.message import Request, Response
from aiosipreg.wire.rows import content_length

__all__ = ["Framer", "Ping"]

MAX_MESSAGE: Final = 320 * 1024


class Ping(enum.Enum):
    """Keep-alive octets between messages (RFC 5626 section 4.4.1)."""

    PING = b"\r\n\r\n"
    PONG = b"\r\n"


Frame: TypeAlias = Request | Response | Ping


class Framer:
    """Collects the octets of one connection and gives back whole messages.

    It holds at most one message of at most 320 KiB. After an error the stream has lost its frames for good: the
    connection must be closed (MSG-13).

    Attributes:
        error: What broke the stream, ``None`` while it is sound.
    """

    PING: Final = Ping.PING
    PONG: Final = Ping.PONG

    def __init__(self) -> None:
        self.error: ParseError | None = None
        self._buffer = bytearray()
        self._searched = 0
        self._head: Request | Response | None = None
        self._length = 0

    @property
    def pending(self) -> bool:
        """Whether a message has begun and is not whole yet: what the time limit for slow peers counts (SEC-25)."""
        return self._head is not None or bool(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take octets as they arrive, in any portions.

        Returns:
            What they complete: messages, `Framer.PING` for CRLF CRLF between messages, `Framer.PONG` for one CRLF. The
            two CRLFs of a ping that arrive apart are two pongs, since nothing tells how long to wait for the second.

        Raises:
            ParseError: The stream is no SIP, has no usable Content-Length, or a message exceeds a limit. Messages that
                were whole before the error are returned first; ``error`` says so at once, and the next call raises.
        """
        if self.error is not None:
            raise self.error
        self._buffer += data
        frames: list[Frame] = []
        try:
            while (frame := self._next()) is not None:
                frames.append(frame)
        except ParseError as error:
            self.error = error
            self._buffer.clear()
            if not frames:
                raise
        return frames

    def _next(self) -> Frame | None:
        if self._head is None:
            if ping := self._ping():
                return ping
            self._head = self._read_head()
        message = self._head
        if message is None or len(self._buffer) < self._length:
            return None
        if self._length:
            give_body(message, bytes(self._buffer[: self._length]))
            del self._buffer[: self._length]
        self._head = None
        return message

    def _ping(self) -> Ping | None:
        if self._buffer.startswith(b"\n"):
            del self._buffer[: len(self._buffer) - len(self._buffer.lstrip(b"\n"))]
        for ping in Ping:
            if self._buffer.startswith(ping.value):
                del self._buffer[: len(ping.value)]
                return ping
        return None

    def _read_head(self) -> Request | Response | None:
        ends = find_end(self._buffer, self._searched)
        if ends is None:
            if len(self._buffer) > MAX_HEAD:
                raise ParseError(_shown(self._buffer), MAX_HEAD, f"a head of at most {MAX_HEAD} octets")
            # The empty line may have begun in the last octets of this portion.
            self._searched = max(len(self._buffer) - 3, 0)
            return None
        head = parse_head(self._buffer[: ends[0]])
        length = content_length(head.headers)
        if length is None or ends[1] + length > MAX_MESSAGE:
            raise ParseError(_shown(self._buffer), ends[0], f"a Content-Length, and at most {MAX_MESSAGE} octets")
        del self._buffer[: ends[1]]
        self._searched = 0
        self._length = length
        return head


def _shown(data: bytearray) -> str:
    return data[:120].decode("utf-8", "replace")
