"""The directives of an Authorization row, and the rules of their form (RFC 7616 3.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Credentials", "MalformedError", "parse_credentials"]

_DIRECTIVE = re.compile(r"""\s*([^\s,="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)""", re.DOTALL)
_COUNT = re.compile(r"[0-9a-f]{8}")
_REQUIRED = ("username", "realm", "nonce", "uri", "response")
# RFC 7616 3.4 says for each directive whether it is quoted, for the sake of old servers.
_QUOTED = (*_REQUIRED, "cnonce", "opaque")
_PLAIN = ("algorithm", "qop", "nc")


class MalformedError(Exception):
    """The credentials break a rule, which the text names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client answered to a challenge.

    Attributes:
        username: User name, without quotes and backslashes.
        nonce: Nonce as sent.
        uri: Digest URI as sent.
        response: The proof.
        algorithm: As sent; ``MD5`` when absent.
        opaque: As sent; empty when absent.
        qop: As sent; empty when absent, and then ``nc`` is empty too.
        nc: Nonce count as sent.
        cnonce: Client nonce as sent.
    """

    username: str
    nonce: str
    uri: str
    response: str = ""
    algorithm: str = "MD5"
    opaque: str = ""
    qop: str = ""
    nc: str = ""
    cnonce: str = ""

    @property
    def count(self) -> int:
        """The nonce count as a number, 0 without qop."""
        return int(self.nc, 16) if self.nc else 0


@dataclass(frozen=True, slots=True)
class _Directive:
    raw: str
    quoted: bool

    @property
    def text(self) -> str:
        return re.sub(r"\\(.)", r"\1", self.raw, flags=re.DOTALL) if self.quoted else self.raw


def parse_credentials(row: str, realm: str) -> Credentials | None:
    """Read a row.

    Args:
        row: Value of an Authorization row.
        realm: The realm that matters.

    Returns:
        The credentials, ``None`` if they are of another scheme or realm.

    Raises:
        MalformedError: They are for this realm, or cannot be read at all, and break a rule.
    """
    scheme, _, rest = row.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    found = _directives(rest.strip())
    if "realm" not in found or found["realm"].text != realm:
        return None
    _check_form(found)
    given = {name: found[name].raw for name in Credentials.__slots__ if name in found}
    return Credentials(**(given | {"username": found["username"].text}))


def _directives(text: str) -> dict[str, _Directive]:
    found: dict[str, _Directive] = {}
    at = 0
    while at < len(text):
        match = _DIRECTIVE.match(text, at)
        if match is None:
            raise MalformedError("not a list of name=value")
        name = match[1].lower()
        if name in found:
            raise MalformedError(f"{name} twice")
        found[name] = _Directive(match[3] or "", False) if match[2] is None else _Directive(match[2], True)
        at = match.end()
    return found


def _check_form(found: Mapping[str, _Directive]) -> None:
    for name in (*_REQUIRED, *(("nc", "cnonce") if "qop" in found else ())):
        if name not in found:
            raise MalformedError(f"{name} is missing")
    for name in _QUOTED:
        if name in found and not found[name].quoted:
            raise MalformedError(f"{name} is not quoted")
    for name in _PLAIN:
        if name in found and found[name].quoted:
            raise MalformedError(f"{name} is quoted")
    if "nc" in found and not _COUNT.fullmatch(found["nc"].raw):
        raise MalformedError("nc is not 8 lower-case hex digits")
