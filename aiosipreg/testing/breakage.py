"""What can go wrong with a connection, where datagrams have their ``Faults``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from aiosipreg import ConfigError

__all__ = ["Point", "StreamFaults"]

Point: TypeAlias = Literal["accept", "request", "answer"]
"""A moment in the life of a connection.

``accept``: it has just been accepted, before any TLS or WebSocket handshake. ``request``: a whole request was read and
carried out, and its answer is not written. ``answer``: an answer was written.
"""

_POINTS = ("accept", "request", "answer")


@dataclass(frozen=True, slots=True)
class StreamFaults:
    """What happens to the connections of a registrar (TCP, TLS, WS, WSS).

    Attributes:
        reset: When a connection is reset, so that its peer sees ``ECONNRESET``.
        close: When it is closed in good order.
        stall: When it is neither read nor written any more, and stays open: a half-open connection from ``accept`` on,
            a TLS handshake that never finishes; later a peer whose buffers fill.
        delay: Seconds before a message is written; messages keep their order.
        piece: Octets of one write; 1 writes octet by octet. ``None`` writes messages whole.
        merge: How many answers are collected before they are written at once.
        content_length: What messages say instead of their Content-Length; any text.
        upgrade: HTTP status that a WebSocket handshake gets: 403 refuses it, 101 accepts it without the subprotocol.

    Raises:
        ConfigError: An unknown point, a negative delay, or a number below 1.
    """

    reset: Point | None = None
    close: Point | None = None
    stall: Point | None = None
    delay: float = 0.0
    piece: int | None = None
    merge: int = 1
    content_length: str | None = None
    upgrade: int | None = None

    def __post_init__(self) -> None:
        for name in ("reset", "close", "stall"):
            point = getattr(self, name)
            if point is not None and point not in _POINTS:
                raise ConfigError(name, point, f"one of {', '.join(_POINTS)}")
        if self.delay < 0.0:
            raise ConfigError("delay", self.delay, "seconds from 0.0 on")
        for name, number in (("piece", self.piece), ("merge", self.merge)):
            if number is not None and number < 1:
                raise ConfigError(name, number, "a number from 1 on")
