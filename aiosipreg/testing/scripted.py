"""A SIP registrar without I/O: datagrams and the time go in, datagrams come out.

It follows RFC 3261 10.3 and can be told to do otherwise, answer by answer. What it decides for a datagram, in order:

1. Keep-alives and what is not SIP are ignored and counted.
2. A retransmission (same branch) gets the answer that its first copy got, and changes nothing.
3. An answer queued by ``answer_next`` is given to a REGISTER before anything else is looked at.
4. Otherwise the registrar works out its own answer, which ``hook`` may replace.
5. Bindings change only when the answer of step 4 is a 2xx and what goes out is a 2xx too.

Silence is not remembered: a request without an answer counts as lost, and its retransmission is looked at afresh.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from aiosipreg.testing.bindings import BindingTable, Claim, RefusedError, StoredBinding
from aiosipreg.testing.packet import Packet
from aiosipreg.testing.replies import ExpiresIn, address_of_record, complete, destination, expiry_headers, phrase
from aiosipreg.testing.verify import DigestGuard, Outcome, Verdict
from aiosipreg.wire import ParseError, Request, Response, Via, parse_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiosipreg.testing.network import Address

__all__ = ["USERS", "Hook", "ScriptedRegistrar"]

Hook: TypeAlias = Callable[[Request, Response], Response | None]
"""Gets a request and the registrar's own answer, and returns what is answered; ``None`` is silence.

A bare ``Response(503, "Service Unavailable")`` is enough: Via, From, To, Call-ID and CSeq are added.
"""

USERS: Mapping[str, str] = MappingProxyType({"toto": "secret"})
"""Whom a registrar knows unless it is told."""

_COOKIE = "z9hg4bk"
_TIMER_J = 32.0


@dataclass(slots=True)
class _Scripted:
    response: Response | None
    times: int


@dataclass(frozen=True, slots=True)
class _Remembered:
    until: float
    answer: tuple[bytes, Address] | None


@dataclass(frozen=True, slots=True)
class _Decision:
    response: Response
    verdict: Verdict | None
    aor: str = ""
    bindings: tuple[StoredBinding, ...] | None = None


class ScriptedRegistrar:
    """The registrar.

    ::

        registrar = ScriptedRegistrar(users={"toto": "secret"}, min_expires=60)
        registrar.answer_next(503, headers=[("Retry-After", "30")])
        for data, address in registrar.receive(datagram, ("127.0.0.1", 5062), now=0.0):
            ...

    Any user of ``users`` may register any address-of-record; refuse with a ``hook`` where that matters.

    Attributes:
        hook: May replace any answer, of any method; see ``Hook``. May be set at any time.
        address: Host and port that it writes into what it sends by itself.
        ignored: How many datagrams were neither request nor response.

    Args:
        users: Passwords by digest user name, read at each request; ``None`` lets everybody in without a challenge.
        realm: Realm of the challenges.
        algorithms: One challenge row for each, in this order; see ``DigestGuard``.
        qop: What the challenges offer; empty for RFC 2069.
        nonce_lifetime: Seconds after which a nonce is answered with ``stale=true``; ``None`` for never.
        one_time_nonce: Whether each nonce is good for one request only.
        next_nonce: Whether a 200 has an Authentication-Info with ``nextnonce`` and, with qop, ``rspauth``.
        challenge: 401 with WWW-Authenticate, or 407 with Proxy-Authenticate.
        wrong_password: What a wrong password gets: a new challenge (401 stands for ``challenge``), or 403.
        min_expires: Shorter lifetimes than this many seconds get a 423; ``None`` takes any.
        max_expires: Longer ones are cut to this; ``None`` grants any.
        default_expires: Lifetime in seconds for contacts that ask for none.
        expires_in: Where a 200 writes the granted lifetimes.
        hook: See the attribute.
        history: How many packets ``requests`` and ``responses`` keep, each.
        seed: Where nonces and tags come from.

    Raises:
        ConfigError: An algorithm or qop that does not exist.
    """

    def __init__(
        self,
        users: Mapping[str, str] | None = USERS,
        *,
        realm: str = "sip.example.org",
        algorithms: Sequence[str] = ("MD5",),
        qop: Sequence[str] = ("auth",),
        nonce_lifetime: float | None = None,
        one_time_nonce: bool = False,
        next_nonce: bool = False,
        challenge: Literal[401, 407] = 401,
        wrong_password: Literal[401, 403] = 401,
        min_expires: int | None = None,
        max_expires: int | None = None,
        default_expires: int = 3600,
        expires_in: ExpiresIn = "contact",
        hook: Hook | None = None,
        history: int = 100_000,
        seed: int = 0,
    ) -> None:
        chance = random.Random(seed)
        self.hook = hook
        self.address: Address = ("127.0.0.1", 5060)
        self.ignored = 0
        self._chance = chance
        self._challenge: int = challenge
        self._wrong_password = challenge if wrong_password == 401 else wrong_password
        self._next_nonce = next_nonce
        self._expires_in: ExpiresIn = expires_in
        self._guard = (
            None
            if users is None
            else DigestGuard(
                users,
                realm=realm,
                algorithms=algorithms,
                qop=qop,
                nonce_lifetime=nonce_lifetime,
                one_time_nonce=one_time_nonce,
                chance=chance,
            )
        )
        self._table = BindingTable(min_expires=min_expires, max_expires=max_expires, default_expires=default_expires)
        self._script: deque[_Scripted] = deque()
        self._memory: dict[tuple[str, ...], _Remembered] = {}
        self._requests: deque[Packet] = deque(maxlen=history)
        self._others: deque[Packet] = deque(maxlen=history)
        self._responses: deque[Packet] = deque(maxlen=history)
        self._answers: deque[Packet] = deque(maxlen=history)
        self._now = 0.0

    @property
    def requests(self) -> tuple[Packet, ...]:
        """Every REGISTER received, oldest first, retransmissions included."""
        return tuple(self._requests)

    @property
    def other_requests(self) -> tuple[Packet, ...]:
        """Every request of another method received."""
        return tuple(self._others)

    @property
    def responses(self) -> tuple[Packet, ...]:
        """Every response sent."""
        return tuple(self._responses)

    @property
    def answers(self) -> tuple[Packet, ...]:
        """Every response received: what contacts answered to OPTIONS."""
        return tuple(self._answers)

    @property
    def bindings(self) -> dict[str, tuple[StoredBinding, ...]]:
        """The bindings by address-of-record (``sip:toto@sip.titi.com``), as of the newest ``now``."""
        return self.bindings_at(self._now)

    def bindings_at(self, now: float) -> dict[str, tuple[StoredBinding, ...]]:
        """The bindings by address-of-record that have not lapsed.

        Args:
            now: The time in seconds.
        """
        return self._table.all(now)

    def answer_next(
        self, status: int | None, reason: str = "", headers: Iterable[tuple[str, str]] = (), times: int = 1
    ) -> None:
        """Queue an answer for the next REGISTER that is not a retransmission; it changes no binding.

        Args:
            status: SIP status code; ``None`` says nothing, as if the request had been lost.
            reason: Reason phrase; empty for the usual one.
            headers: Headers of the answer, beyond those that every answer repeats from the request.
            times: For how many requests.
        """
        response = None
        if status is not None:
            response = Response(status, reason or phrase(status), headers)
        self._script.append(_Scripted(response, times))

    def restart(self) -> None:
        """Forget bindings, nonces and transactions, as a server does that was restarted without a store."""
        self._table.clear()
        self._memory.clear()
        if self._guard is not None:
            self._guard.forget()

    def receive(self, data: bytes, source: Address, now: float) -> list[tuple[bytes, Address]]:
        """Take a datagram.

        Args:
            data: The datagram.
            source: Where it came from.
            now: The time in seconds; it never goes back.

        Returns:
            The datagrams to send, each with its destination.
        """
        self._now = now
        try:
            message = parse_message(data)
            if isinstance(message, Response):
                self._answers.append(Packet(now, source, data))
                self._answer_came(message)
                return []
            via = _top_via(message)
        except ParseError:
            self.ignored += 1
            return []
        key = _transaction(message, via)
        remembered = self._recall(key, now)
        packet = Packet(now, source, data, remembered is not None)
        if message.method == "REGISTER":
            self._requests.append(packet)
            self._register_came(packet)
        else:
            self._others.append(packet)
        # An ACK is never answered (RFC 3261 17.2.1).
        if message.method == "ACK":
            return []
        answer = remembered.answer if remembered else None
        if answer is None:
            reply = self._reply(message, source, now)
            answer = None if reply is None else (bytes(reply), destination(via, source))
            # Taken out first, so that the newest entry is the last one.
            self._memory.pop(key, None)
            self._memory[key] = _Remembered(now + _TIMER_J, answer)
        if answer is None:
            return []
        self._responses.append(Packet(now, answer[1], answer[0], remembered is not None))
        return [answer]

    def options_request(self, binding: StoredBinding) -> tuple[bytes, Address]:
        """An OPTIONS request toward a registered contact; what it answers turns up in ``answers``.

        Args:
            binding: Whom to ask.

        Returns:
            The datagram and its destination, which is where the binding was registered from.
        """
        host, port = self.address
        literal = f"[{host}]" if ":" in host else host
        contact = str(binding.contact.uri)
        headers = [
            ("Via", f"SIP/2.0/UDP {literal}:{port};branch=z9hG4bK{self._random_text()};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{literal}:{port}>;tag={self._random_text()}"),
            ("To", f"<{contact}>"),
            ("Call-ID", self._random_text()),
            ("CSeq", "1 OPTIONS"),
            ("Contact", f"<sip:{literal}:{port}>"),
        ]
        return bytes(Request("OPTIONS", contact, headers)), binding.source

    def _register_came(self, packet: Packet) -> None:
        """For those who wait; called before the REGISTER is processed."""

    def _answer_came(self, response: Response) -> None:
        """For those who wait."""

    def _random_text(self) -> str:
        return f"{self._chance.getrandbits(64):016x}"

    def _recall(self, key: tuple[str, ...], now: float) -> _Remembered | None:
        # Entries are in order of time, so the lapsed ones come first.
        while self._memory:
            oldest = next(iter(self._memory))
            if self._memory[oldest].until > now:
                break
            del self._memory[oldest]
        return self._memory.get(key)

    def _reply(self, request: Request, source: Address, now: float) -> Response | None:
        tag = self._random_text()
        if request.method == "REGISTER" and self._script:
            response = self._scripted()
        else:
            decision = self._decide(request, source, now)
            response = decision.response
            if self.hook is not None:
                response = self.hook(request, complete(request, response, source, tag))
            if response is not None:
                self._carry_out(decision, response)
        return None if response is None else complete(request, response, source, tag)

    def _scripted(self) -> Response | None:
        scripted = self._script[0]
        scripted.times -= 1
        if scripted.times <= 0:
            self._script.popleft()
        return scripted.response

    def _decide(self, request: Request, source: Address, now: float) -> _Decision:
        verdict = None
        try:
            claim = _checked(request)
            verdict = self._authenticate(request, now)
            bindings = self._table.plan(request, claim, source, now)
        except RefusedError as refused:
            return _Decision(Response(refused.status, refused.reason, refused.headers), verdict)
        listing = expiry_headers(bindings, self._expires_in, now)
        if self._next_nonce and self._guard is not None and verdict is not None:
            listing.append((self._name("Authentication-Info"), self._guard.info(verdict, now)))
        return _Decision(Response(200, "OK", listing), verdict, claim.aor, bindings)

    def _carry_out(self, decision: _Decision, response: Response) -> None:
        if self._guard is not None and decision.verdict is not None:
            self._guard.accept(decision.verdict)
        if decision.bindings is not None and 200 <= response.status < 300:
            self._table.store(decision.aor, decision.bindings)

    def _authenticate(self, request: Request, now: float) -> Verdict | None:
        if self._guard is None:
            return None
        rows = request.headers.get_all(self._name("Authorization"))
        verdict = self._guard.check(rows, request.method, request.uri, request.body, now)
        if verdict.outcome is Outcome.GOOD:
            return verdict
        if verdict.outcome is Outcome.MALFORMED:
            raise RefusedError(400, f"Bad Credentials: {verdict.text}")
        if verdict.outcome is Outcome.WRONG and self._wrong_password == 403:
            raise RefusedError(403, "Forbidden")
        name = self._name("Authenticate")
        challenges = self._guard.challenges(now, stale=verdict.outcome is Outcome.STALE)
        raise RefusedError(self._challenge, phrase(self._challenge), tuple((name, row) for row in challenges))

    def _name(self, header: str) -> str:
        if self._challenge == 407:
            return f"Proxy-{header}"
        return f"WWW-{header}" if header == "Authenticate" else header


def _top_via(request: Request) -> Via:
    """The Via that the answer follows.

    Raises:
        ParseError: There is none, or one of them is malformed.
    """
    if not request.vias:
        raise ParseError("", 0, "a Via header")
    return request.vias[0]


def _transaction(request: Request, via: Via) -> tuple[str, ...]:
    """What two copies of one request share (RFC 3261 17.2.3)."""
    if via.branch is not None and via.branch.lower().startswith(_COOKIE):
        return (via.branch.lower(), via.host.lower(), str(via.port), request.method)
    # RFC 2543 clients have no unique branch.
    headers = request.headers
    return (str(via), request.uri, *(headers.get(name) or "" for name in ("From", "Call-ID", "CSeq")))


def _checked(request: Request) -> Claim:
    """What a REGISTER that can be processed speaks for (RFC 3261 8.2 and 10.3 steps 2 and 5)."""
    try:
        cseq, to, call_id, from_ = request.cseq, request.to, request.call_id, request.from_
    except ParseError as error:
        raise RefusedError(400, "Malformed Header") from error
    if cseq is None or to is None or call_id is None or from_ is None:
        raise RefusedError(400, "Missing Header")
    if cseq.method != request.method:
        raise RefusedError(400, "CSeq Of Another Method")
    if request.method != "REGISTER":
        raise RefusedError(405, phrase(405), (("Allow", "REGISTER"),))
    if request.require:
        raise RefusedError(420, phrase(420), (("Unsupported", ", ".join(request.require)),))
    return Claim(address_of_record(to.uri), call_id, cseq.number)
