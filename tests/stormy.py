"""A registrar that gives every answer a REGISTER can get, for the long soak.

It is lean because it is asked 200 000 times: a request is split into lines and never parsed, an answer is joined from
octets. Most answers are right ones. The others come from a deck of cards that is shuffled again when it was dealt out,
so that each of them is given, and as often as any other.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter, deque
from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Asked", "StormyRegistrar"]

REALM = "storm"
OURS = b'realm="storm"'
REALMS = ("one", "two", "three", "four", "five", "six", "seven")
TIMER_J = 40.0
NONCE_LIFETIME = 7200.0

_PARTS = re.compile(rb'(\w+)="?([^",]+)"?')
_CONTACT = re.compile(rb"<([^>]+)>(.*)")
_EXPIRES = re.compile(rb";expires=(\d+)")

Rows: TypeAlias = "tuple[bytes, ...]"
Reply: TypeAlias = "tuple[float, bytes]"
"""Seconds until it is sent, and the datagram."""

HUGE, GARBAGE = b"4294967295", b"99999999999999999999"
RETRY_AFTER: tuple[Rows, ...] = (
    *((), ()),
    *((b"Retry-After: " + text,) for text in (b"0", b"10", b"7200", HUGE, GARBAGE, b"soon", b"-1", b"")),
    (b"Retry-After: 120 (I'm (still) out);duration=60",),
    (b"Retry-After: 10", b"Retry-After: 20"),
)
PLACES: tuple[Rows, ...] = (
    (),
    (b"Contact: <sip:one.storm.example>",),
    (b"Contact: <sip:two.storm.example>;q=0.5, <sip:three.storm.example>;q=0.7",),
    (b"Contact: <sip:alice@one.storm.example;method=INVITE?Route=%3Csip:evil.example%3E>",),
    (b"Contact: <sip:storm.example>",),
    (b"Contact: <sip:evil.example>",),
    (b"Contact: <sips:one.storm.example>, <tel:+4930123>, <http://storm.example/>",),
    (b"Contact: <sip:storm.example:22>",),
    (b"Contact: <sip:127.0.0.1:5060>",),
    (b"Contact: <sip:one.storm.example",),
    (b"Contact: *",),
    tuple(b"Contact: <sip:%d.storm.example>" % number for number in range(20)),
)
DISLIKED: tuple[Rows, ...] = ((), (b"Unsupported: path",), (b"Unsupported: gin, path",), (b"Unsupported: 100rel",))
REQUIRED: tuple[Rows, ...] = ((), (b"Require: path",), (b"Require: 100rel",), (b"Require: sec-agree, path",))
FLOORS: tuple[Rows, ...] = (
    (),
    *((b"Min-Expires: " + text,) for text in (b"60", b"900", b"1200", b"86401", HUGE, GARBAGE, b"long", b"0")),
)


@dataclass(slots=True)
class Asked:
    """One REGISTER, as far as anybody looks at it."""

    branch: bytes
    via: bytes
    sender: bytes
    receiver: bytes
    call_id: bytes
    cseq: int
    now: float
    port: int
    contacts: list[bytes]
    expires: bytes | None
    authorization: bytes | None

    @classmethod
    def read(cls, data: bytes, port: int, now: float) -> Asked:
        """Split a datagram into its rows."""
        single: dict[bytes, bytes] = {}
        contacts = []
        for line in data.split(b"\r\n"):
            name, _, value = line.partition(b": ")
            if name == b"Contact":
                contacts.append(value)
            elif name != b"Authorization" or OURS in value:
                single[name] = value
        via = single[b"Via"]
        return cls(
            via[via.index(b"branch=") + 7 :],
            via,
            single[b"From"],
            single[b"To"],
            single[b"Call-ID"],
            int(single[b"CSeq"].partition(b" ")[0]),
            now,
            port,
            contacts,
            single.get(b"Expires"),
            single.get(b"Authorization"),
        )

    @property
    def aor(self) -> bytes:
        """The address-of-record."""
        return self.receiver[1:-1]

    @property
    def lifetime(self) -> int:
        """What is wished for the first Contact."""
        return self.lifetime_of(self.contacts[0]) if self.contacts else 0

    def lifetime_of(self, contact: bytes) -> int:
        """What is wished for one Contact."""
        found = _EXPIRES.search(contact)
        return int(found[1] if found is not None else self.expires or b"3600")

    def answer(self, status: int, rows: Iterable[bytes] = (), **other: bytes) -> bytes:
        """An answer; ``other`` replaces what is repeated from the request."""
        via = self.via.replace(b";rport;", b";rport=%d;received=127.0.0.1;" % self.port)
        return b"\r\n".join((
            b"SIP/2.0 %d Because" % status,
            b"Via: " + other.get("via", via),
            b"From: " + other.get("sender", self.sender),
            b"To: " + other.get("receiver", self.receiver) + b";tag=storm",
            b"Call-ID: " + other.get("call_id", self.call_id),
            b"CSeq: " + other.get("cseq", b"%d REGISTER" % self.cseq),
            *rows,
            b"Content-Length: 0\r\n\r\n",
        ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """What the location service knows of one Contact."""

    expires_at: float
    call_id: bytes
    cseq: int


class StormyRegistrar:
    """The registrar behind any number of addresses.

    Attributes:
        share: Of so many requests the answer comes from the deck.
        given: How often each card was dealt; a card is named by its row in the requirements.
        bindings: What is bound, by address-of-record and URI.
        asked: REGISTERs, copies included.
        refuse: Tells the client that its request with this branch did not arrive, as ICMP does.
    """

    def __init__(self, users: dict[str, str], *, seed: int, share: float = 0.25) -> None:
        self.share = share
        self.given: Counter[str] = Counter()
        self.bindings: dict[bytes, dict[bytes, Held]] = {}
        self.asked = 0
        self.chance = random.Random(seed)
        self.refuse: Callable[[str], None] = lambda branch: None
        self._secrets = {
            user.encode(): md5(f"{user}:{REALM}:{secret}".encode()).hexdigest().encode()
            for user, secret in users.items()
        }
        self._answers: dict[bytes, list[Reply]] = {}
        self._forget_at: deque[tuple[float, bytes]] = deque()
        self._boots = 0
        self._deck: list[Card] = []
        self._moods: dict[bytes, tuple[float, Card]] = {}

    async def open(self, *addresses: tuple[str, int]) -> None:
        """Listen; the event loop of the test ends it."""
        loop = asyncio.get_running_loop()
        for address in addresses:
            await loop.create_datagram_endpoint(lambda: _Door(loop, self), local_addr=address)

    def restart(self) -> None:
        """Forget nonces, bindings and transactions."""
        self._boots += 1
        self._answers.clear()
        self.bindings.clear()

    def calm(self) -> None:
        """From now on only right answers."""
        self.share = 0.0
        self._moods.clear()

    def received(self, data: bytes, port: int, now: float) -> list[Reply]:
        """What a REGISTER is answered with."""
        self.asked += 1
        asked = Asked.read(data, port, now)
        known = self._answers.get(asked.branch)
        if known is not None:
            return [(0.0, datagram) for _, datagram in known]
        while self._forget_at and self._forget_at[0][0] <= now:
            self._answers.pop(self._forget_at.popleft()[1], None)
        card = self._card(asked)
        replies = card.play(self, asked)
        if card.kept:
            self._answers[asked.branch] = replies
            self._forget_at.append((now + TIMER_J, asked.branch))
        return replies

    def _card(self, asked: Asked) -> Card:
        """How to answer: as this account is answered for a while, else rightly, else by the next card of the deck."""
        until, card = self._moods.get(asked.aor, (0.0, RIGHT))
        if asked.now >= until:
            if self.chance.random() >= self.share:
                return RIGHT
            if not self._deck:
                self._deck = list(CARDS)
                self.chance.shuffle(self._deck)
            card = self._deck.pop()
            lasts = card.lasts or (self.chance.uniform(600, 7200) if self.chance.random() < 0.02 else 0.0)
            self._moods[asked.aor] = asked.now + lasts, card
        self.given[card.row] += 1
        return card

    def right(self, asked: Asked) -> list[Reply]:
        """What RFC 3261 10.3 wants."""
        challenge = self.challenge(asked)
        if challenge is not None:
            return [(0.0, asked.answer(401, (challenge,)))]
        return [(0.0, asked.answer(500 if self.is_late(asked) else 200, self.bind(asked)))]

    def is_late(self, asked: Asked) -> bool:
        """Whether a later request of the same series was carried out before (RFC 3261 10.3 step 7)."""
        held = self.bindings.get(asked.aor, {})
        return any(one.call_id == asked.call_id and one.cseq >= asked.cseq for one in held.values())

    def challenge(self, asked: Asked) -> bytes | None:
        """The challenge that a request deserves, ``None`` if it has the right credentials."""
        if asked.authorization is None:
            return self.new_challenge(asked)
        parts = dict(_PARTS.findall(asked.authorization))
        secret = self._secrets[parts[b"username"]]
        a2 = md5(b"REGISTER:" + parts[b"uri"]).hexdigest().encode()
        answer = b":".join((secret, parts[b"nonce"], parts[b"nc"], parts[b"cnonce"], b"auth", a2))
        if md5(answer).hexdigest().encode() != parts[b"response"]:
            return self.new_challenge(asked)
        boots, _, rest = parts[b"nonce"].partition(b"-")
        given_at = float(rest.partition(b"-")[0])
        fresh = int(boots) == self._boots and asked.now < given_at + NONCE_LIFETIME
        return None if fresh else self.new_challenge(asked, b", stale=true")

    def new_challenge(self, asked: Asked, more: bytes = b"", *, realm: str = REALM, proxy: bool = False) -> bytes:
        """A challenge with a new nonce."""
        name = b"Proxy-Authenticate" if proxy else b"WWW-Authenticate"
        return b'%s: Digest realm="%s", nonce="%s", qop="auth"%s' % (name, realm.encode(), self.nonce(asked.now), more)

    def nonce(self, now: float) -> bytes:
        """One that is good for two hours, until the next restart."""
        return b"%d-%.3f-%x" % (self._boots, now, self.chance.getrandbits(32))

    def bind(self, asked: Asked, lifetime: int | None = None) -> list[bytes]:
        """Carry a REGISTER out, and list what is bound then."""
        now = asked.now
        held = {uri: one for uri, one in self.bindings.get(asked.aor, {}).items() if one.expires_at > now}
        for contact in () if self.is_late(asked) else asked.contacts:
            if contact == b"*":
                held.clear()
                continue
            found = _CONTACT.match(contact)
            assert found is not None
            wished = asked.lifetime_of(contact)
            if wished == 0:
                held.pop(found[1], None)
            else:
                held[found[1]] = Held(now + (lifetime or wished), asked.call_id, asked.cseq)
        if held:
            self.bindings[asked.aor] = held
        else:
            self.bindings.pop(asked.aor, None)
        return [b"Contact: <%s>;expires=%d" % (uri, one.expires_at - now) for uri, one in held.items()]

    def holds(self, aor: str, until: float) -> bool:
        """Whether anything is bound there for as long."""
        held = self.bindings.get(aor.encode(), {})
        return any(one.expires_at >= until for one in held.values())


class _Door(asyncio.DatagramProtocol):
    """One address of the registrar."""

    transport: asyncio.DatagramTransport

    def __init__(self, loop: asyncio.AbstractEventLoop, registrar: StormyRegistrar) -> None:
        self._loop = loop
        self._registrar = registrar

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        for delay, datagram in self._registrar.received(data, addr[1], self._loop.time()):
            if delay:
                self._loop.call_later(delay, self.transport.sendto, datagram, addr)
            else:
                self.transport.sendto(datagram, addr)


Play: TypeAlias = "Callable[[StormyRegistrar, Asked], list[Reply]]"


@dataclass(frozen=True, slots=True)
class Card:
    """A way to answer.

    Attributes:
        row: What it is for in section 8 of the requirements, or its status code.
        play: Makes the datagrams.
        kept: A copy of the request gets the same; else it gets another card, as if the first had been lost.
        lasts: For so many seconds the account gets the same card again.
    """

    row: str
    play: Play = field(compare=False)
    kept: bool = True
    lasts: float = 0.0


def _once(make: Callable[[StormyRegistrar, Asked], bytes]) -> Play:
    """One datagram, at once."""
    return lambda registrar, asked: [(0.0, make(registrar, asked))]


def _later(seconds: float, status: int | None = None) -> Play:
    """The right answer after a while, perhaps with a provisional one before it."""

    def play(registrar: StormyRegistrar, asked: Asked) -> list[Reply]:
        first = [] if status is None else [(0.0, asked.answer(status))]
        return [*first, *((seconds, datagram) for _, datagram in registrar.right(asked))]

    return play


def _says(status: int, *choice: Rows) -> Play:
    """An error, sometimes with a Retry-After."""

    def play(registrar: StormyRegistrar, asked: Asked) -> list[Reply]:
        rows = (*registrar.chance.choice(choice or ((),)), *registrar.chance.choice(RETRY_AFTER))
        return [(0.0, asked.answer(status, rows))]

    return play


def _challenges(more: bytes = b"", *, realms: Sequence[str] = (REALM,), proxy: bool = False) -> Play:
    def make(registrar: StormyRegistrar, asked: Asked) -> bytes:
        realm = realms[asked.cseq % len(realms)]
        return asked.answer(407 if proxy else 401, [registrar.new_challenge(asked, more, realm=realm, proxy=proxy)])

    return _once(make)


def _never_content(registrar: StormyRegistrar, asked: Asked) -> list[Reply]:
    """Whatever keeps an attempt going: as much of each as an attempt takes, up to its sixteen requests."""
    match "RCUCXCRUCNRUCMCU"[asked.cseq % 16]:
        case "C":
            return _challenges(realms=REALMS, proxy=True)(registrar, asked)
        case "R":
            rows, status = b"Contact: <sip:%d.storm.example>" % asked.cseq, 302
        case "X":
            rows, status = b"Unsupported: path", 420
        case "N":
            rows, status = b"Require: path", 421
        case "M":
            rows, status = b"Min-Expires: %d" % (asked.lifetime + 1), 423
        case _:
            rows, status = b"Retry-After: 0", 503
    return [(0.0, asked.answer(status, [rows]))]


def _grants(rows: Callable[[Asked, list[bytes]], Iterable[bytes]], status: int = 200) -> Play:
    """A 2xx that may say something else than what was done."""
    return _once(lambda registrar, asked: asked.answer(status, rows(asked, registrar.bind(asked))))


def _twists(**other: bytes | Callable[[Asked], bytes]) -> Play:
    """A 200 to some other request: nothing that may be taken."""

    def make(registrar: StormyRegistrar, asked: Asked) -> bytes:
        twisted = {name: value if isinstance(value, bytes) else value(asked) for name, value in other.items()}
        return asked.answer(200, (b"Contact: <sip:nobody@127.0.0.1>",), **twisted)

    return _once(make)


def _refuses(registrar: StormyRegistrar, asked: Asked) -> list[Reply]:
    registrar.refuse(asked.branch.decode())
    return []


def _of_status(status: int) -> Card:
    match status // 100:
        case 1:
            return Card(str(status), _later(2.0, status))
        case 2:
            return Card(str(status), _grants(lambda asked, listed: listed, status))
        case 3:
            return Card(str(status), _says(status, *PLACES))
    if status in (401, 407):
        return Card(str(status), _challenges(proxy=status == 407))
    return Card(str(status), _says(status, *{420: DISLIKED, 421: REQUIRED, 423: FLOORS}.get(status, ((),))))


def _replaced(old: bytes, new: bytes) -> Play:
    """A 200 with something else in its list."""
    return _grants(lambda asked, listed: [row.replace(old, new) for row in listed])


def _beside(*rows: bytes) -> Play:
    """A 200 with more rows."""
    return _grants(lambda asked, listed: [*listed, *rows])


def _instead(*rows: bytes) -> Play:
    """A 200 with other rows than the list."""
    return _grants(lambda asked, listed: rows)


def _bound_for(lifetime: int) -> Play:
    return _once(lambda registrar, asked: asked.answer(200, registrar.bind(asked, lifetime)))


def _not_bound(registrar: StormyRegistrar, asked: Asked) -> bytes:
    return asked.answer(200, [b"Contact: " + _EXPIRES.sub(b"", one) + b";expires=0" for one in asked.contacts])


def _next_nonce(registrar: StormyRegistrar, asked: Asked) -> bytes:
    info = b'Authentication-Info: nextnonce="%s"' % registrar.nonce(asked.now)
    return asked.answer(200, [*registrar.bind(asked), info])


def _seen_elsewhere(registrar: StormyRegistrar, asked: Asked) -> bytes:
    via = asked.via.replace(b";rport;", b";rport=%d;received=198.51.100.9;" % registrar.chance.randint(2000, 2002))
    return asked.answer(200, registrar.bind(asked), via=via)


def _changed_mind(registrar: StormyRegistrar, asked: Asked) -> list[Reply]:
    return [(0.0, asked.answer(500)), (0.01, asked.answer(200, registrar.bind(asked)))]


def _spoilt(spoil: Callable[[bytes], bytes]) -> Play:
    """A right answer that was spoilt on its way."""
    return lambda registrar, asked: [(delay, spoil(datagram)) for delay, datagram in registrar.right(asked)]


RIGHT = Card("right", lambda registrar, asked: registrar.right(asked))

_LISTS = (
    Card("RSP-200", _bound_for(31)),
    Card("RSP-200", _bound_for(60)),
    Card("RSP-200", _bound_for(1_000_000)),
    Card("RSP-200", _replaced(b";expires=", b";expires=soon;was=")),
    Card("RSP-200", _beside(b"Service-Route: <sip:route.storm.example;lr>", b"Path: <sip:path.storm.example;lr>")),
    Card("RSP-200", _beside(b"Contact: <sip:other@192.0.2.9>;expires=60", b"Contact: <", b"Record-Route: <sip:a;lr>")),
    Card("RSP-200", _once(_seen_elsewhere)),
    Card("RSP-200A", _replaced(b"@127.0.0.1", b"@192.0.2.7")),
    Card("RSP-200A", _instead(b"Contact: <sip:one@192.0.2.1>, <sip:two@192.0.2.2>")),
    Card("RSP-200B", _instead()),
    Card("RSP-200B", _grants(lambda asked, listed: [b"Expires: %d" % asked.lifetime])),
    Card("RSP-200C", _once(_not_bound)),
    Card("RSP-200C", _grants(lambda asked, listed: [b"Contact: *, <sip:one@192.0.2.1>"])),
    Card("RSP-200F", _beside(b'Authentication-Info: rspauth="00112233445566778899aabbccddeeff", qop=auth')),
    Card("AUTH-29", _once(_next_nonce)),
)
_CHALLENGES = (
    Card("AUTH-19", _challenges(b", stale=true")),
    Card("AUTH-19", _challenges(b", stale=true"), lasts=60.0),
    Card("AUTH-20", _challenges()),
    Card("AUTH-23", _challenges(realms=REALMS, proxy=True), lasts=60.0),
    Card("RSP-LOC", _never_content, lasts=600.0),
    Card("AUTH-24", _says(401)),
    Card("AUTH-24", _says(407, (b'Proxy-Authenticate: Basic realm="storm"',), (b"Proxy-Authenticate: Digest",))),
    Card("AUTH-24", _challenges(b", algorithm=TIGER-128")),
)
_TWISTS = (
    _twists(via=lambda asked: asked.via.replace(b"z9hG4bK", b"z9hG4bKx")),
    _twists(via=lambda asked: asked.via.replace(b"127.0.0.1", b"192.0.2.1")),
    _twists(via=lambda asked: asked.via + b", SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
    _twists(receiver=b"<sip:nobody@storm.example>"),
    _twists(sender=lambda asked: asked.sender + b"x"),
    _twists(call_id=b"another"),
    _twists(cseq=lambda asked: b"%d REGISTER" % (asked.cseq + 1)),
    _twists(cseq=lambda asked: b"%d INVITE" % asked.cseq),
    _twists(cseq=b"99999999999 REGISTER"),
    _spoilt(lambda data: data.replace(b"SIP/2.0 ", b"SIP/2.0 9", 1)),
    _spoilt(lambda data: data.replace(b"\r\nVia: ", b"\r\nVie: ", 1)),
    _spoilt(lambda data: data[: len(data) // 2]),
    _spoilt(lambda data: data.replace(b"Content-Length: 0", b"Content-Length: 5")),
    _spoilt(lambda data: b"\0" * len(data)),
    _spoilt(lambda data: b"\r\n\r\n"),
    _spoilt(lambda data: b"HTTP/1.1 200 OK\r\n\r\n"),
)
_SILENCES = (
    Card("RSP-F0", lambda registrar, asked: []),
    Card("RSP-F0", lambda registrar, asked: [], kept=False),
    Card("RSP-F1", _once(lambda registrar, asked: asked.answer(100))),
    Card("RSP-F1", _once(lambda registrar, asked: asked.answer(183))),
    Card("RSP-REF", _refuses, kept=False),
    Card("TXN-5", _later(20.0, 100)),
    Card("TXN-6", _changed_mind),
    Card("TXN-10", _later(39.0)),
)
CARDS: tuple[Card, ...] = (
    *(_of_status(status) for status in range(100, 700)),
    *(card for _ in range(4) for card in (*_LISTS, *_CHALLENGES, *_SILENCES)),
    *(Card("RSP-BAD", play, kept=False) for _ in range(2) for play in _TWISTS),
)
"""The deck: each status code once, what is more likely or more interesting several times."""
