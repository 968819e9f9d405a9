"""SIP digest as pure functions and values (floor 2): RFC 8760, RFC 7616, and the forms of RFC 2617 and 2069.

::

    offers(challenges, policy)                  -> the challenges that may be answered, each with the way to do it
    choose(offers, policy, info)                -> the one to answer with these credentials, or None
    answer(offer, info)                         -> these credentials on this nonce, a DigestSession: keeps HA1
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

from aiosipreg.engine.algorithms import ALGORITHMS, Algorithm, Qop
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.errors import ParseError
from aiosipreg.wire import Challenge
from aiosipreg.wire.grammar import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiosipreg.auth import AuthInfo
    from aiosipreg.wire.challenge import ChallengeForm

__all__ = ["DigestSession", "Offer", "Terms", "answer", "choose", "digest_response", "offers"]

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_QUOTED: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_ATTR_CHAR: Final = "!#$&+-.^_`|~"  # what RFC 5987 leaves unescaped besides letters and digits

# Challenge floods (SEC-23): rows looked at, and characters of what would be echoed.
_MAX_ROWS: Final = 20
_MAX_REALM: Final = 1024
_MAX_NONCE: Final = 4096
_MAX_OPAQUE: Final = 4096
_TERMS: Final = 256


class Terms:
    """On what terms challenges are answered that differ by their nonce: the same for all accounts of a registrar.

    Attributes:
        form: What they say but for the nonce.
        algorithm: The algorithm to use.
        qop: The quality of protection to use.
        worth: The strength of both, which `realm.is_less` compares.
        key: What tells realms apart: the header that asks, and the realm.
        header: Where the answer goes: ``Authorization`` or ``Proxy-Authorization`` (AUTH-2).
        utf8: Whether the server promised to compare in NFC (RFC 7616 4, AUTH-32).
        hidden: Whether the user name is hashed.
        realm: The realm as it is sent back.
        tail: What is echoed as received, in letter case too (AUTH-7).
    """

    __slots__ = ("algorithm", "form", "header", "hidden", "key", "qop", "realm", "tail", "utf8", "worth")

    def __init__(self, form: ChallengeForm, algorithm: Algorithm, qop: Qop, *, hidden: bool) -> None:
        self.form = form
        self.algorithm = algorithm
        self.qop = qop
        self.worth = algorithm.strength, tuple(Qop).index(qop)
        self.key = form.header, form.realm
        self.header = "Authorization" if form.header.lower() == "www-authenticate" else "Proxy-Authorization"
        self.utf8 = (form.charset or "").lower() == "utf-8"
        self.hidden = hidden
        self.realm = _echo(form.params.get("realm"), form.realm)
        named = "" if form.algorithm is None else f", algorithm={form.algorithm}"
        # Absent stays absent, an empty opaque stays empty (AUTH-18).
        seen = "" if form.opaque is None else f", opaque={_echo(form.params.get('opaque'), form.opaque)}"
        self.tail = f"{named}{seen}{', userhash=true' if hidden else ''}"


class Offer(NamedTuple):
    """A challenge that may be answered, and how."""

    challenge: Challenge
    terms: Terms


def offers(challenges: Iterable[Challenge], policy: DigestPolicy) -> tuple[Offer, ...]:
    """The challenges of one answer that may be answered, in their order.

    Basic and other schemes, unknown algorithms, unknown qop lists and texts that could not be echoed safely (SEC-12) or
    are absurdly long (SEC-23) make a row unusable; that is never an error (AUTH-1, AUTH-3). Rows after the 20th are
    not looked at.

    Args:
        challenges: The rows in their order.
        policy: What is allowed.
    """
    found: tuple[Offer, ...] = ()
    for challenge in islice(challenges, _MAX_ROWS):
        terms = _terms(challenge.form, policy) if _echoable(challenge.nonce, _MAX_NONCE) else None
        if terms is not None:
            found = (*found, Offer(challenge, terms))
    return found


@lru_cache(_TERMS)
def _terms(form: ChallengeForm, policy: DigestPolicy) -> Terms | None:
    algorithm = policy.algorithm(form.algorithm)
    safe = _echoable(form.realm, _MAX_REALM) and _echoable(form.opaque or "", _MAX_OPAQUE)
    if form.scheme.lower() != "digest" or algorithm is None or not safe:
        return None
    qop = policy.qop(form.qop)
    # A -sess key is made with the cnonce, which an answer without qop does not carry: no server could check it.
    if qop is None or (qop is Qop.NONE and algorithm.session):
        return None
    return Terms(form, algorithm, qop, hidden=policy.userhash and form.userhash)


def choose(found: Iterable[Offer], policy: DigestPolicy, info: AuthInfo) -> Offer | None:
    """What to answer: of the topmost usable row's realm, the topmost row or the strongest (AUTH-4, AUTH-5).

    Args:
        found: The offers of one answer; of one realm and header when every realm is to be answered (AUTH-6).
        policy: Which comes first.
        info: The credentials; a row is for them if it has the right realm, and an HA1 or a named algorithm is good for
            its own algorithm only (AUTH-33).
    """
    rows = [offer for offer in found if _answers(info, offer.terms.form.realm, offer.terms.algorithm)]
    if len(rows) < 2 or not policy.strongest_first:
        return rows[0] if rows else None
    of_realm = (offer for offer in rows if offer.terms.key == rows[0].terms.key)
    return max(of_realm, key=lambda offer: offer.terms.algorithm.strength)


def answer(offer: Offer, info: AuthInfo) -> DigestSession:
    """Answer a challenge with the credentials that `choose` found it for."""
    challenge, terms = offer
    algorithm, realm = terms.algorithm, terms.form.realm
    name, password = info.digest_username, info.password or ""
    if terms.utf8:
        name, password = unicodedata.normalize("NFC", name), unicodedata.normalize("NFC", password)
    stored = info.ha1.lower() if info.ha1 is not None else None
    base = stored or algorithm.hash(_octets(f"{name}:{realm}:{password}"))
    user = algorithm.hash(_octets(f"{name}:{realm}")) if terms.hidden else name
    # A nonce whose quoted string can be made from it needs no other copy.
    usual = challenge.sent_nonce == quote(challenge.nonce)
    quoted_nonce = None if usual else _echo(challenge.sent_nonce, challenge.nonce)
    return DigestSession(terms, user, base, challenge.nonce, quoted_nonce)


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
        terms: How it answers, which is the same for all accounts of a registrar.
        nonce: The nonce that is answered.

    Args:
        user: The user name as it is sent.
        base: H(user:realm:password).
        quoted_nonce: The nonce as it is sent back, if that is not the usual form.
    """

    __slots__ = ("_base", "_cnonce", "_odd_nonce", "_user", "nonce", "terms")

    def __init__(self, terms: Terms, user: str, base: str, nonce: str, quoted_nonce: str | None = None) -> None:
        self.terms = terms
        self.nonce = nonce
        self._user = user
        self._base = base
        self._odd_nonce = quoted_nonce
        self._cnonce = ""

    @property
    def quoted_nonce(self) -> str:
        """The nonce as it is sent back."""
        return self._odd_nonce or quote(self.nonce)

    def __repr__(self) -> str:
        terms = self.terms
        return f"DigestSession(realm={terms.form.realm!r}, algorithm={terms.algorithm.name}, qop={terms.qop.value!r})"

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
        terms, algorithm, qop = self.terms, self.terms.algorithm, self.terms.qop
        if algorithm.session:
            cnonce = self._cnonce = self._cnonce or cnonce
        user = _username(self._user, utf8=terms.utf8)
        head = f"Digest {user}, realm={terms.realm}, nonce={self.quoted_nonce}, uri={_quoted(uri)}{terms.tail}"
        ha1, count = self._key(cnonce) if algorithm.session else self._base, f"{nc:08x}"
        ha2 = _ha2(algorithm.hash, method, uri, body if qop is Qop.AUTH_INT else None)
        if not qop:
            return f'{head}, response="{digest_response(algorithm, ha1, ha2, nonce=self.nonce)}"'
        response = digest_response(algorithm, ha1, ha2, nonce=self.nonce, qop=qop, nc=count, cnonce=cnonce)
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
        algorithm, ours = self.terms.algorithm, self.terms.qop
        if algorithm.session:
            cnonce = self._cnonce or cnonce
        count = f"{nc:08x}"
        if authentication_info.get("cnonce", cnonce) != cnonce or authentication_info.get("nc", count).lower() != count:
            return False
        # The server may protect its answer by the other qop (RFC 7616 3.5), but not without the cnonce: that could be
        # an old answer played again.
        qop = authentication_info.get("qop", ours.value).lower()
        if qop not in (("",) if ours is Qop.NONE else ("auth", "auth-int")):
            return False
        a2 = f":{uri}:{algorithm.hash(body)}" if qop == "auth-int" else f":{uri}"
        expected = digest_response(
            algorithm, self._key(cnonce) if algorithm.session else self._base, algorithm.hash(_octets(a2)),
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
        return DigestSession(self.terms, self._user, self._base, nonce)

    def _key(self, cnonce: str) -> str:
        """H(A1) of a -sess algorithm."""
        return self.terms.algorithm.hash(_octets(f"{self._base}:{self.nonce}:{cnonce}"))


_quoted = lru_cache(quote)


@lru_cache
def _ha2(hash_: Callable[[bytes], str], method: str, uri: str, body: bytes | None) -> str:
    """H(A2) without or with a body; it is the same for all accounts of a registrar."""
    a2 = _octets(f"{method}:{uri}")
    return hash_(a2 if body is None else b"%b:%b" % (a2, hash_(body).encode()))


def _octets(text: str) -> bytes:
    # Text of the network carries octets that are not UTF-8 as surrogates, and is hashed as received (GRM-26).
    return text.encode("utf-8", "surrogateescape")


def _echoable(text: str, longest: int) -> bool:
    return len(text) <= longest and (text.isprintable() or not _CONTROL.search(text))


def _echo(sent: str | None, value: str) -> str:
    """The quoted form of a value to send back: octet by octet as received, unless that was no quoted string."""
    return sent if sent is not None and _QUOTED.fullmatch(sent) else quote(value)


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
