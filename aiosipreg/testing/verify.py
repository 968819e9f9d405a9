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

from aiosipreg import ConfigError
from aiosipreg.testing.credentials import Credentials, MalformedError, parse_credentials

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

__all__ = ["DigestGuard", "Outcome", "Verdict", "a1_hash", "expected_response"]

_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
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
        proof: What Authentication-Info says to prove that the registrar knows the secret; empty without qop.
    """

    outcome: Outcome
    text: str = ""
    username: str = ""
    nonce: str = ""
    count: int = 0
    session: str = ""
    proof: str = ""


@dataclass(slots=True)
class _Nonce:
    algorithm: str
    issued_at: float
    count: int = 0
    used: bool = False
    session: str = ""


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
                sent = parse_credentials(row, self._realm)
                if sent is not None:
                    return self._judge(sent, method, uri, body, now)
            except MalformedError as error:
                return Verdict(Outcome.MALFORMED, str(error))
        return Verdict(Outcome.MISSING)

    def info(self, verdict: Verdict, now: float) -> str:
        """Value for Authentication-Info: the proof of the registrar, and the nonce to use next.

        Args:
            verdict: A good one.
            now: The time in seconds.
        """
        used = self._nonces.get(verdict.nonce)
        algorithm = self._algorithms[0] if used is None else used.algorithm
        following = f'nextnonce="{self._new_nonce(algorithm, now)}"'
        return f"{following}, {verdict.proof}" if verdict.proof else following

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
        nonce = self._new_nonce(algorithm, now)
        realm = re.sub(r'(["\\])', r"\\\1", self._realm)
        parts = [f'Digest realm="{realm}"', f'nonce="{nonce}"', f'opaque="{self._opaque}"', f"algorithm={algorithm}"]
        if self._qop:
            parts.append(f'qop="{",".join(self._qop)}"')
        if stale:
            parts.append("stale=true")
        return ", ".join(parts)

    def _new_nonce(self, algorithm: str, now: float) -> str:
        while len(self._nonces) >= _MOST_NONCES:
            del self._nonces[next(iter(self._nonces))]
        nonce = self._random_text()
        self._nonces[nonce] = _Nonce(algorithm, now)
        return nonce

    def _random_text(self) -> str:
        return f"{self._chance.getrandbits(128):032x}"

    def _judge(self, sent: Credentials, method: str, uri: str, body: bytes, now: float) -> Verdict:
        algorithm = self._offered(sent)
        if sent.uri != uri:
            raise MalformedError("uri is not the Request-URI")
        if sent.opaque != self._opaque:
            raise MalformedError("opaque was not returned")
        nonce = self._nonces.get(sent.nonce)
        if nonce is not None and nonce.algorithm != algorithm:
            raise MalformedError("the nonce was issued for another algorithm")
        password = self._users.get(sent.username)
        if password is None:
            return Verdict(Outcome.WRONG)
        a1 = nonce.session if nonce is not None else ""
        a1 = a1 or a1_hash(algorithm, sent.username, self._realm, password, sent.nonce, sent.cnonce)
        expected = expected_response(algorithm, a1, method, sent, body)
        if not hmac.compare_digest(_octets(expected), _octets(sent.response)):
            return Verdict(Outcome.WRONG)
        if nonce is None or not self._is_fresh(nonce, sent.count, now):
            return Verdict(Outcome.STALE)
        return _good(algorithm, a1, sent)

    def _is_fresh(self, nonce: _Nonce, count: int, now: float) -> bool:
        if self._lifetime is not None and now - nonce.issued_at > self._lifetime:
            return False
        # A count that does not grow is a replay (RFC 7616 3.4); without qop there is nothing to count.
        return not (nonce.used and (self._one_time or (count and count <= nonce.count)))

    def _offered(self, sent: Credentials) -> str:
        """The algorithm of an answer, in our spelling, if that and its qop were offered."""
        session = sent.algorithm.lower().endswith("-sess")
        if not self._qop and (sent.qop or sent.nc or (sent.cnonce and not session)):
            # RFC 3261 22.4: nothing of the newer form without a qop in the challenge.
            raise MalformedError("qop, nc or cnonce without a qop in the challenge")
        if self._qop and sent.qop not in self._qop:
            raise MalformedError(f"qop {sent.qop} was not offered" if sent.qop else "qop is missing")
        for algorithm in self._algorithms:
            if algorithm.upper() == sent.algorithm.upper():
                return algorithm
        raise MalformedError(f"algorithm {sent.algorithm} was not offered")


def _good(algorithm: str, a1: str, sent: Credentials) -> Verdict:
    proof = ""
    if sent.qop:
        # RFC 7616 3.5: computed without a method, and over the body of the answer, which is empty.
        rspauth = expected_response(algorithm, a1, "", sent)
        proof = f'qop={sent.qop}, rspauth="{rspauth}", cnonce="{sent.cnonce}", nc={sent.nc}'
    session = a1 if algorithm.endswith("-sess") else ""
    return Verdict(Outcome.GOOD, "", sent.username, sent.nonce, sent.count, session, proof)


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _hash(algorithm: str, text: bytes) -> str:
    return hashlib.new(_HASHES[algorithm.removesuffix("-sess")], text, usedforsecurity=False).hexdigest()


def a1_hash(algorithm: str, username: str, realm: str, password: str, nonce: str = "", cnonce: str = "") -> str:
    """H(A1), RFC 7616 3.4.2.

    Args:
        algorithm: Its name, with ``-sess`` or without.
        username: Digest user name.
        realm: Realm without quotes and backslashes.
        password: Password.
        nonce: For ``-sess``, the nonce of the first answer to a challenge.
        cnonce: For ``-sess``, the cnonce of that answer.
    """
    secret = _hash(algorithm, _octets(f"{username}:{realm}:{password}"))
    return _hash(algorithm, _octets(f"{secret}:{nonce}:{cnonce}")) if algorithm.endswith("-sess") else secret


def expected_response(algorithm: str, a1: str, method: str, sent: Credentials, body: bytes = b"") -> str:
    """The response directive, RFC 7616 3.4.1 and 3.4.3; without qop that of RFC 2069.

    Args:
        algorithm: Its name, with ``-sess`` or without.
        a1: H(A1).
        method: Method of the request.
        sent: The other directives, as they were sent.
        body: Body of the request, which counts for ``auth-int``.
    """
    parts = f"{method}:{sent.uri}"
    if sent.qop == "auth-int":
        parts = f"{parts}:{_hash(algorithm, body)}"
    middle = f"{sent.nonce}:{sent.nc}:{sent.cnonce}:{sent.qop}" if sent.qop else sent.nonce
    return _hash(algorithm, _octets(f"{a1}:{middle}:{_hash(algorithm, _octets(parts))}"))
