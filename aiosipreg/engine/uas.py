"""Requests that arrive on a flow (RFC 3261 8.2, 11; TRA-17) and their answers by default."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire import Request, Response, SipUri
from aiosipreg.wire.grammar import check_text, split_list, split_params
from aiosipreg.wire.host import parse_ip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

    from aiosipreg.engine.timers import SipTimers

__all__ = ["IncomingRequest", "UserAgentServer"]

_ALLOW: Final = "OPTIONS, NOTIFY"
_NO_SUCH: Final = (481, "Call/Transaction Does Not Exist")
_REFUSED: Final = {
    # A gateway's calls and messages are known methods that a registration client does not take.
    "INVITE": (405, "Method Not Allowed"),
    "BYE": (405, "Method Not Allowed"),
    "CANCEL": _NO_SUCH,
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
        serial: Tells the connections apart that requests come by; 0 for a datagram.
    """

    request: Request
    source: tuple[str, int]
    to_tag: str
    serial: int = 0

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
        for name, value in _copied(self.request):
            if name == "Via" and not rows:
                rows.append((name, self._with_source(value)))
            elif name == "To" and self.request.to is not None and not self.request.to.tag:
                rows.append((name, f"{value};tag={self.to_tag}"))
            else:
                rows.append((name, value))
        return Response(status, reason, [*rows, *headers], body)

    def _with_source(self, via: str) -> str:
        """The Via with the address it came from (RFC 3261 18.2.1, RFC 3581 4)."""
        top, *others = split_list(via)
        host, port = self.source
        sent_by, *params = split_params(top)
        names = [part.partition("=")[0].rstrip().lower() for part in params]
        kept = [part for part, name in zip(params, names, strict=True) if name not in ("received", "rport")]
        seen = [f"received={host}", *([f"rport={port}"] if "rport" in names else [])]
        return ", ".join([";".join([sent_by, *kept, *seen]), *others])


def _copied(request: Request) -> list[tuple[str, str]]:
    """The rows that every answer repeats; a tab is as good as a blank, but may not be written (SEC-11).

    Not so in a Call-ID, which has to come back octet by octet.
    """
    rows = [(name, row) for name in ("Via", "From", "To", "Call-ID", "CSeq") for row in request.headers.get_all(name)]
    return [(name, row if name == "Call-ID" else row.replace("\t", " ")) for name, row in rows]


class UserAgentServer:
    """Decides what requests get: a repeat the same answer again, a flood nothing, all others an answer by the table.

    Args:
        timers: Give how long repeats are absorbed.
        is_ours: Whether a user part belongs to an account of this core (SEC-28).
        accounts: How many accounts there are; as many requests a second are answered even if that is above the limit.
        random: For To tags.
    """

    def __init__(
        self, timers: SipTimers, is_ours: Callable[[str], bool], accounts: Callable[[], int], random: Random
    ) -> None:
        self._absorb_for = timers.timer_f
        self._is_ours = is_ours
        self._accounts = accounts
        self._random = random
        self._answers: OrderedDict[tuple[str, str, int, tuple[str, int]], tuple[float, bytes]] = OrderedDict()
        self._second = 0
        self._answered = 0
        self._answered_to: dict[str | int, int] = {}

    def received(
        self, request: Request, source: tuple[str, int], now: float, serial: int = 0
    ) -> IncomingRequest | bytes | str:
        """Take a request.

        Args:
            request: The request.
            source: Host and port it came from.
            now: The time.
            serial: The connection it came by; 0 for a datagram, whose source port says nothing.

        Returns:
            The request with a way to answer it; or the octets that answered its first copy; or the word under which
            it is counted as dropped.
        """
        try:
            key = self._key(request, source)
            for name, value in _copied(request):
                check_text(name, value)
        except (ParseError, ConfigError):
            return "malformed"
        if request.method == "ACK" or key is None:
            return "no answer wanted"
        if self._flooded(serial or source[0], now):
            return "flood"
        earlier = self._answers.get(key)
        if earlier is not None and now < earlier[0]:
            return earlier[1] or "repeated"
        self._answers[key] = (now + self._absorb_for, b"")
        while len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)
        return IncomingRequest(request, source, f"{self._random.getrandbits(64):016x}", serial)

    def default(self, incoming: IncomingRequest) -> Response:
        """The answer that a request gets when the application has none."""
        request = incoming.request
        ours = self._addressed_to_us(request.uri)
        if request.method == "NOTIFY" and (not ours or _package(request) == "reg"):
            # We have no subscription, to the one package that we would understand neither (SEC-28, EVT-5).
            return incoming.response(*_NO_SUCH)
        if not ours:
            return incoming.response(404, "Not Found")
        if request.method == "OPTIONS":
            return incoming.response(
                200, "OK", [("Allow", _ALLOW), ("Accept", "application/sdp"), ("Supported", "path")]
            )
        status, reason = _REFUSED.get(request.method, (501, "Not Implemented"))
        more = [("Allow-Events", "reg")] if status == 489 else [("Allow", _ALLOW)] if status in (405, 501) else []
        return incoming.response(status, reason, more)

    def answered(self, incoming: IncomingRequest, response: Response, now: float) -> bytes | None:
        """Remember an answer for repeats; return its octets, ``None`` if they would amplify a flood (SEC-26).

        On a connection nobody asks in the name of others, so an answer may be as large as it is; nor does anybody
        repeat a request there, so a large one is not kept.
        """
        data = bytes(response)
        fits = len(data) <= _LARGEST_FACTOR * len(bytes(incoming.request))
        key = self._key(incoming.request, incoming.source)
        if key is not None:
            self._answers[key] = (now + self._absorb_for, data if fits else b"")
        return data if fits or incoming.serial else None

    def _key(self, request: Request, source: tuple[str, int]) -> tuple[str, str, int, tuple[str, int]] | None:
        """What a request has in common with its repeats (RFC 3261 17.2.3), ``None`` if nobody may be answered."""
        via, cseq = request.via, request.cseq
        if via is None or cseq is None or request.from_ is None or request.to is None or not request.call_id:
            raise ParseError(request.method, 0, "Via, From, To, Call-ID and CSeq")
        if _is_group(via.host):
            return None
        return (via.branch or request.call_id).lower(), request.method, cseq.number, source

    def _addressed_to_us(self, text: str) -> bool:
        try:
            uri = SipUri.parse(text)
        except ParseError:
            return False
        return uri.user is None or self._is_ours(uri.user)

    def _flooded(self, peer: str | int, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._answered = int(now), 0
            self._answered_to.clear()
        answered = self._answered_to.get(peer, 0)
        # A registrar that looks after its contacts sends each of them an OPTIONS; those are no flood.
        accounts = self._accounts()
        if answered >= max(_MOST_PER_PEER, accounts) or self._answered >= max(_MOST_PER_SECOND, accounts):
            return True
        self._answered += 1
        self._answered_to[peer] = answered + 1
        return False


def _is_group(host: str) -> bool:
    """Whether this is no single host but a multicast or broadcast address (SEC-26)."""
    literal = parse_ip(host)
    address = None if literal is None else ipaddress.ip_address(literal)
    return address is not None and (address.is_multicast or literal == "255.255.255.255")


def _package(request: Request) -> str:
    return (request.headers.get("Event") or "").partition(";")[0].strip().lower()
