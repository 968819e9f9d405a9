"""A SIP registrar without I/O: messages and the time go in, messages come out.

It follows RFC 3261 10.3, with outbound (RFC 5626) and GRUU (RFC 5627) for those who ask, and can be told to do
otherwise, answer by answer. What it decides for a datagram, or for a message of a connection, in order:

1. Keep-alives get their own answer; what is not SIP is ignored and counted.
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
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from aiosipreg.testing.bindings import BindingTable, StoredBinding
from aiosipreg.testing.claim import RefusedError, read_claim
from aiosipreg.testing.extensions import asks_for_outbound, echoed_path, with_gruus
from aiosipreg.testing.flow import Flow
from aiosipreg.testing.gate import Gate
from aiosipreg.testing.packet import Packet
from aiosipreg.testing.replies import ExpiresIn, complete, destination, expiry_headers, phrase
from aiosipreg.testing.stun import binding_response
from aiosipreg.testing.transactions import Transactions, transaction_key
from aiosipreg.wire import Framer, ParseError, Request, Response, parse_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiosipreg.testing.flow import Transport
    from aiosipreg.testing.network import Address
    from aiosipreg.testing.verify import Verdict

__all__ = ["USERS", "Hook", "ScriptedRegistrar"]

Hook: TypeAlias = Callable[[Request, Response], Response | None]
"""Gets a request and the registrar's own answer, and returns what is answered; ``None`` is silence.

A bare ``Response(503, "Service Unavailable")`` is enough: Via, From, To, Call-ID and CSeq are added.
"""

USERS: Mapping[str, str] = MappingProxyType({"toto": "secret"})
"""Whom a registrar knows unless it is told."""

_PONGS: Mapping[bytes, bytes] = MappingProxyType({Framer.PING.value: Framer.PONG.value})


@dataclass(slots=True)
class _Scripted:
    response: Response | None
    times: int


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
        ignored: How many datagrams and messages were neither request nor response nor keep-alive.
        outbound: Whether it takes part in RFC 5626: ``Require: outbound``, and one binding for each instance-id and
            reg-id. May be set at any time, like all that follow.
        flow_timer: Seconds for the Flow-Timer of an answer with ``Require: outbound``; ``None`` leaves it out.
        gruu: Whether it gives GRUUs to those who ask (RFC 5627).
        keep: Seconds for the ``keep`` of the top Via, where it is asked for (RFC 6223); ``None`` takes no part in it.
        headers: Rows of every 200 beside its own: Service-Route, P-Associated-URI, Feature-Caps, Path and the like.
        pongs: Whether keep-alives are answered: CRLF and ping frames on connections, STUN over UDP.
        mapped: What STUN answers give as the client's address; ``None`` for where it really is.

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
        outbound: See the attribute.
        flow_timer: See the attribute.
        gruu: See the attribute.
        keep: See the attribute.
        headers: See the attribute.
        pongs: See the attribute.
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
        outbound: bool = True,
        flow_timer: int | None = None,
        gruu: bool = True,
        keep: int | None = None,
        headers: Iterable[tuple[str, str]] = (),
        pongs: bool = True,
        history: int = 100_000,
        seed: int = 0,
    ) -> None:
        self.hook = hook
        self.outbound = outbound
        self.flow_timer = flow_timer
        self.gruu = gruu
        self.keep = keep
        self.headers = tuple(headers)
        self.pongs = pongs
        self.mapped: Address | None = None
        self.address: Address = ("127.0.0.1", 5060)
        self.ignored = 0
        self._chance = chance = random.Random(seed)
        self._gate = Gate(
            users, realm, algorithms, qop, nonce_lifetime, one_time_nonce, next_nonce, challenge, wrong_password, chance
        )
        self._expires_in: ExpiresIn = expires_in
        self._table = BindingTable(min_expires=min_expires, max_expires=max_expires, default_expires=default_expires)
        self._script: deque[_Scripted] = deque()
        self._transactions = Transactions()
        records = [deque[Packet](maxlen=history) for _ in range(5)]
        self._requests, self._others, self._pings, self._responses, self._answers = records
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
    def pings(self) -> tuple[Packet, ...]:
        """Every keep-alive that asks for an answer, oldest first.

        ``data`` is CRLF CRLF on a connection, a STUN Binding request over UDP, or what a ping frame of WebSocket holds.
        """
        return tuple(self._pings)

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
        self._transactions.clear()
        self._gate.forget()

    def receive(self, data: bytes, source: Address | Flow, now: float) -> list[tuple[bytes, Address]]:
        """Take a datagram, or what one connection carries: a message cut from it, or CRLF CRLF.

        Args:
            data: The datagram or message.
            source: Where it came from; an address alone means UDP.
            now: The time in seconds; it never goes back.

        Returns:
            The messages to send, each with its destination; what came over a connection is answered over it.
        """
        self._now = now
        flow = source if isinstance(source, Flow) else Flow(source)
        pong = binding_response(data, self.mapped or flow.peer) if flow.transport == "udp" else _PONGS.get(data)
        if pong is not None:
            return [(pong, flow.peer)] if self._ping_came(Packet(now, flow, data)) else []
        try:
            message = _readable(data)
        except ParseError:
            self.ignored += 1
            return []
        if isinstance(message, Request):
            return self._process(message, data, flow, now)
        self._answers.append(Packet(now, flow, data))
        self._answer_came(message)
        return []

    def _process(self, request: Request, data: bytes, flow: Flow, now: float) -> list[tuple[bytes, Address]]:
        via = request.vias[0]
        key = transaction_key(request, via)
        again, answer = self._transactions.recall(key, now)
        packet = Packet(now, flow, data, again)
        if request.method == "REGISTER":
            self._requests.append(packet)
            self._register_came(packet)
        else:
            self._others.append(packet)
        # An ACK is never answered (RFC 3261 17.2.1).
        if request.method == "ACK":
            return []
        if answer is None:
            reply = self._reply(request, flow, now)
            answer = None if reply is None else bytes(reply)
            self._transactions.remember(key, answer, now)
        if answer is None:
            return []
        address = destination(via, flow)
        back = flow if address == flow.peer else replace(flow, peer=address)
        self._responses.append(Packet(now, back, answer, again))
        return [(answer, address)]

    def options_request(self, binding: StoredBinding) -> tuple[bytes, Address]:
        """An OPTIONS request toward a registered contact; what it answers turns up in ``answers``.

        Args:
            binding: Whom to ask.

        Returns:
            The message and its destination, which is where the binding was registered from: over UDP an address, else
            the other end of that connection.
        """
        flow = binding.flow
        host, port = self._address_on(flow.transport)
        literal = f"[{host}]" if ":" in host else host
        param = "" if flow.transport == "udp" else f";transport={flow.transport}"
        contact = str(binding.contact.uri)
        branch = f"z9hG4bK{self._random_text()}"
        headers = [
            ("Via", f"SIP/2.0/{flow.transport.upper()} {literal}:{port};branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{literal}:{port}>;tag={self._random_text()}"),
            ("To", f"<{contact}>"),
            ("Call-ID", self._random_text()),
            ("CSeq", "1 OPTIONS"),
            ("Contact", f"<sip:{literal}:{port}{param}>"),
        ]
        return bytes(Request("OPTIONS", contact, headers)), flow.peer

    def _address_on(self, transport: Transport) -> Address:
        """Where it listens for a transport."""
        return self.address

    def _ping_came(self, packet: Packet) -> bool:
        """Keep a keep-alive; whether it is answered."""
        self._pings.append(packet)
        return self.pongs

    def _register_came(self, packet: Packet) -> None:
        """For those who wait; called before the REGISTER is processed."""

    def _answer_came(self, response: Response) -> None:
        """For those who wait."""

    def _random_text(self) -> str:
        return f"{self._chance.getrandbits(64):016x}"

    def _reply(self, request: Request, flow: Flow, now: float) -> Response | None:
        tag = self._random_text()
        if request.method == "REGISTER" and self._script:
            response = self._scripted()
        else:
            decision = self._decide(request, flow, now)
            response = decision.response
            if self.hook is not None:
                response = self.hook(request, complete(request, response, flow.peer, tag, self.keep))
            if response is not None:
                self._carry_out(decision, response)
        return None if response is None else complete(request, response, flow.peer, tag, self.keep)

    def _scripted(self) -> Response | None:
        scripted = self._script[0]
        scripted.times -= 1
        if scripted.times <= 0:
            self._script.popleft()
        return scripted.response

    def _decide(self, request: Request, flow: Flow, now: float) -> _Decision:
        verdict = None
        try:
            claim = read_claim(request, self._understands)
            verdict = self._gate.check(request, now)
            bindings = self._table.plan(request, claim, flow, now, outbound=self.outbound)
        except RefusedError as refused:
            return _Decision(Response(refused.status, refused.reason, refused.headers), verdict)
        gruu = self.gruu and "gruu" in request.supported
        if gruu:
            bindings = with_gruus(bindings, claim, self._random_text)
        rows = expiry_headers(bindings, self._expires_in, now, gruu=gruu)
        rows += echoed_path(request)
        if self.outbound and asks_for_outbound(request):
            rows.append(("Require", "outbound"))
            if self.flow_timer is not None:
                rows.append(("Flow-Timer", str(self.flow_timer)))
        rows += self._gate.success_rows(verdict, now)
        return _Decision(Response(200, "OK", [*rows, *self.headers]), verdict, claim.aor, bindings)

    def _understands(self, tag: str) -> bool:
        return tag == "path" or (tag == "outbound" and self.outbound) or (tag == "gruu" and self.gruu)

    def _carry_out(self, decision: _Decision, response: Response) -> None:
        self._gate.accept(decision.verdict)
        if decision.bindings is not None and 200 <= response.status < 300:
            self._table.store(decision.aor, decision.bindings)


def _readable(data: bytes) -> Request | Response:
    """The message; a request is of no use without the Vias that its answer follows.

    Raises:
        ParseError: It is none, or a request without Via, or with a malformed one.
    """
    message = parse_message(data)
    if isinstance(message, Request) and not message.vias:
        raise ParseError("", 0, "a Via header")
    return message
