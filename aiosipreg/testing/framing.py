"""Messages in the octets of a connection; those of WebSocket are in ``websocket``. No I/O here."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from aiosipreg.wire import Framer, ParseError, Ping

if TYPE_CHECKING:
    from aiosipreg.testing.websocket import WebSocketFraming

__all__ = ["Framing", "StreamFraming", "web_socket_framing"]

Framing: TypeAlias = "StreamFraming | WebSocketFraming"
"""How a connection carries messages."""


class StreamFraming:
    """TCP and TLS: Content-Length says where a message ends (RFC 3261 18.3).

    Attributes:
        broken: Whether the peer broke the rules; the connection must be closed.
        ended: Whether the peer said goodbye, or was refused; the connection must be closed.
    """

    def __init__(self) -> None:
        self.broken = False
        self.ended = False
        self._framer = Framer()

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Take octets as they arrive.

        Args:
            data: The octets, in any portions.

        Returns:
            The messages and keep-alives (CRLF CRLF, CRLF) that they complete, and the octets that the framing itself
            has to send.
        """
        try:
            frames = self._framer.feed(data)
        except ParseError:
            frames = []
        self.broken = self._framer.error is not None
        return [frame.value if isinstance(frame, Ping) else bytes(frame) for frame in frames], b""

    def wrap(self, message: bytes) -> bytes:
        """The octets that carry a message; none before a handshake or after a goodbye."""
        return message

    def farewell(self) -> bytes:
        """What is sent before the connection is closed in good order."""
        return b""


def web_socket_framing() -> type[WebSocketFraming]:
    """What WS and WSS need.

    Raises:
        ModuleNotFoundError: The library is missing; the text says how to install it.
    """
    try:
        from aiosipreg.testing.websocket import WebSocketFraming
    except ModuleNotFoundError as error:
        text = "the transports ws and wss need websockets; install it with: pip install 'aiosipreg[ws]'"
        raise ModuleNotFoundError(text, name=error.name) from error
    return WebSocketFraming
