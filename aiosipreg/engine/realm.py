"""What lasts of digest from request to request, for one realm: its nonce and the count, and how the secret stands."""

from __future__ import annotations

import enum
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aiosipreg.errors import ParseError
from aiosipreg.wire import Challenge
from aiosipreg.wire.host import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from aiosipreg.auth import AuthInfo
    from aiosipreg.engine.digest import DigestSession, Offer

__all__ = ["Nonce", "Realm", "Sent", "is_less", "is_related"]

# What an answer is made from beside the nonce: of a challenge that is kept nothing else is.
_DIRECTIVES: Final = frozenset({"realm", "opaque", "algorithm", "qop", "charset", "userhash"})
_LONGEST_NONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class Nonce:
    """A nonce that may be used on after a restart (AUTH-28); no secret, and nothing made from one, is in it (SEC-39).

    Attributes:
        server: Domain of the server that gave it.
        challenge: The challenge that it answers.
        count: How often it was used.
        proven: The strongest algorithm and the best protection that ever succeeded there (SEC-1).
    """

    server: str
    challenge: Challenge
    count: int
    proven: tuple[int, int] = (0, 0)


class Sent(enum.Enum):
    """How the secret of a realm stands in the running cycle."""

    NOT_YET = "not yet"
    VOUCHED = "vouched"
    """It was accepted in an earlier cycle, or got past its server in this one: a challenge asks for another nonce, or
    comes from a server that asks before it looks (AUTH-21)."""
    FRESH = "fresh"
    """It answered a challenge of this cycle; another challenge means that it is wrong."""


class Realm:
    """What is known of one realm of one kind of server.

    Attributes:
        key: What tells it apart from others: where it asks, ``WWW-Authenticate`` or ``Proxy-Authenticate``, and its
            name.
        rows: What it asks, until that is answered.
    """

    __slots__ = (
        "_answered", "count", "doubtful", "info", "key", "nonce", "proven", "recalled", "refusals",
        "rows", "sent", "server", "session", "stales",
    )  # fmt: skip

    def __init__(self, key: tuple[str, str], server: str, proven: tuple[int, int] = (0, 0)) -> None:
        self.key = key
        self.server = server
        # The strongest algorithm and the best protection that ever succeeded here (SEC-1).
        self.proven = proven
        # With which Request-URI and cnonce, until it is known whether that was good.
        self._answered = ("", "")
        self.info: AuthInfo | None = None
        self.session: DigestSession | None = None
        self.rows: tuple[Offer, ...] = ()
        self.nonce = ""
        self.count = 0
        self.refusals = 0
        self.stales = 0
        self.sent = Sent.NOT_YET
        self.recalled = False
        # SEC-6: it asked over TLS, and is none of the names that the server proved; nor do our credentials name it.
        self.doubtful = False

    @property
    def header(self) -> str:
        """Where it asks."""
        return self.key[0]

    def adopt(self, session: DigestSession) -> None:
        """Answer with this session; a nonce that comes back is counted on (AUTH-16)."""
        self.session = session
        if session.nonce != self.nonce:
            self.nonce = session.nonce
            self.count = 0

    def authorization(self, method: str, uri: str, random: Random) -> tuple[str, str] | None:
        """Header name and value for the next request; ``None`` if nothing can be answered."""
        if self.session is None:
            return None
        self.count += 1
        cnonce = random.randbytes(8).hex()
        self._answered = uri, cnonce
        return self.session.terms.header, self.session.authorization(method, uri, self.count, cnonce)

    def succeeded(self) -> bool:
        """Take a 2xx; return whether what it accepted is less than what succeeded before."""
        self.refusals = 0
        proven = self.proven
        shown = self.session.terms.worth if self.session is not None else proven
        if shown == proven:
            return False
        self.proven = _both(shown, proven)
        return is_less(shown, proven)

    def accept(self, told: Mapping[str, str], body: bytes) -> bool | None:
        """Take what a 2xx tells; return whether the server proved that it knows the secret, ``None`` without proof."""
        (uri, cnonce), self._answered = self._answered, ("", "")
        session = self.session
        if session is None or not told:
            return None
        proof = session.verify(told, uri=uri, nc=self.count, cnonce=cnonce, body=body)
        nonce = told.get("nextnonce")
        if nonce and nonce != self.nonce:
            with suppress(ParseError):  # It is unfit to be sent (SEC-12).
                self.adopt(session.renewed(nonce))
        return proof

    def row(self) -> Challenge | None:
        """The challenge that is answered, with the nonce in use."""
        session = self.session
        # The key of a -sess algorithm was made with a cnonce that is not kept.
        if session is None or session.terms.algorithm.session:
            return self.rows[0].challenge if self.recalled else None
        form = session.terms.form
        if self.rows and session.terms.algorithm not in [row.terms.algorithm for row in self.rows]:
            return None
        params = {name: value for name, value in form.params.items() if name in _DIRECTIVES}
        params["nonce"] = session.quoted_nonce
        if sum(len(value or "") for value in params.values()) > _LONGEST_NONCE:
            return None
        return Challenge(form.header, form.scheme, params)


def is_less(offered: tuple[int, int], proven: tuple[int, int]) -> bool:
    """Whether an algorithm's strength or the protection is below what succeeded before (SEC-1)."""
    return offered[0] < proven[0] or offered[1] < proven[1]


def is_related(realm: str, names: Iterable[str]) -> bool:
    """Whether a realm has to do with the names of a server: one is the other, or a domain below it (SEC-6).

    RFC 3261 22.1 wants the realm to have the name of a domain that the server is for. Realms that are no domain, such
    as ``asterisk``, are related to no certificate at all: whether they are right only the user can say, by credentials
    or a setting that name them. Who does so has decided already which secret goes to that realm, wherever it asks.
    """
    wanted = _domain(realm)
    return any(
        wanted == name or (("." in wanted) and name.endswith(f".{wanted}")) or wanted.endswith(f".{name}")
        for name in map(_domain, names)
    )


def _domain(name: str) -> str:
    return plain_name(name).removeprefix("*.")


# Each account keeps one of these pairs, and there are not many.
@lru_cache
def _both(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """The stronger of two, in each respect."""
    return max(one[0], other[0]), max(one[1], other[1])
