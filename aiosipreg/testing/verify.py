"""Digest verification for the registrar of the tests (RFC 7616, RFC 8760, RFC 2069).

Written apart from ``aiosipreg.engine`` on purpose: what checks an answer must not share code with what made it.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiosipreg.errors import ConfigError

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

__all__ = ["DigestGuard", "Outcome", "Verdict"]

_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_DIRECTIVE = re.compile(
    r'\s*([A-Za-z0-9!#$%&\'*+.^_`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)', re.DOTALL
)
_COUNT = re.compile(r"[0-9a-f]{8}")
_MOST_NONCES = 100_000


class Outcome(enum.Enum):
    """What the credentials of a request are worth."""

    MISSING = "missing"
    """None for this realm."""
    GOOD = "good"
    WRONG = "wrong"
    """Unknown user or wrong password."""
    STALE = "stale"
    """The right password with a nonce that is unknown, too old or used up."""
    MALFORMED = "malformed"
    """Against the rules of RFC 7616; the text says which one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a check.

    Attributes:
        outcome: What the credentials are worth.
        text: Which rule was broken, for ``MALFORMED``.
        username: Who it is, for ``GOOD``.
        nonce: The nonce that was used, for ``GOOD``.
        count: Its nonce count, 0 without qop.
        session: H(A1) of a ``-sess`` algorithm, which lives as long as the nonce.
    """

    outcome: Outcome
    text: str = ""
    username: str = ""
    nonce: str = ""
    count: int = 0
    session: str = ""


@dataclass(slots=True)
class _Nonce:
    algorithm: str
    issued_at: float
    count: int = 0
    used: bool = False
    session: str = ""


@dataclass(frozen=True, slots=True)
class _Directive:
    raw: str
    quoted: bool

    @property
    def text(self) -> str:
        return re.sub(r"\\(.)", r"\1", self.raw, flags=re.DOTALL) if self.quoted else self.raw


class _Malformed(Exception):
    """The credentials break a rule, named by the text."""


class DigestGuard:
    """Issues challenges and judges what comes back.

    Judging changes nothing; ``accept`` uses a nonce up. So a request that is left unanswered can be judged again.
    """

    def __init__(
        self,
        users: Mapping[str, str],
        *,
        realm: str,
        algorithms: Sequence[str] = ("MD5",),
        qop: Sequence[str] = ("auth",),
        nonce_lifetime: float | None = None,
        one_time_nonce: bool = False,
        chance: random.Random,
    ) -> None:
        """Make a guard.

        Args:
            users: Passwords by digest user name; read at each check, so it may change.
            realm: The realm.
            algorithms: One challenge row for each, in this order: ``MD5``, ``SHA-256``, ``SHA-512-256`` or one of them
                with ``-sess``.
            qop: What is offered: ``auth``, ``auth-int``, or nothing for challenges of RFC 2069.
            nonce_lifetime: Seconds after which a nonce is stale; ``None`` for never.
            one_time_nonce: Whether a nonce is good for one request only.
            chance: Where nonces come from.

        Raises:
            ConfigError: An algorithm or qop that does not exist.
        """
        for algorithm in algorithms:
            if algorithm.removesuffix("-sess") not in _HASHES:
                raise ConfigError("algorithms", algorithm, f"{', '.join(_HASHES)}, each also with -sess")
        if not set(qop) <= {"auth", "auth-int"}:
            raise ConfigError("qop", tuple(qop), "auth, auth-int, both or nothing")
        self._users = users
        self._realm = realm
        self._algorithms = tuple(algorithms)
        self._qop = tuple(qop)
        self._lifetime = nonce_lifetime
        self._one_time = one_time_nonce
        self._chance = chance
        self._opaque = self._random_text()
        self._nonces: dict[str, _Nonce] = {}

    def challenges(self, now: float, *, stale: bool = False) -> tuple[str, ...]:
        """Values for WWW-Authenticate rows, one for each algorithm, each with a nonce of its own.

        Args:
            now: The time in seconds.
            stale: Whether to say that only the nonce was old.
        """
        return tuple(self._challenge(algorithm, now, stale) for algorithm in self._algorithms)

    def check(self, rows: Sequence[str], method: str, uri: str, body: bytes, now: float) -> Verdict:
        """Judge a request by its credentials.

        Args:
            rows: Values of its Authorization rows.
            method: Its method.
            uri: Its Request-URI as sent.
            body: Its body.
            now: The time in seconds.
        """
        for row in rows:
            try:
                answer = _parse(row)
                if answer is None or "realm" not in answer or answer["realm"].text != self._realm:
                    continue
                return self._judge(answer, method, uri, body, now)
            except _Malformed as error:
                return Verdict(Outcome.MALFORMED, str(error))
        return Verdict(Outcome.MISSING)

    def accept(self, verdict: Verdict) -> None:
        """Count a nonce as used, once the request that carried it is answered."""
        nonce = self._nonces.get(verdict.nonce)
        if nonce is not None:
            nonce.used = True
            nonce.count = verdict.count
            nonce.session = verdict.session

    def forget(self) -> None:
        """Know no nonce any more, as a server that was restarted."""
        self._nonces.clear()

    def _challenge(self, algorithm: str, now: float, stale: bool) -> str:
        nonce = self._random_text()
        while len(self._nonces) >= _MOST_NONCES:
            del self._nonces[next(iter(self._nonces))]
        self._nonces[nonce] = _Nonce(algorithm, now)
        realm = re.sub(r'(["\\])', r"\\\1", self._realm)
        parts = [f'Digest realm="{realm}"', f'nonce="{nonce}"', f'opaque="{self._opaque}"', f"algorithm={algorithm}"]
        if self._qop:
            parts.append(f'qop="{",".join(self._qop)}"')
        if stale:
            parts.append("stale=true")
        return ", ".join(parts)

    def _random_text(self) -> str:
        return f"{self._chance.getrandbits(128):032x}"

    def _judge(self, answer: Mapping[str, _Directive], method: str, uri: str, body: bytes, now: float) -> Verdict:
        _check_form(answer)
        algorithm = self._algorithm(answer)
        if answer["uri"].text != uri:
            raise _Malformed("uri is not the Request-URI")
        if answer.get("opaque", _Directive("", True)).text != self._opaque:
            raise _Malformed("opaque was not returned")
        qop = self._offered_qop(answer)
        nonce = self._nonces.get(answer["nonce"].raw)
        if nonce is not None and nonce.algorithm != algorithm:
            raise _Malformed("the nonce was issued for another algorithm")
        username = answer["username"].text
        password = self._users.get(username)
        if password is None:
            return Verdict(Outcome.WRONG)
        session = nonce.session if nonce is not None else ""
        secret = session or _secret(algorithm, username, self._realm, password, answer)
        expected = _response(algorithm, secret, qop, method, body, answer)
        if not hmac.compare_digest(_octets(expected), _octets(answer["response"].text)):
            return Verdict(Outcome.WRONG)
        count = int(answer["nc"].raw, 16) if qop else 0
        if nonce is None or not self._is_fresh(nonce, count, now):
            return Verdict(Outcome.STALE)
        session = secret if algorithm.endswith("-sess") else ""
        return Verdict(Outcome.GOOD, "", username, answer["nonce"].raw, count, session)

    def _is_fresh(self, nonce: _Nonce, count: int, now: float) -> bool:
        if self._lifetime is not None and now - nonce.issued_at > self._lifetime:
            return False
        # A count that does not grow is a replay (RFC 7616 3.4); without qop there is nothing to count.
        return not (nonce.used and (self._one_time or (count and count <= nonce.count)))

    def _algorithm(self, answer: Mapping[str, _Directive]) -> str:
        asked = answer["algorithm"].text if "algorithm" in answer else "MD5"
        for algorithm in self._algorithms:
            if algorithm.upper() == asked.upper():
                return algorithm
        raise _Malformed(f"algorithm {asked} was not offered")

    def _offered_qop(self, answer: Mapping[str, _Directive]) -> str:
        if not self._qop:
            # RFC 3261 22.4: no cnonce and no nonce count without a qop in the challenge.
            for name in ("qop", "nc", "cnonce"):
                if name in answer and not (name == "cnonce" and "sess" in answer.get("algorithm", _NOTHING).text):
                    raise _Malformed(f"{name} without a qop in the challenge")
            return ""
        for name in ("qop", "nc", "cnonce"):
            if name not in answer:
                raise _Malformed(f"{name} is missing")
        if answer["qop"].raw not in self._qop:
            raise _Malformed(f"qop {answer['qop'].raw} was not offered")
        if not _COUNT.fullmatch(answer["nc"].raw):
            raise _Malformed("nc is not 8 lower-case hex digits")
        return answer["qop"].raw


_NOTHING = _Directive("", False)


def _parse(row: str) -> dict[str, _Directive] | None:
    """The directives of a Digest row by lower-case name, ``None`` for another scheme."""
    scheme, _, rest = row.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    found: dict[str, _Directive] = {}
    at = 0
    while at < len(rest.rstrip()):
        match = _DIRECTIVE.match(rest, at)
        if match is None:
            raise _Malformed("not a list of name=value")
        name = match[1].lower()
        if name in found:
            raise _Malformed(f"{name} twice")
        found[name] = _Directive(match[3] or "", False) if match[2] is None else _Directive(match[2], True)
        at = match.end()
    return found


def _check_form(answer: Mapping[str, _Directive]) -> None:
    for name in ("username", "realm", "nonce", "uri", "response"):
        if name not in answer:
            raise _Malformed(f"{name} is missing")
    # RFC 7616 3.4 says for each directive whether it is quoted, for the sake of old servers.
    for name in ("username", "realm", "nonce", "uri", "response", "cnonce", "opaque"):
        if name in answer and not answer[name].quoted:
            raise _Malformed(f"{name} is not quoted")
    for name in ("algorithm", "qop", "nc"):
        if name in answer and answer[name].quoted:
            raise _Malformed(f"{name} is quoted")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _hash(algorithm: str, text: bytes) -> str:
    return hashlib.new(_HASHES[algorithm.removesuffix("-sess")], text, usedforsecurity=False).hexdigest()


def _secret(algorithm: str, username: str, realm: str, password: str, answer: Mapping[str, _Directive]) -> str:
    """H(A1), RFC 7616 3.4.2; for ``-sess`` with the cnonce of the first answer to the nonce."""
    secret = _hash(algorithm, _octets(f"{username}:{realm}:{password}"))
    if algorithm.endswith("-sess"):
        cnonce = answer.get("cnonce", _NOTHING).raw
        secret = _hash(algorithm, _octets(f"{secret}:{answer['nonce'].raw}:{cnonce}"))
    return secret


def _response(algorithm: str, secret: str, qop: str, method: str, body: bytes, answer: Mapping[str, _Directive]) -> str:
    """RFC 7616 3.4.1 and 3.4.3; without qop that of RFC 2069."""
    parts = f"{method}:{answer['uri'].raw}"
    if qop == "auth-int":
        parts = f"{parts}:{_hash(algorithm, body)}"
    hashed = _hash(algorithm, _octets(parts))
    nonce = answer["nonce"].raw
    middle = f"{nonce}:{answer['nc'].raw}:{answer['cnonce'].raw}:{qop}" if qop else nonce
    return _hash(algorithm, _octets(f"{secret}:{middle}:{hashed}"))
