"""Challenges and credentials: WWW-Authenticate and its kin (RFC 3261 section 25.1, RFC 7616, RFC 8760)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aiosipreg.errors import ParseError
from aiosipreg.wire.grammar import BLANKS, TOKEN, is_token, leading_quoted, split_list, trusted, unquote
from aiosipreg.wire.headers import canonical_name
from aiosipreg.wire.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiosipreg.wire.headers import Headers

__all__ = ["Challenge", "ChallengeForm", "parse_auth_info", "parse_challenges", "read_challenges"]

_SERVER: Final = "WWW-Authenticate"
_PROXY: Final = "Proxy-Authenticate"

# SEC-23: what a challenge may cost us.
MAX_CHALLENGES: Final = 20
MAX_NONCE: Final = 4096
MAX_REALM: Final = 1024
MAX_OPAQUE: Final = 4096
# One for each registrar, and one more for its stale nonces.
_FORMS: Final = 256

# How nearly every server writes its challenges: one in a row, nothing doubled, no backslash.
_PAIR: Final = rf'([a-z]++)=("[^"\\]*+"|{TOKEN})'
_USUAL = re.compile(rf"({TOKEN}) ++({_PAIR}(?: *+, *+{_PAIR})*+)")
_PAIRS = re.compile(_PAIR)
_USUAL_LENGTH: Final = 1024

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_SEPARATORS = re.compile(r"[ \t,]*+")
_WORD = re.compile(r"[^ \t,=\"]++")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.?)*+(?:"|\Z)', re.DOTALL)
_DIRECTIVE = re.compile(r'([^ \t,="]++)[ \t]*+=[ \t]*+("(?:[^"\\]|\\.?)*+(?:"|\Z)|[^ \t,"]*+)', re.DOTALL)


class ChallengeForm:
    """What a challenge says but for its nonce: the same for all whom a server asks, and one for all of them.

    Attributes:
        params: As those of `Challenge`, with an empty nonce where there is one.

    The others are those of `Challenge`.
    """

    __slots__ = (
        "algorithm", "charset", "domain", "header", "opaque", "params", "qop", "realm", "scheme", "stale", "userhash",
    )  # fmt: skip

    def __init__(self, header: str, scheme: str, params: dict[str, str | None]) -> None:
        text = {name: unquote(value) for name, value in params.items() if value is not None}
        self.header = header
        self.scheme = scheme
        self.params = params
        self.realm = text.get("realm", "")
        self.algorithm = text.get("algorithm") or None
        self.qop = tuple(split_list(text.get("qop", "").lower()))
        self.opaque = text.get("opaque")
        self.stale = text.get("stale", "").lower() == "true"
        self.domain = text.get("domain")
        self.charset = text.get("charset")
        self.userhash = text.get("userhash", "").lower() == "true"


@dataclass(frozen=True, slots=True, init=False, repr=False, eq=False)
class Challenge:
    """A server's question for credentials.

    Attributes:
        form: All that it says but for the nonce.
        nonce: The nonce without quotes and backslashes; empty if absent.
        sent_nonce: The nonce as sent, ``None`` if absent.

    Of a directive that occurs twice the first counts.

    Args:
        header: ``WWW-Authenticate`` or ``Proxy-Authenticate``.
        scheme: ``Digest`` or another scheme.
        params: The directives, as `params` gives them.
    """

    form: ChallengeForm
    nonce: str
    sent_nonce: str | None

    def __init__(self, header: str, scheme: str, params: Mapping[str, str | None]) -> None:
        sent = params.get("nonce")
        directives = params.items() if sent is None else {**params, "nonce": ""}.items()
        object.__setattr__(self, "form", _form(header, scheme, tuple(directives)))
        object.__setattr__(self, "nonce", unquote(sent or ""))
        object.__setattr__(self, "sent_nonce", sent)

    @classmethod
    def parse(cls, text: str, header: str = "WWW-Authenticate") -> Challenge:
        """Read one challenge, or with another header name one set of credentials.

        Raises:
            ParseError: There is not exactly one, or a Digest one lacks realm or nonce.
        """
        found, dropped = parse_challenges(header, text)
        if len(found) != 1 or dropped:
            raise ParseError(text, 0, "exactly one challenge, with realm and nonce")
        return found[0]

    @property
    def header(self) -> str:
        """``WWW-Authenticate`` or ``Proxy-Authenticate``."""
        return self.form.header

    @property
    def scheme(self) -> str:
        """``Digest`` or another scheme, as sent."""
        return self.form.scheme

    @property
    def params(self) -> Params:
        """Every directive by its name in lower case, in the form it was sent.

        Quoted strings have their quotes and backslashes, so that they can be echoed octet by octet (AUTH-18).
        """
        params = self.form.params
        return Params.of(params if self.sent_nonce is None else {**params, "nonce": self.sent_nonce})

    @property
    def realm(self) -> str:
        """The realm without quotes and backslashes; empty if absent, as in Bearer challenges."""
        return self.form.realm

    @property
    def algorithm(self) -> str | None:
        """The algorithm as sent, ``None`` if absent or empty, which means MD5."""
        return self.form.algorithm

    @property
    def qop(self) -> tuple[str, ...]:
        """Qualities of protection in lower case, known and unknown ones; empty if absent or empty (GRM-23)."""
        return self.form.qop

    @property
    def opaque(self) -> str | None:
        """The opaque text; ``None`` if absent. An empty one is kept, since it is echoed (GRM-25)."""
        return self.form.opaque

    @property
    def stale(self) -> bool:
        """Whether only the nonce was too old."""
        return self.form.stale

    @property
    def domain(self) -> str | None:
        """The protection space as sent, or ``None``."""
        return self.form.domain

    @property
    def charset(self) -> str | None:
        """The character set of user name and password, or ``None``."""
        return self.form.charset

    @property
    def userhash(self) -> bool:
        """Whether the server accepts a hashed user name (RFC 7616 section 3.4.4)."""
        return self.form.userhash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Challenge):
            return NotImplemented
        return (self.header, self.scheme, self.params) == (other.header, other.scheme, other.params)

    def __hash__(self) -> int:
        return hash((self.header, self.scheme, self.sent_nonce))

    def __repr__(self) -> str:
        return f"Challenge(header={self.header!r}, scheme={self.scheme!r}, params={self.params!r})"


_trusted = trusted(Challenge)


@lru_cache(_FORMS)
def _form(header: str, scheme: str, directives: tuple[tuple[str, str | None], ...]) -> ChallengeForm:
    return ChallengeForm(header, scheme, dict(directives))


def read_challenges(headers: Headers) -> tuple[tuple[Challenge, ...], int]:
    """The challenges of WWW-Authenticate and Proxy-Authenticate rows in their order, and how many were left out.

    They are at most 20; more rows are not looked at (SEC-23).
    """
    server, proxy = headers.names.get(_SERVER), headers.names.get(_PROXY)
    if isinstance(server, str) and proxy is None:
        return parse_challenges(_SERVER, server.strip(BLANKS))
    if server is None or proxy is None:
        name = _SERVER if proxy is None else _PROXY
        asked = [(name, text) for text in headers.rows(name)]
    else:
        rows = [(canonical_name(name), text) for name, text in headers.items()]
        asked = [(name, text) for name, text in rows if name in (_SERVER, _PROXY)]
    found: list[Challenge] = []
    dropped = max(len(asked) - MAX_CHALLENGES, 0)
    for name, text in asked[:MAX_CHALLENGES]:
        challenges, malformed = parse_challenges(name, text)
        found += challenges
        dropped += malformed
    return tuple(found[:MAX_CHALLENGES]), dropped + max(len(found) - MAX_CHALLENGES, 0)


def parse_challenges(header: str, text: str) -> tuple[tuple[Challenge, ...], int]:
    """The challenges of one header row, and how many were left out because they are malformed.

    Several challenges in one row are told apart by the scheme, a word that no ``=`` follows (MSG-6, GRM-21). What
    follows the twentieth is not looked at and counts as one.
    """
    if (usual := _usual(header, text)) is not None:
        return (usual,), 0
    if not text.isprintable() and _CONTROL.search(text):
        return (), 1
    found: list[Challenge] = []
    dropped = 0
    for number, (scheme, directives) in enumerate(_challenges(text)):
        if number == MAX_CHALLENGES:
            dropped += 1
            break
        challenge = _challenge(header, scheme, directives)
        if challenge is None:
            dropped += 1
        else:
            found.append(challenge)
    return tuple(found), dropped


def _usual(header: str, text: str) -> Challenge | None:
    """The challenge of a server that asks everybody alike, with another nonce; ``None`` if it has to be read."""
    before, _, rest = text.partition('nonce="')
    nonce, closed, after = rest.partition('"')
    if not closed or len(text) > _USUAL_LENGTH or "\\" in nonce or not nonce.isprintable():
        return None
    form = _usual_form(header, before, after)
    return _trusted(form, nonce, f'"{nonce}"') if form is not None else None


@lru_cache(_FORMS)
def _usual_form(header: str, before: str, after: str) -> ChallengeForm | None:
    """What stands around the nonce, if it is written as by nearly every server."""
    text = f'{before}nonce=""{after}'
    # A directive of another name, such as cnonce, may end like this one.
    usual = _USUAL.fullmatch(text) if text.isprintable() and before.endswith((" ", ",")) else None
    if usual is None:
        return None
    pairs = _PAIRS.findall(usual[2])
    values: dict[str, str | None] = dict(pairs)
    sound = len(values) == len(pairs) and "realm" in values and values.get("nonce") == '""'
    values["nonce"] = ""
    return _form(header, usual[1], tuple(values.items())) if sound else None


def _challenges(text: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    scheme = None
    directives: list[tuple[str, str]] = []
    for word, value, alone in _words(text):
        if value is not None:
            directives.append((word, value))
        elif scheme is None or not alone:
            if scheme is not None or directives:
                yield scheme or "", directives
            scheme, directives = word, []
    if scheme is not None or directives:
        yield scheme or "", directives


def _words(text: str) -> Iterator[tuple[str, str | None, bool]]:
    """Word, value (``None`` without ``=``) and, for a word without value, whether a comma or the end follows it."""
    end = len(text)
    position = _end(_SEPARATORS.match(text))
    while position < end:
        if directive := _DIRECTIVE.match(text, position):
            position = directive.end()
            yield directive[1], directive[2], False
        elif word := _WORD.match(text, position):
            position = word.end()
            blanks = _SEPARATORS.match(text, position)
            alone = _end(blanks) == end or "," in text[position : _end(blanks)]
            yield word[0], None, alone
        else:
            # A stray quoted string or equals sign belongs to nothing; a missing comma before it does no harm.
            position = _end(_QUOTED.match(text, position)) or position + 1
        position = _end(_SEPARATORS.match(text, position))


def _end(match: re.Match[str] | None) -> int:
    return match.end() if match else 0


def _challenge(header: str, scheme: str, directives: list[tuple[str, str]]) -> Challenge | None:
    values: dict[str, str | None] = {}
    doubled = set()
    for name, value in directives:
        name = name.lower()
        if name in values:
            doubled.add(name)
        elif value[:1] == '"' and leading_quoted(value) != value:
            return None
        else:
            values[name] = value
    challenge = Challenge(header, scheme, values)
    sound = is_token(scheme) and len(challenge.nonce) <= MAX_NONCE and len(challenge.realm) <= MAX_REALM
    if not sound or len(challenge.opaque or "") > MAX_OPAQUE or doubled & {"realm", "nonce"}:
        return None
    if scheme.lower() == "digest" and not {"realm", "nonce"} <= values.keys():
        return None
    return challenge


def parse_auth_info(text: str) -> Params:
    """The directives of Authentication-Info without quotes (RFC 7615); empty ones count as absent (GRM-29).

    Raises:
        ParseError: A quoted string is not closed, or there are control characters.
    """
    if _CONTROL.search(text):
        raise ParseError(text, 0, "no control characters")
    values: dict[str, str | None] = {}
    for part in split_list(text):
        name, _, value = (word.strip(BLANKS) for word in part.partition("="))
        if value[:1] == '"' and leading_quoted(value) != value:
            raise ParseError(text, 0, "a closed quoted string")
        if name and unquote(value):
            values.setdefault(name.lower(), unquote(value))
    return Params.of(values)
