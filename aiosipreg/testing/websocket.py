"""SIP over WebSocket (RFC 7118), seen from the server; needs websockets, which the extra ``ws`` brings. No I/O here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from aiosipreg.wire import ParseError, parse_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from websockets.http11 import Response

__all__ = ["WebSocketFraming"]

_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class WebSocketFraming:
    """WS and WSS: the subprotocol ``sip``, one SIP message in one WebSocket message (RFC 7118).

    Attributes:
        broken: See ``StreamFraming``.
        ended: See ``StreamFraming``.
    """

    def __init__(self, ping: Callable[[bytes], bool], upgrade: int | None = None) -> None:
        """Wait for the handshake.

        Args:
            ping: Told the payload of each ping frame; says whether it is answered.
            upgrade: See ``StreamFaults``.
        """
        self.broken = False
        self.ended = False
        self._ping = ping
        self._refusal = None if upgrade == 101 else upgrade
        self._protocol = ServerProtocol(subprotocols=None if upgrade == 101 else [Subprotocol("sip")])
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        """See ``StreamFraming``."""
        messages: list[bytes] = []
        unanswered = []
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._protocol.send_response(self._answer(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.PING:
                # The protocol has answered it already.
                if not self._ping(bytes(event.data)):
                    unanswered.append(Frame(Opcode.PONG, event.data).serialize(mask=False))
            elif isinstance(event, Frame) and event.opcode in _DATA and not self._take(event, messages):
                self.broken = True
                self._protocol.fail(CloseCode.PROTOCOL_ERROR, "not one SIP message")
                break
        self.broken = self.broken or (self._protocol.handshake_exc or self._protocol.parser_exc) is not None
        return messages, self._outgoing(unanswered)

    def _take(self, frame: Frame, messages: list[bytes]) -> bool:
        """Add a frame to what came before; false if what it completes is no message."""
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return True
        message, self._parts = b"".join(self._parts), []
        if not _is_one_message(message):
            return False
        messages.append(message)
        return True

    def wrap(self, message: bytes) -> bytes:
        """See ``StreamFraming``."""
        if self._protocol.state is not State.OPEN:
            return b""
        try:
            message.decode()
        except UnicodeDecodeError:
            self._protocol.send_binary(message)
        else:
            self._protocol.send_text(message)
        return self._outgoing()

    def farewell(self) -> bytes:
        """See ``StreamFraming``."""
        from websockets.frames import CloseCode

        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.GOING_AWAY)
        return self._outgoing()

    def _answer(self, request: Request) -> Response:
        if self._refusal is not None:
            return self._protocol.reject(self._refusal, "refused by the test\n")
        return self._protocol.accept(request)

    def _outgoing(self, unwanted: Sequence[bytes] = ()) -> bytes:
        writes = self._protocol.data_to_send()
        # An empty one asks for the end of the connection.
        self.ended = self.ended or b"" in writes
        return b"".join(octets for octets in writes if octets not in unwanted)


def _is_one_message(message: bytes) -> bool:
    """Whether a WebSocket message is a keep-alive or exactly one SIP message; Content-Length may be left out."""
    message = message.lstrip(b"\r\n")
    try:
        length = parse_message(message).content_length if message else None
    except ParseError:
        return False
    return length is None or length == len(message.partition(b"\r\n\r\n")[2])
