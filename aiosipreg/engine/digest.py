"""SIP digest as pure functions and values (floor 2): RFC 8760, RFC 7616, and the forms of RFC 2617 and 2069.

::

    offers(challenges, policy)                  -> the challenges that may be answered, each with the way to do it
    choose(offers, policy, info)                -> the one to answer with these credentials, or None
    DigestSession(offer, info, policy)          -> these credentials on this nonce: keeps HA1 and HA2
        .authorization(method, uri, nc, cnonce) -> value of an Authorization header
        .verify(authentication_info, ...)       -> did the server prove that it knows the secret
        .renewed(nextnonce)                     -> the session on the server's next nonce

Which nonce is current, its count, refusals and rounds are the authenticator's business; randomness comes in as
``cnonce``.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote as percent_encode

from aiosipreg.engine.algorithms import ALGORITHMS, Algorithm
from aiosipreg.engine.policy import DigestPolicy, Qop
from aiosipreg.errors import ParseError
from aiosipreg.wire import Challenge
from aiosipreg.wire.grammar import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiosipreg.auth import AuthInfo

__all__ = ["DigestSession", "Offer", "choose", "digest_response", "offers"]

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_QUOTED: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_ATTR_CHAR: Final = "!#$&+-.^_`|~"  # what RFC 5987 leaves unescaped besides letters and digits

# Challenge floods (SEC-23): rows looked at, and characters of what would be echoed.
_MAX_ROWS: Final = 20
_MAX_REALM: Final = 1024
_MAX_NONCE: Final = 4096
_MAX_OPAQUE: Final = 4096


class Offer(NamedTuple):
    """A challenge that may be answered, and how."""

    challenge: Challenge
    algorithm: Algorithm
    qop: Qop


def offers(challenges: Iterable[Challenge], policy: DigestPolicy) -> tuple[Offer, ...]:
    """The challenges of one answer that may be answered, in their order.

    Basic and other schemes, unknown algorithms, unknown qop lists and texts that could not be echoed safely (SEC-12) or
    are absurdly long (SEC-23) make a row unusable; that is never an error (AUTH-1, AUTH-3). Rows after the 20th are
    not looked at.

    Args:
        challenges: The rows in their order.
        policy: What is allowed.
    """
    found = [_offer(challenge, policy) for challenge in islice(challenges, _MAX_ROWS)]
    return tuple([offer for offer in found if offer is not None])


def _offer(challenge: Challenge, policy: DigestPolicy) -> Offer | None:
    algorithm = policy.algorithm(challenge.algorithm)
    if challenge.scheme.lower() != "digest" or algorithm is None or not _echoable(challenge):
        return None
    qop = policy.qop(challenge.qop)
    # A -sess key is made with the cnonce, which an answer without qop does not carry: no server could check it.
    if qop is None or (qop is Qop.NONE and algorithm.session):
        return None
    return Offer(challenge, algorithm, qop)


def choose(found: Iterable[Offer], policy: DigestPolicy, info: AuthInfo) -> Offer | None:
    """What to answer: of the topmost usable row's realm, the topmost row or the strongest (AUTH-4, AUTH-5).

    Args:
        found: The offers of one answer; of one realm and header when every realm is to be answered (AUTH-6).
        policy: Which comes first.
        info: The credentials; a row is for them if it has the right realm, and an HA1 or a named algorithm is good for
            its own algorithm only (AUTH-33).
    """
    rows = [offer for offer in found if _answers(info, offer.challenge.realm, offer.algorithm)]
    if len(rows) < 2 or not policy.strongest_first:
        return rows[0] if rows else None
    realm = rows[0].challenge.header, rows[0].challenge.realm
    of_realm = (offer for offer in rows if (offer.challenge.header, offer.challenge.realm) == realm)
    return max(of_realm, key=lambda offer: offer.algorithm.strength)


def digest_response(
    algorithm: Algorithm, ha1: str, ha2: str, *, nonce: str, qop: str = "", nc: str = "", cnonce: str = ""
) -> str:
    """The response value from its parts (RFC 7616 3.4.1; RFC 2069 2.1.2 without qop).

    Args:
        algorithm: Gives the hash.
        ha1: H(A1), already the session key for a ``-sess`` algorithm.
        ha2: H(A2).
        nonce: As received, backslash pairs undone.
        qop: ``auth``, ``auth-int`` or empty for the old form.
        nc: The nonce count exactly as written in the header.
        cnonce: The client's nonce.
    """
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    return algorithm.hash(f"{ha1}:{middle}:{ha2}".encode("utf-8", "surrogateescape"))


class DigestSession:
    """Credentials applied to one challenge: what stays the same for as long as its nonce lives.

    HA1 is kept, so that a refresh on a kept nonce costs one hash. The header is put together for each request: kept it
    would be the largest thing that an account has.

    Attributes:
        realm: Realm of the challenge.
        nonce: The nonce that is answered.
        algorithm: The algorithm in use.
        qop: The quality of protection in use.
        header: Where the answer goes: ``Authorization`` or ``Proxy-Authorization`` (AUTH-2).

    Args:
        offer: What is answered.
        info: The credentials that `choose` found it for.
        policy: What is allowed.
    """

    __slots__ = (
        "_base", "_cnonce", "_ha1", "_identity", "_odd_nonce", "_tail", "algorithm", "header", "nonce", "qop", "realm",
    )  # fmt: skip
    algorithm: Algorithm
    header: str
    nonce: str
    qop: Qop
    realm: str
    _cnonce: str
    _odd_nonce: str | None

    def __init__(self, offer: Offer, info: AuthInfo, policy: DigestPolicy) -> None:
        challenge, algorithm, self.qop = offer
        self.algorithm = algorithm
        self.header = "Authorization" if challenge.header.lower() == "www-authenticate" else "Proxy-Authorization"
        self.realm = realm = challenge.realm
        name, password = info.digest_username, info.password or ""
        # Only a server that says charset=UTF-8 has promised to compare in NFC (RFC 7616 4, AUTH-32).
        utf8 = (challenge.charset or "").lower() == "utf-8"
        if utf8:
            name, password = unicodedata.normalize("NFC", name), unicodedata.normalize("NFC", password)
        hidden = policy.userhash and challenge.userhash
        username = f'username="{algorithm.hash(_octets(f"{name}:{realm}"))}"' if hidden else _username(name, utf8=utf8)
        stored = info.ha1.lower() if info.ha1 is not None else None
        self._base = stored or algorithm.hash(_octets(f"{name}:{realm}:{password}"))
        self._identity = f"Digest {username}, realm={_echo(challenge, 'realm', realm)}"
        opaque = None if challenge.opaque is None else _echo(challenge, "opaque", challenge.opaque)
        self._tail = _tail(challenge.algorithm, opaque, hidden)
        self._start(challenge.nonce, _echo(challenge, "nonce", challenge.nonce))

    @property
    def quoted_nonce(self) -> str:
        """The nonce as it is sent back."""
        return self._odd_nonce or quote(self.nonce)

    def __repr__(self) -> str:
        return f"DigestSession(realm={self.realm!r}, algorithm={self.algorithm.name}, qop={self.qop.value!r})"

    def authorization(self, method: str, uri: str, nc: int, cnonce: str, body: bytes = b"") -> str:
        """The value of the header that answers the challenge.

        Args:
            method: Method of the request.
            uri: Its Request-URI exactly as sent (AUTH-14).
            nc: How many requests this nonce has been used for, this one included (AUTH-16).
            cnonce: Fresh random text without quotes and backslashes; for a ``-sess`` algorithm the first one is used
                for all (AUTH-10).
            body: The body, which ``auth-int`` covers.
        """
        if self.algorithm.session:
            cnonce = self._cnonce = self._cnonce or cnonce
        head = f"{self._identity}, nonce={self.quoted_nonce}, uri={_quoted(uri)}{self._tail}"
        ha1, qop, count = self._ha1 or self._key(cnonce), self.qop, f"{nc:08x}"
        ha2 = _ha2(self.algorithm.hash, method, uri, body if self.qop is Qop.AUTH_INT else None)
        if not qop:
            return f'{head}, response="{digest_response(self.algorithm, ha1, ha2, nonce=self.nonce)}"'
        response = digest_response(self.algorithm, ha1, ha2, nonce=self.nonce, qop=qop, nc=count, cnonce=cnonce)
        return f'{head}, response="{response}", qop={qop}, nc={count}, cnonce="{cnonce}"'

    def verify(
        self, authentication_info: Mapping[str, str], *, uri: str, nc: int, cnonce: str, body: bytes = b""
    ) -> bool | None:
        """Whether the server proved that it knows the secret (RFC 7616 3.5, AUTH-30).

        Args:
            authentication_info: Parameters of the (Proxy-)Authentication-Info of the answer, names in lower case.
            uri: Request-URI of the request that was answered.
            nc: Nonce count of that request.
            cnonce: The cnonce given to ``authorization`` for that request.
            body: Body of the answer.

        Returns:
            ``None`` when the server sent no proof: no ``rspauth``, or an empty one.
        """
        claimed = authentication_info.get("rspauth")
        if not claimed:
            return None
        if self.algorithm.session:
            cnonce = self._cnonce or cnonce
        count = f"{nc:08x}"
        if authentication_info.get("cnonce", cnonce) != cnonce or authentication_info.get("nc", count).lower() != count:
            return False
        # The server may protect its answer by the other qop (RFC 7616 3.5), but not without the cnonce: that could be
        # an old answer played again.
        qop = authentication_info.get("qop", self.qop.value).lower()
        if qop not in (("",) if self.qop is Qop.NONE else ("auth", "auth-int")):
            return False
        a2 = f":{uri}:{self.algorithm.hash(body)}" if qop == "auth-int" else f":{uri}"
        expected = digest_response(
            self.algorithm, self._key(cnonce), self.algorithm.hash(_octets(a2)),
            nonce=self.nonce, qop=qop, nc=count, cnonce=cnonce,
        )  # fmt: skip
        return hmac.compare_digest(_octets(expected), _octets(claimed.lower()))

    def renewed(self, nonce: str) -> DigestSession:
        """The same session on another nonce, from ``nextnonce`` (AUTH-29); its count starts at 1 again.

        A ``-sess`` key is made anew: servers that keep no state compute it from the nonce and cnonce they receive.

        Args:
            nonce: The value of ``nextnonce``, unquoted.

        Raises:
            ParseError: The nonce cannot be echoed safely (SEC-12), or is longer than 4096 characters.
        """
        if not nonce or len(nonce) > _MAX_NONCE or _CONTROL.search(nonce):
            raise ParseError(nonce, 0, f"a nonce of 1 to {_MAX_NONCE} characters without control characters")
        other = DigestSession.__new__(DigestSession)
        for name in ("algorithm", "header", "qop", "realm", "_base", "_identity", "_tail"):
            setattr(other, name, getattr(self, name))
        other._start(nonce)
        return other

    def _start(self, nonce: str, as_received: str | None = None) -> None:
        self.nonce = nonce
        # One whose quoted string can be made from it needs no other copy.
        self._odd_nonce = None if as_received == quote(nonce) else as_received
        self._cnonce = ""
        self._ha1 = "" if self.algorithm.session else self._base

    def _key(self, cnonce: str) -> str:
        if not self._ha1:
            self._ha1 = self.algorithm.hash(_octets(f"{self._base}:{self.nonce}:{cnonce}"))
        return self._ha1


_quoted = lru_cache(quote)


@lru_cache
def _tail(algorithm: str | None, opaque: str | None, hidden: bool) -> str:
    """What is echoed as received, in letter case too (AUTH-7); it is the same for all accounts of most registrars.

    Absent stays absent, an empty opaque stays empty (AUTH-18).
    """
    named = "" if algorithm is None else f", algorithm={algorithm}"
    seen = "" if opaque is None else f", opaque={opaque}"
    return f"{named}{seen}{', userhash=true' if hidden else ''}"


@lru_cache
def _ha2(hash_: Callable[[bytes], str], method: str, uri: str, body: bytes | None) -> str:
    """H(A2) without or with a body; it is the same for all accounts of a registrar."""
    a2 = _octets(f"{method}:{uri}")
    return hash_(a2 if body is None else b"%b:%b" % (a2, hash_(body).encode()))


def _octets(text: str) -> bytes:
    # Text of the network carries octets that are not UTF-8 as surrogates, and is hashed as received (GRM-26).
    return text.encode("utf-8", "surrogateescape")


def _echoable(challenge: Challenge) -> bool:
    realm, nonce, opaque = challenge.realm, challenge.nonce, challenge.opaque or ""
    if len(realm) > _MAX_REALM or len(nonce) > _MAX_NONCE or len(opaque) > _MAX_OPAQUE:
        return False
    echoed = realm + nonce + opaque
    return echoed.isprintable() or not _CONTROL.search(echoed)


def _echo(challenge: Challenge, name: str, value: str) -> str:
    """The quoted form of a value to send back: octet by octet as received, unless that was no quoted string."""
    raw = challenge.params.get(name) or ""
    return raw if _QUOTED.fullmatch(raw) else quote(value)


def _answers(info: AuthInfo, realm: str, algorithm: Algorithm) -> bool:
    if info.realm is not None and info.realm != realm:
        return False
    if info.ha1 is not None:
        made_with = ALGORITHMS.get((info.algorithm or "MD5").lower())
        if made_with is None or made_with.family != algorithm.family:
            return False
        return len(info.ha1) == algorithm.hex_digits
    return info.has_secret and (info.algorithm is None or info.algorithm.lower() == algorithm.name.lower())


def _username(name: str, *, utf8: bool) -> str:
    if utf8 and not name.isascii():
        return f"username*=UTF-8''{percent_encode(name, safe=_ATTR_CHAR)}"
    return f"username={quote(name)}"
