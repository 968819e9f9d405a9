"""WebSocket: each message in one of its own, behind a handshake of HTTP (floor 3; RFC 7118, RFC 6455).

The protocol itself is that of the package `websockets`, which does no I/O here: the connection is one like that of TCP
or TLS, and lives by the same rules. This module is imported when the first WebSocket is opened.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from base64 import b64encode
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from aiosipreg.engine.digest import answer, choose, offers
from aiosipreg.engine.effects import Flow
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.errors import ParseError
from aiosipreg.net.connection import Connection
from aiosipreg.settings import WebSocketParams
from aiosipreg.wire import Ping
from aiosipreg.wire.challenge import parse_challenges
from aiosipreg.wire.framer import MAX_MESSAGE
from aiosipreg.wire.head import give_body, split_message
from aiosipreg.wire.rows import content_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiosipreg.engine.targets import Target
    from aiosipreg.wire import Challenge, Request, Response

__all__ = ["Handshake", "HandshakeRefused", "WebSocketConnection"]

SHAKEN_WITHIN: Final = 5.0
"""Seconds for the handshake."""

PING_EVERY: Final = 30.0
"""Seconds between pings of ours (WS-7)."""

PONG_WITHIN: Final = 10.0
"""Seconds for the pong to a ping of ours (WS-7)."""

_SUBPROTOCOL: Final = Subprotocol("sip")
_MOST_SHOWN: Final = 100
_PLAIN: Final = WebSocketParams(server="any.invalid")

# It would write cookies and credentials to the log.
_SILENT = logging.getLogger("aiosipreg.websocket")
_SILENT.disabled = True


class HandshakeRefused(OSError):
    """The server answered the handshake, and not by opening a WebSocket.

    Attributes:
        challenges: What it asks for with 401.
    """

    def __init__(self, cause: str, challenges: tuple[Challenge, ...] = ()) -> None:
        super().__init__(cause)
        self.challenges = challenges


@dataclass(frozen=True, slots=True)
class Handshake:
    """What is said to open a WebSocket.

    Attributes:
        target: The server; its name is the host of the URL.
        params: What this server needs.
        authorization: What answers its 401, empty before there was one.
    """

    target: Target
    params: WebSocketParams
    authorization: str = field(default="", repr=False)

    @classmethod
    def of(cls, target: Target, known: Sequence[WebSocketParams]) -> Handshake:
        """The handshake with a server, by what is known of some of them."""
        return cls(target, next((entry for entry in known if entry.server == target.name), _PLAIN))

    def answering(self, refusal: HandshakeRefused) -> Handshake:
        """The same with credentials, as asked for by a 401 (WS-5).

        Raises:
            HandshakeRefused: There are none for this question, or they have just been refused.
        """
        authorization = "" if self.authorization else self._authorization(refusal.challenges)
        if not authorization:
            raise refusal
        return replace(self, authorization=authorization)

    def protocol(self) -> ClientProtocol:
        """A protocol that has the request to send."""
        target, (path, _, query) = self.target, self.params.path.partition("?")
        url = WebSocketURI(target.transport.secure, target.name, target.port, path, query)
        protocol = ClientProtocol(url, subprotocols=[_SUBPROTOCOL], max_size=MAX_MESSAGE, logger=_SILENT)
        request = protocol.connect()
        for name, value in self.params.headers:
            request.headers[name] = value
        if self.authorization:
            request.headers["Authorization"] = self.authorization
        protocol.send_request(request)
        return protocol

    def _authorization(self, challenges: tuple[Challenge, ...]) -> str:
        info, policy = self.params.auth, DigestPolicy()
        if info is None:
            return ""
        chosen = choose(offers(challenges, policy), policy, info)
        if chosen is not None:
            return answer(chosen, info).authorization("GET", self.params.path, 1, secrets.token_hex(8))
        asked = any(challenge.scheme.lower() == "basic" for challenge in challenges)
        if asked and self.params.allow_basic and self.target.transport.secure and info.password is not None:
            return f"Basic {b64encode(f'{info.digest_username}:{info.password}'.encode()).decode()}"
        return ""


class WebSocketConnection(Connection):
    """A connection of WebSocket; `shake_hands` comes before `begin`.

    Args:
        handshake: What opens it.
        host: The name that stands for us in Via and Contact, since nobody can connect to us (RFC 7118 5).
        others: As for every `Connection`.
    """

    def __init__(self, *others: Any, handshake: Handshake, host: str, **more: Any) -> None:
        super().__init__(*others, **more)
        self._host = host
        self._protocol = handshake.protocol()
        self._socket: asyncio.Transport | None = None
        self._shaken: asyncio.Future[OSError | None] = self._loop.create_future()
        self._frames: list[Frame] = []
        self._message = bytearray()

    async def shake_hands(self, transport: asyncio.Transport) -> None:
        """Ask for the subprotocol `sip`, and insist on it (WS-1).

        Raises:
            HandshakeRefused: The server wants credentials, or no such WebSocket.
            OSError: It hung up, or said nothing in time.
        """
        self._socket = transport
        self._flush()
        try:
            async with asyncio.timeout(SHAKEN_WITHIN):
                trouble = await self._shaken
        except TimeoutError:
            raise OSError(f"no answer to the WebSocket handshake within {SHAKEN_WITHIN:g} s") from None
        if trouble is not None:
            raise trouble

    def begin(self, transport: asyncio.Transport) -> None:
        """Take part, now that both sides have agreed.

        Raises:
            TransportFailure: It was closed already.
        """
        super().begin(transport)
        self._set("ping", PING_EVERY, self._keep_alive)
        frames, self._frames = self._frames, []
        self._take(frames)

    def flow(self, target: Target) -> Flow:
        """What this connection is to those who use it for a target."""
        self._used()
        return Flow(target, self._host, None, self.serial, self._local[0], self._proved(target))

    def close(self, cause: str, code: CloseCode = CloseCode.NORMAL_CLOSURE) -> None:
        """End it politely, with a Close frame."""
        if self._protocol.state is State.OPEN and self._cause is None:
            self._protocol.send_close(code)
            self._flush()
        super().close(cause)

    # What the event loop calls.

    def data_received(self, data: bytes) -> None:
        """Octets came in; before `begin` there are no more than the event loop reads in a turn or two."""
        if self._cause is None:
            self._protocol.receive_data(data)
            self._advance()

    def eof_received(self) -> None:
        """The far end closes; the event loop closes the rest."""
        if not self._shaken.done():
            # An answer without length ends here.
            self._protocol.receive_eof()
            self._advance()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        if not self._shaken.done():
            self._shaken.set_result(OSError(f"{self._cause} during the WebSocket handshake"))

    # How it is done.

    def _advance(self) -> None:
        self._flush()
        events = self._protocol.events_received()
        if not self._shaken.done():
            refusal = self._protocol.handshake_exc
            if refusal is not None:
                self._shaken.set_result(_refusal(refusal))
            elif events:
                self._shaken.set_result(None if self._protocol.subprotocol else _refusal(None))
        frames = [event for event in events if isinstance(event, Frame)]
        if self._transport is None:
            self._frames += frames
            return
        self._take(frames)
        if self._cause is None:
            # Octets without a frame are part of one.
            self._watch(pending=bool(self._message) or not frames, began=False)

    def _take(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            if self._cause is None:
                self._frame_received(frame)
        if self._cause is None and self._protocol.state is not State.OPEN:
            self._stats.dropped["malformed"] += 1
            self.close(f"the server broke the rules of WebSocket: {str(self._protocol.parser_exc)[:_MOST_SHOWN]}")

    def _frame_received(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self._unset("pong")
        elif frame.opcode is Opcode.CLOSE:
            received = self._protocol.close_rcvd
            self.close(f"closed by the server ({str(received)[:_MOST_SHOWN]})")
        elif frame.opcode is not Opcode.PING:
            self._message += frame.data
            if frame.fin:
                message, self._message = bytes(self._message), bytearray()
                self._unset("message")
                self._message_received(message)

    def _message_received(self, data: bytes) -> None:
        self._used()
        self.heard_at = self._used_at
        if not data.strip(b"\r\n"):
            self._ping(Ping.PING if data == Ping.PING.value else Ping.PONG)
            return
        try:
            message = _whole_message(data)
        except ParseError as error:
            self._stats.dropped["malformed"] += 1
            self.close(f"the server sent what is not one SIP message: {error}", CloseCode.PROTOCOL_ERROR)
        else:
            self._hand_over(message)

    def _framed(self, data: bytes) -> bytes:
        """A message as it travels: as text, unless it is none (WS-3)."""
        try:
            data.decode()
        except UnicodeDecodeError:
            self._protocol.send_binary(data)
        else:
            self._protocol.send_text(data)
        return b"".join(self._protocol.data_to_send())

    def _keep_alive(self) -> None:
        """Ask whether the server is still there (RFC 7118 6, RFC 6455 5.5.2)."""
        self._set("ping", PING_EVERY, self._keep_alive)
        if not self._paused:
            # A far end that reads nothing has a time limit of its own.
            self._protocol.send_ping(b"")
            self._flush()
            self._set("pong", PONG_WITHIN, lambda: self.fail(f"no pong within {PONG_WITHIN:g} s"))

    def _flush(self) -> None:
        """Send what the protocol itself has to say: pongs, farewells."""
        data = b"".join(self._protocol.data_to_send())
        if data and self._socket is not None:
            self._socket.write(data)


def _refusal(error: Exception | None) -> HandshakeRefused:
    """What went wrong, in words that tell what to do."""
    if error is None:
        return HandshakeRefused(
            "the server opens WebSockets, but not for SIP: it did not agree on the subprotocol `sip`"
        )
    if not isinstance(error, InvalidStatus):
        return HandshakeRefused(f"no WebSocket handshake: {str(error)[:_MOST_SHOWN]}")
    answer = error.response
    rows = answer.headers.get_all("WWW-Authenticate") if answer.status_code == 401 else []
    challenges = tuple(challenge for row in rows for challenge in parse_challenges("WWW-Authenticate", row)[0])
    hint = {401: "auth", 404: "path"}.get(answer.status_code)
    advice = f"; WebSocketParams.{hint} decides on that" if hint else ""
    words = f"{answer.status_code} {answer.reason_phrase}"[:_MOST_SHOWN]
    return HandshakeRefused(f"the server answered the WebSocket handshake with {words}{advice}", challenges)


def _whole_message(data: bytes) -> Request | Response:
    """The one SIP message of a WebSocket message (RFC 7118 5); Content-Length may be missing.

    Raises:
        ParseError: It is none, a part of one, or more than one.
    """
    data = data.lstrip(b"\r\n")
    message, body = split_message(data)
    length = content_length(message.headers)
    if length is not None and length != len(body):
        shown = data[:120].decode("utf-8", "replace")
        raise ParseError(shown, len(data), f"a body of {length} octets and nothing behind it")
    if body:
        give_body(message, body)
    return message
