"""Who answers which challenge, and when to stop answering (RFC 3261 22, RFC 8760 2.4; AUTH-1 to AUTH-6, 16 to 34).

Digest itself is `engine.digest`, and what is known of each realm `engine.realm`; here is who is asked for which secret,
which one was refused, and how many rounds a cycle has had.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from aiosipreg.engine.digest import answer, choose, offers
from aiosipreg.engine.realm import Nonce, Realm, Sent, is_less, is_related
from aiosipreg.errors import ParseError
from aiosipreg.states import Reason

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from aiosipreg.auth import AuthInfo
    from aiosipreg.engine.digest import Offer
    from aiosipreg.engine.setup import Setup
    from aiosipreg.wire import Challenge, Response

__all__ = ["Authenticator", "Question", "Verdict"]

_MOST_ROUNDS = 6
_MOST_STALE = 3
_MOST_REALMS = 16
_MOST_NONCES = 4


class Verdict(enum.Enum):
    """What became of a challenge; the value of one that is not answered is its row in section 8."""

    ANSWER = "answer"
    """Send the request again; `Authenticator.authorizations` has what it needs."""
    REFUSED = "AUTH-20"
    """The secret was sent and refused; it is not sent again (AUTH-20)."""
    UNAVAILABLE = "AUTH-24"
    """Nothing in the answer can be answered, or nobody knows the secret (AUTH-24)."""
    EXHAUSTED = "AUTH-23"
    """The server keeps asking (AUTH-19, AUTH-23)."""
    DOWNGRADED = "SEC-1"
    """It asks for less than what it accepted before, and that is not given (SEC-1)."""
    UNRELATED = "SEC-6"
    """Its realm is none of its certificate's names, and the credentials do not name it either (SEC-6)."""


class Question(NamedTuple):
    """Credentials are wanted for one realm."""

    realm: str
    algorithms: tuple[str, ...]
    attempt: int
    stale: bool


class Authenticator:
    """The answers of one account to its servers' challenges.

    `challenged` gives a verdict, or a `Question`; each question is closed by `supply`, which again gives one or the
    other.
    """

    __slots__ = ("_known", "_open", "_rounds", "_server", "_setup")

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        # Hardly ever more than one, for which a dict would be six times as large.
        self._known: tuple[Realm, ...] = ()
        self._open: tuple[Realm, ...] = ()
        self._rounds = 0
        self._server = ""

    @property
    def algorithm(self) -> str | None:
        """The digest algorithm in use; of several realms that of the one met last, ``None`` for none."""
        names = [realm.session.terms.algorithm.name for realm in self._known if realm.session is not None]
        return names[-1] if names else None

    def begin(self) -> None:
        """A new cycle: what was learnt before is kept and may prove too old once."""
        self._rounds = 0
        for realm in self._known:
            realm.sent = Sent.VOUCHED if realm.session is not None else Sent.NOT_YET
            realm.stales = 0

    def forget(self) -> None:
        """Credentials changed: secrets are looked up anew when a server asks again; nonces stay good until then."""
        for realm in self._known:
            realm.info = None
            realm.refusals = 0
        # If the old secret is under way, its refusal says nothing about the new one.
        self.passed()

    def nonces(self) -> tuple[Nonce, ...]:
        """The nonces in use, for `recall` after a restart."""
        rows = [(realm, realm.row()) for realm in self._known]
        kept = [(realm, row) for realm, row in rows if row is not None][-_MOST_NONCES:]
        return tuple(Nonce(realm.server, row, realm.count, realm.proven) for realm, row in kept)

    def recall(self, nonces: Iterable[Nonce]) -> None:
        """Take nonces from before a restart; `reclaim` asks for the secrets that belong to them."""
        for nonce in nonces:
            challenge = nonce.challenge
            rows = offers((challenge,), self._setup.digest)
            if rows:
                realm = Realm(rows[0].terms.key, nonce.server, nonce.proven)
                self._know(realm)
                realm.rows, realm.nonce, realm.count, realm.recalled = rows, challenge.nonce, nonce.count, True

    def reclaim(self, server: str) -> Question | None:
        """What to ask before a request goes out, so that it can use a nonce from before the restart (AUTH-28).

        Args:
            server: Domain that the request goes to.
        """
        mine: tuple[Realm, ...] = ()
        for realm in self._known:
            if realm.recalled and realm.server == server:
                mine = (*mine, realm)
        if not mine:
            return None
        self._server, self._open = server, mine
        asked = self._proceed()
        return asked if isinstance(asked, Question) else None

    def authorizations(self, method: str, uri: str, server: str) -> list[tuple[str, str]]:
        """Header names and values for the next request; raises the nonce counts (AUTH-16, AUTH-28).

        Args:
            method: Method of the request.
            uri: Its Request-URI as sent.
            server: Domain it goes to; a secret goes nowhere but where it was asked for (AUTH-34).
        """
        self._server = server
        answers = []
        for realm in self._known:
            answer = realm.authorization(method, uri, self._setup.random) if realm.server == server else None
            if answer is not None:
                answers.append(answer)
        return answers

    def challenged(self, response: Response, server: str, names: tuple[str, ...] = ()) -> Verdict | Question:
        """Take a 401 or 407.

        Args:
            response: The answer.
            server: Domain that the request went to.
            names: Names that the server proved to be its own, and a realm that is expected; empty if it proved none.
        """
        self._server = server
        self._rounds += 1
        groups = self._groups(response.challenges)
        for realm in self._known:
            if realm.sent is Sent.FRESH and realm.key not in groups:
                # A server further on is asking now, so this one was satisfied.
                realm.sent = Sent.VOUCHED
        if self._rounds > _MOST_ROUNDS:
            return Verdict.EXHAUSTED
        asking = []
        for key, rows in groups.items():
            realm = self._realm(key, groups)
            asking.append(realm)
            verdict = self._judge(realm, rows)
            realm.doubtful = bool(names) and not is_related(key[1], names)
            if verdict is None and not self._strong_enough(realm):
                verdict = Verdict.DOWNGRADED
            if verdict is not None:
                return verdict
        self._open = tuple(asking)
        return self._proceed()

    def _outgrow(self, realm: Realm) -> None:
        """One realm of a registrar is enough, while every realm of the proxies is needed (AUTH-6).

        What answered another one before is not sent any more.
        """
        for other in self._known:
            if other is not realm and other.header == "WWW-Authenticate" and other.server == self._server:
                other.session = None
        self._open = tuple([other for other in self._open if other.header != "WWW-Authenticate"])

    def supply(self, info: AuthInfo | None) -> Verdict | Question:
        """Close the open question with credentials, or with ``None`` when there are none."""
        realm = self._open[0]
        offer = choose(self._strong_enough(realm), self._setup.digest, info) if info is not None else None
        if offer is None:
            realm.session = None
            realm.recalled = False
            self._open = self._open[1:]
        else:
            realm.info = info
        return self._proceed(offer)

    def passed(self) -> None:
        """An answer other than a challenge came: the secrets of the request got past their servers (AUTH-21)."""
        for realm in self._known:
            if realm.sent is Sent.FRESH:
                realm.sent = Sent.VOUCHED

    def accepted(self, response: Response) -> Reason:
        """Take a 2xx: a next nonce replaces the one in use (AUTH-29); return what is doubtful about it.

        Returns:
            `Reason.SERVER_NOT_AUTHENTICATED` when its proof is wrong (AUTH-30), `Reason.AUTH_DOWNGRADE` when less was
            asked for than before (SEC-1), `Reason.REALM_MISMATCH` when nobody vouches for the realm (SEC-6), else
            `Reason.NONE`.
        """
        doubt = Reason.NONE
        for realm in self._known:
            if realm.server != self._server:
                continue
            weaker = realm.succeeded()
            if realm.accept(_told(response, realm.key[0]), response.body) is False:
                return Reason.SERVER_NOT_AUTHENTICATED
            if weaker:
                doubt = Reason.AUTH_DOWNGRADE
            elif realm.doubtful and realm.session is not None and doubt is Reason.NONE:
                doubt = Reason.REALM_MISMATCH
        return doubt

    def _strong_enough(self, realm: Realm) -> tuple[Offer, ...]:
        """The rows of a realm that may be answered (SEC-1)."""
        if not self._setup.digest.refuse_downgrade:
            return realm.rows
        return tuple(row for row in realm.rows if not is_less(row.terms.worth, realm.proven))

    def _groups(self, challenges: Iterable[Challenge]) -> dict[tuple[str, str], tuple[Offer, ...]]:
        """The rows that we could answer, by kind of server and realm, in the order of the answer."""
        groups: dict[tuple[str, str], tuple[Offer, ...]] = {}
        for offer in offers(challenges, self._setup.digest):
            key = offer.terms.key
            if key in groups or len(groups) < _MOST_REALMS:
                groups[key] = (*groups.get(key, ()), offer)
        return groups

    def _realm(self, key: tuple[str, str], asking: Container[tuple[str, str]]) -> Realm:
        """What is known of a realm that asks now; the oldest of those that do not ask makes room for it."""
        known = None
        for realm in self._known:
            if realm.key == key:
                known = realm
        if known is not None and known.server == self._server:
            return known
        if known is None and len(self._known) >= _MOST_REALMS:
            oldest = next(realm for realm in self._known if realm.key not in asking)
            self._known = tuple([realm for realm in self._known if realm is not oldest])
        realm = Realm(key, self._server, known.proven if known is not None else (0, 0))
        self._know(realm)
        return realm

    def _know(self, realm: Realm) -> None:
        """Take a realm, in the place of one that has the same key."""
        if not self._known:
            self._known = (realm,)
            return
        keys = [other.key for other in self._known]
        place = keys.index(realm.key) if realm.key in keys else len(keys)
        self._known = (*self._known[:place], realm, *self._known[place + 1 :])

    def _judge(self, realm: Realm, rows: tuple[Offer, ...]) -> Verdict | None:
        """Whether this realm's challenge refuses the secret that was sent; notes the rows."""
        sent, realm.sent = realm.sent, Sent.NOT_YET
        realm.rows = rows
        realm.recalled = False
        if sent is not Sent.NOT_YET and any(row.challenge.stale for row in rows):
            realm.stales += 1
            return Verdict.EXHAUSTED if realm.stales > _MOST_STALE else None
        if sent is not Sent.FRESH:
            return None
        realm.session = None
        realm.info = None
        realm.refusals += 1
        return Verdict.REFUSED

    def _proceed(self, offer: Offer | None = None) -> Verdict | Question:
        """Answer what can be answered; ask for the first realm whose secret is not known.

        Args:
            offer: What the first realm is answered with, if that is known.
        """
        while self._open:
            realm = self._open[0]
            info = realm.info
            if info is not None and offer is None:
                offer = choose(self._strong_enough(realm), self._setup.digest, info)
            if info is None or offer is None:
                algorithms = tuple([row.terms.form.algorithm or "MD5" for row in realm.rows])
                return Question(realm.key[1], algorithms, realm.refusals + 1, realm.rows[0].terms.form.stale)
            realm.doubtful = realm.doubtful and info.realm is None
            if realm.doubtful and self._setup.digest.refuse_realm_mismatch:
                realm.session = None
                return Verdict.UNRELATED
            realm.rows = ()
            realm.adopt(answer(offer, info))
            offer = None
            # A nonce from before a restart may have died since, so its refusal says nothing of the secret.
            realm.sent = Sent.VOUCHED if realm.recalled else Sent.FRESH
            realm.recalled = False
            self._open = self._open[1:]
            if len(self._known) > 1 and realm.header == "WWW-Authenticate":
                self._outgrow(realm)
        for realm in self._known:
            if realm.sent is Sent.FRESH:
                return Verdict.ANSWER
        return Verdict.UNAVAILABLE


def _told(response: Response, header: str) -> Mapping[str, str]:
    """What a 2xx tells a realm that asked in this header; nothing if it is malformed."""
    if (
        "Authentication-Info" not in response.headers.names
        and "Proxy-Authentication-Info" not in response.headers.names
    ):
        return {}
    try:
        told = response.authentication_info if header == "WWW-Authenticate" else response.proxy_authentication_info
    except ParseError:
        return {}
    return {name.lower(): text for name, text in told.items() if text is not None}
