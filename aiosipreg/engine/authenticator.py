"""Who answers which challenge, and when to stop answering (RFC 3261 22, RFC 8760 2.4; AUTH-1 to AUTH-6, 16 to 34).

Digest itself is `engine.digest`; here is what lasts from request to request: the nonce of each realm and its count,
which secret was refused, how many rounds a cycle has had.
"""

from __future__ import annotations

import enum
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiosipreg.engine.digest import DigestSession, choose
from aiosipreg.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from aiosipreg.auth import AuthInfo
    from aiosipreg.engine.digest import DigestPolicy
    from aiosipreg.wire import Challenge, Response

__all__ = ["Authenticator", "Question", "Verdict", "find_auth_info"]

_MOST_ROUNDS = 6
_MOST_STALE = 3
_MOST_REALMS = 16


class Verdict(enum.Enum):
    """What became of a challenge."""

    ANSWER = "answer"
    """Send the request again; `Authenticator.authorizations` has what it needs."""
    REFUSED = "refused"
    """The secret was sent and refused; it is not sent again (AUTH-20)."""
    UNAVAILABLE = "unavailable"
    """Nothing in the answer can be answered, or nobody knows the secret (AUTH-24)."""
    EXHAUSTED = "exhausted"
    """The server keeps asking (AUTH-19, AUTH-23)."""


@dataclass(frozen=True, slots=True)
class Question:
    """Credentials are wanted for one realm."""

    realm: str
    algorithms: tuple[str, ...]
    attempt: int
    stale: bool


class _Sent(enum.Enum):
    """How the secret of a realm stands in the running cycle."""

    NOT_YET = "not yet"
    VOUCHED = "vouched"
    """It was accepted in an earlier cycle, or got past its server in this one: a challenge asks for another nonce, or
    comes from a server that asks before it looks (AUTH-21)."""
    FRESH = "fresh"
    """It answered a challenge of this cycle; another challenge means that it is wrong."""


class _Realm:
    """What is known of one realm of one kind of server."""

    __slots__ = ("count", "info", "nonce", "refusals", "rows", "sent", "server", "session", "stales")

    def __init__(self, server: str) -> None:
        self.server = server
        self.info: AuthInfo | None = None
        self.session: DigestSession | None = None
        self.rows: tuple[Challenge, ...] = ()
        self.nonce = ""
        self.count = 0
        self.refusals = 0
        self.stales = 0
        self.sent = _Sent.NOT_YET

    def adopt(self, session: DigestSession) -> None:
        """Answer with this session; a nonce that comes back is counted on (AUTH-16)."""
        self.session = session
        if session.nonce != self.nonce:
            self.nonce = session.nonce
            self.count = 0


class Authenticator:
    """The answers of one account to its servers' challenges.

    `challenged` gives a verdict, or a `Question`; each question is closed by `supply`, which again gives one or the
    other.
    """

    __slots__ = ("_known", "_open", "_policy", "_random", "_rounds", "_server")

    def __init__(self, policy: DigestPolicy, random: Random) -> None:
        self._policy = policy
        self._random = random
        self._known: dict[tuple[str, str], _Realm] = {}
        self._open: list[tuple[str, str]] = []
        self._rounds = 0
        self._server = ""

    @property
    def algorithm(self) -> str | None:
        """The digest algorithm in use; of several realms that of the one met last, ``None`` for none."""
        names = [realm.session.algorithm.name for realm in self._known.values() if realm.session is not None]
        return names[-1] if names else None

    def begin(self) -> None:
        """A new cycle: what was learnt before is kept and may prove too old once."""
        self._rounds = 0
        for realm in self._known.values():
            realm.sent = _Sent.VOUCHED if realm.session is not None else _Sent.NOT_YET
            realm.stales = 0

    def forget(self) -> None:
        """Credentials changed: secrets are looked up anew when a server asks again; nonces stay good until then."""
        for realm in self._known.values():
            realm.info = None
            realm.refusals = 0
        # If the old secret is under way, its refusal says nothing about the new one.
        self.passed()

    def authorizations(self, method: str, uri: str, server: str) -> list[tuple[str, str]]:
        """Header names and values for the next request; raises the nonce counts (AUTH-16, AUTH-28).

        Args:
            method: Method of the request.
            uri: Its Request-URI as sent.
            server: Domain it goes to; a secret goes nowhere but where it was asked for (AUTH-34).
        """
        self._server = server
        headers = []
        for realm in self._known.values():
            if realm.session is not None and realm.server == server:
                realm.count += 1
                cnonce = f"{self._random.getrandbits(64):016x}"
                headers.append((realm.session.header, realm.session.authorization(method, uri, realm.count, cnonce)))
        return headers

    def challenged(self, response: Response, server: str) -> Verdict | Question:
        """Take a 401 or 407.

        Args:
            response: The answer.
            server: Domain that the request went to.
        """
        self._server = server
        self._rounds += 1
        groups = self._groups(response.challenges)
        for key, realm in self._known.items():
            if key not in groups and realm.sent is _Sent.FRESH:
                # A server further on is asking now, so this one was satisfied.
                realm.sent = _Sent.VOUCHED
        if self._rounds > _MOST_ROUNDS:
            return Verdict.EXHAUSTED
        self._open = list(groups)
        for key, rows in groups.items():
            verdict = self._judge(self._realm(key), rows)
            if verdict is not None:
                return verdict
        return self._proceed()

    def supply(self, info: AuthInfo | None) -> Verdict | Question:
        """Close the open question with credentials, or with ``None`` when there are none."""
        realm = self._known[self._open[0]]
        if info is None or choose(realm.rows, self._policy, info) is None:
            realm.session = None
            self._open.pop(0)
        else:
            realm.info = info
        return self._proceed()

    def passed(self) -> None:
        """An answer other than a challenge came: the secrets of the request got past their servers (AUTH-21)."""
        for realm in self._known.values():
            if realm.sent is _Sent.FRESH:
                realm.sent = _Sent.VOUCHED

    def accepted(self, response: Response) -> None:
        """Take a 2xx: a next nonce replaces the one in use (AUTH-29), unless it is unfit to be sent (SEC-12)."""
        for (header, _), realm in self._known.items():
            realm.refusals = 0
            if header == "WWW-Authenticate" and realm.session is not None and realm.server == self._server:
                with suppress(ParseError):
                    nonce = response.authentication_info.get("nextnonce")
                    if nonce and nonce != realm.nonce:
                        realm.adopt(realm.session.renewed(nonce))

    def _groups(self, challenges: Iterable[Challenge]) -> dict[tuple[str, str], tuple[Challenge, ...]]:
        """The rows that we could answer, by kind of server and realm, in the order of the answer."""
        groups: dict[tuple[str, str], tuple[Challenge, ...]] = {}
        for challenge in challenges:
            if choose((challenge,), self._policy) is not None:
                key = (challenge.header, challenge.realm)
                if key in groups or len(groups) < _MOST_REALMS:
                    groups[key] = (*groups.get(key, ()), challenge)
        return groups

    def _realm(self, key: tuple[str, str]) -> _Realm:
        """What is known of a realm that asks now; the oldest of those that do not ask makes room for it."""
        realm = self._known.get(key)
        if realm is not None and realm.server == self._server:
            return realm
        if realm is None and len(self._known) >= _MOST_REALMS:
            del self._known[next(other for other in self._known if other not in self._open)]
        realm = self._known[key] = _Realm(self._server)
        return realm

    def _judge(self, realm: _Realm, rows: tuple[Challenge, ...]) -> Verdict | None:
        """Whether this realm's challenge refuses the secret that was sent; notes the rows."""
        sent, realm.sent = realm.sent, _Sent.NOT_YET
        realm.rows = rows
        if sent is not _Sent.NOT_YET and any(row.stale for row in rows):
            realm.stales += 1
            return Verdict.EXHAUSTED if realm.stales > _MOST_STALE else None
        if sent is not _Sent.FRESH:
            return None
        realm.session = None
        realm.info = None
        realm.refusals += 1
        return Verdict.REFUSED

    def _proceed(self) -> Verdict | Question:
        """Answer what can be answered; ask for the first realm whose secret is not known."""
        while self._open:
            key = self._open[0]
            realm = self._known[key]
            info, row = realm.info, choose(realm.rows, self._policy, realm.info)
            if info is None or row is None:
                algorithms = tuple(challenge.algorithm or "MD5" for challenge in realm.rows)
                return Question(key[1], algorithms, realm.refusals + 1, realm.rows[0].stale)
            realm.adopt(DigestSession(row, info, self._policy))
            realm.sent = _Sent.FRESH
            # One realm of the registrar is enough, every realm of the proxies is needed (AUTH-6).
            done = {key, *(other for other in self._open if key[0] == other[0] == "WWW-Authenticate")}
            self._open = [other for other in self._open if other not in done]
        fresh = any(realm.sent is _Sent.FRESH for realm in self._known.values())
        return Verdict.ANSWER if fresh else Verdict.UNAVAILABLE


def find_auth_info(infos: Iterable[AuthInfo], *, username: str | None, domain: str, realm: str) -> AuthInfo | None:
    """The entry that fits best: one that names the realm before one that names the domain before a catch-all.

    Args:
        infos: The entries in the order in which they were added; among equals the newest wins.
        username: User part of the address-of-record; ``None`` when the entries belong to the account itself.
        domain: Host of the address-of-record.
        realm: Realm of the challenge.
    """
    best: tuple[int, AuthInfo] | None = None
    for info in infos:
        if username is not None and info.username != username:
            continue
        if info.realm not in (None, realm) or (info.domain is not None and info.domain.lower() != domain.lower()):
            continue
        rank = 2 * (info.realm is not None) + (info.domain is not None)
        if best is None or rank >= best[0]:
            best = (rank, info)
    return best[1] if best is not None else None
