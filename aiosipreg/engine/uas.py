"""Requests that arrive on a flow (RFC 3261 8.2, 11; TRA-17) and their answers by default."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiosipreg.errors import ParseError
from aiosipreg.wire import Request, Response, SipUri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from aiosipreg.engine.timers import SipTimers

__all__ = ["IncomingRequest", "UserAgentServer"]

_ALLOW: Final = "OPTIONS, NOTIFY"
_REFUSED: Final = {
    # A gateway's calls and messages are known methods that a registration client does not take.
    "INVITE": (405, "Method Not Allowed"),
    "BYE": (405, "Method Not Allowed"),
    "CANCEL": (481, "Call/Transaction Does Not Exist"),
    "MESSAGE": (405, "Method Not Allowed"),
    "REGISTER": (405, "Method Not Allowed"),
    "INFO": (405, "Method Not Allowed"),
    "REFER": (405, "Method Not Allowed"),
    "UPDATE": (405, "Method Not Allowed"),
    "PRACK": (405, "Method Not Allowed"),
    "PUBLISH": (489, "Bad Event"),
    "SUBSCRIBE": (489, "Bad Event"),
    "NOTIFY": (489, "Bad Event"),
}
_COPIED: Final = ("from", "call-id", "cseq")
_MOST_ANSWERS: Final = 1000
_MOST_PER_SECOND: Final = 200
_MOST_PER_PEER: Final = 20
_LARGEST_FACTOR: Final = 3


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A request from the network, and the way to answer it.

    Attributes:
        request: The request.
        source: Host and port it came from.
        to_tag: The tag that an answer puts into To.
    """

    request: Request
    source: tuple[str, int]
    to_tag: str

    def response(
        self, status: int, reason: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Response:
        """An answer with the headers that RFC 3261 8.2.6.2 wants copied.

        Args:
            status: 200 to 699.
            reason: The reason phrase.
            headers: Further headers.
            body: The body.
        """
        rows: list[tuple[str, str]] = []
        for name, value in self.request.headers.items():
            key = _LONG.get(name.lower(), name.lower())
            if key == "via":
                rows.append(("Via", value if rows else self._with_source(value)))
            elif key in _COPIED:
                rows.append((name, value))
            elif key == "to":
                rows.append((name, value if ";tag=" in value else f"{value};tag={self.to_tag}"))
        return Response(status, reason, [*rows, *headers], body)

    def _with_source(self, via: str) -> str:
        """The top Via with the address it came from (RFC 3261 18.2.1, RFC 3581 4)."""
        top, comma, rest = via.partition(",")
        host, port = self.source
        parts = [part for part in top.split(";") if part.strip().lower().partition("=")[0] not in ("rport", "received")]
        asked = len(parts) != len(top.split(";"))
        parts.append(f"received={host}")
        if asked:
            parts.append(f"rport={port}")
        return ";".join(parts) + comma + rest


_LONG: Final = {"v": "via", "f": "from", "t": "to", "i": "call-id"}


class UserAgentServer:
    """Decides what requests get: a repeat the same answer again, a flood nothing, all others an answer by the table.

    Args:
        timers: Give how long repeats are absorbed.
        is_ours: Whether a user part belongs to an account of this core (SEC-28).
        random: For To tags.
    """

    def __init__(self, timers: SipTimers, is_ours: Callable[[str], bool], random: Random) -> None:
        self._absorb_for = timers.timer_f
        self._is_ours = is_ours
        self._random = random
        self._answers: OrderedDict[tuple[str, str, str], tuple[float, bytes]] = OrderedDict()
        self._second = 0
        self._answered = 0
        self._answered_to: dict[str, int] = {}

    def received(self, request: Request, source: tuple[str, int], now: float) -> IncomingRequest | bytes | str:
        """Take a request.

        Returns:
            The request with a way to answer it; or the octets that answered its first copy; or the word under which
            it is counted as dropped.
        """
        try:
            key = self._key(request, source)
        except ParseError:
            return "malformed"
        if request.method == "ACK" or key is None:
            return "no answer wanted"
        earlier = self._answers.get(key)
        if earlier is not None and now < earlier[0]:
            return earlier[1] or "repeated"
        if self._flooded(source[0], now):
            return "flood"
        self._answers[key] = (now + self._absorb_for, b"")
        while len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)
        return IncomingRequest(request, source, f"{self._random.getrandbits(64):016x}")

    def default(self, incoming: IncomingRequest) -> Response:
        """The answer that a request gets when the application has none."""
        request = incoming.request
        if not self._addressed_to_us(request.uri):
            return incoming.response(404, "Not Found")
        if request.method == "OPTIONS":
            return incoming.response(
                200, "OK", [("Allow", _ALLOW), ("Accept", "application/sdp"), ("Supported", "path")]
            )
        status, reason = _REFUSED.get(request.method, (501, "Not Implemented"))
        more = [("Allow-Events", "reg")] if status == 489 else [("Allow", _ALLOW)] if status in (405, 501) else []
        return incoming.response(status, reason, more)

    def answered(self, incoming: IncomingRequest, response: Response, now: float) -> bytes | None:
        """Remember an answer for repeats; return its octets, ``None`` if they would amplify a flood (SEC-26)."""
        data = bytes(response)
        key = self._key(incoming.request, incoming.source)
        if key is not None:
            self._answers[key] = (now + self._absorb_for, data)
        return data if len(data) <= _LARGEST_FACTOR * len(bytes(incoming.request)) else None

    def _key(self, request: Request, source: tuple[str, int]) -> tuple[str, str, str] | None:
        via = request.via
        if via is None or request.cseq is None or request.from_ is None or request.to is None or not request.call_id:
            raise ParseError(request.method, 0, "Via, From, To, Call-ID and CSeq")
        if via.host.startswith(("224.", "225.", "226.", "239.", "255.")):
            return None
        return (via.branch or request.call_id).lower(), request.method, f"{source[0]}:{source[1]}"

    def _addressed_to_us(self, text: str) -> bool:
        try:
            uri = SipUri.parse(text)
        except ParseError:
            return False
        return uri.user is None or self._is_ours(uri.user)

    def _flooded(self, host: str, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._answered = int(now), 0
            self._answered_to.clear()
        self._answered += 1
        self._answered_to[host] = self._answered_to.get(host, 0) + 1
        return self._answered > _MOST_PER_SECOND or self._answered_to[host] > _MOST_PER_PEER
