"""Addresses in headers: From, To, Contact, Route and their kin (RFC 3261 section 20.10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aiosipreg.errors import ParseError
from aiosipreg.wire.grammar import (
    BLANKS,
    check_text,
    leading_quoted,
    parse_quality,
    parse_seconds,
    quote,
    tame,
    trusted,
    unquote,
)
from aiosipreg.wire.params import NO_PARAMS, Params, header_params
from aiosipreg.wire.uri import OtherUri, SipUri, hide_password, parse_uri

__all__ = ["STAR", "NameAddr", "parse_address", "repeated"]

_SHARED: Final = 256
_USUAL_LENGTH: Final = 64

STAR: Final = OtherUri("*")
"""The address in ``Contact: *``."""


@dataclass(frozen=True, slots=True)
class NameAddr:
    """A display name, a URI and header parameters.

    Attributes:
        uri: The address; `OtherUri` for any scheme but sip and sips.
        display_name: The name without quotes, or ``None``.
        params: The parameters behind the brackets. Those within brackets belong to the URI (MSG-15).

    ``str()`` always writes angle brackets, since without them the parameters would change sides. ``Contact: *`` is an
    address whose ``is_star`` is true.

    Raises:
        ConfigError: Control characters in the name or in a parameter (SEC-11).
    """

    uri: SipUri | OtherUri
    display_name: str | None = None
    params: Mapping[str, str | None] = NO_PARAMS

    def __post_init__(self) -> None:
        if self.display_name is not None:
            check_text("display_name", self.display_name)
        object.__setattr__(self, "params", header_params(self.params))

    @classmethod
    def parse(cls, text: str, *, likely: SipUri | OtherUri | None = None) -> NameAddr:
        """Read one address, with or without angle brackets.

        Args:
            text: The address.
            likely: A URI that it may well have; if it is written so, it is not read again.

        Raises:
            ParseError: A quote or bracket is not closed, the URI is malformed, or text is left over.
        """
        if likely is not None and (usual := repeated(text, likely)) is not None:
            return usual
        text = tame(text).strip(BLANKS)
        if text == "*":
            return cls(STAR)
        name, bracket, rest = _display_name(text)
        if not bracket:
            # RFC 3261 section 20: without brackets everything behind the semicolon is of the header.
            address, bracket, rest = text.partition(";")
        else:
            address, bracket, rest = rest.partition(">")
            rest = rest.lstrip(BLANKS)
            if not bracket or (rest and rest[0] != ";"):
                raise ParseError(hide_password(text), len(text) - len(rest), "'>' behind the URI, then parameters only")
        params = _shared(rest) if len(rest) <= _USUAL_LENGTH else Params.read(rest)
        return _trusted(parse_uri(address.strip(BLANKS)), name or None, params)

    @property
    def is_star(self) -> bool:
        """Whether this is the ``*`` of ``Contact: *``, which stands for all bindings (RFC 3261 section 10.2.2)."""
        return isinstance(self.uri, OtherUri) and self.uri.text == "*"

    @property
    def expires(self) -> int | None:
        """The ``expires`` parameter in seconds; ``None`` if absent or no number (MSG-18)."""
        value = self.params.get("expires")
        return parse_seconds(value) if value else None

    @property
    def q(self) -> float | None:
        """The ``q`` parameter; ``None`` if absent or malformed (GRM-8)."""
        value = self.params.get("q")
        return parse_quality(value) if value else None

    @property
    def tag(self) -> str | None:
        """The ``tag`` parameter as sent; tags compare without case (GRM-18)."""
        return self.params.get("tag")

    def __str__(self) -> str:
        uri = self.uri.text
        if uri == "*":
            return "*"
        name = f"{quote(self.display_name)} " if self.display_name else ""
        return f"{name}<{uri}>{self.params}"


_trusted = trusted(NameAddr)


@lru_cache(_SHARED)
def _shared(text: str) -> Params:
    """What a registrar says of its bindings is the same for many of them, such as a lifetime."""
    return Params.read(text) if text else NO_PARAMS


def repeated(text: str, uri: SipUri | OtherUri) -> NameAddr | None:
    """One address whose URI is written as this one, ``None`` if it has to be read.

    Raises:
        ParseError: A quoted string in its parameters is not closed.
    """
    usual = f"<{uri.text}>"
    if not text.startswith(usual):
        return None
    rest = text[len(usual) :]
    plain = (not rest or rest[0] == ";") and len(rest) <= _USUAL_LENGTH and rest.isprintable()
    return _trusted(uri, None, _shared(rest)) if plain else None


def parse_address(text: str) -> NameAddr:
    """Read an address where ``*`` has no meaning, which is everywhere but in a Contact.

    Raises:
        ParseError: As `NameAddr.parse`, and for ``*``.
    """
    address = NameAddr.parse(text)
    if address.uri is STAR:
        raise ParseError(text, 0, "an address; '*' stands in a Contact only")
    return address


def _display_name(text: str) -> tuple[str, str, str]:
    """Display name, the bracket if there is one, and what follows it."""
    if text[:1] == '"':
        quoted = leading_quoted(text)
        if quoted is None:
            raise ParseError(hide_password(text), 0, "a closed quoted string")
        rest = text[len(quoted) :].lstrip(BLANKS)
        if rest[:1] != "<":
            raise ParseError(hide_password(text), len(text) - len(rest), "'<' behind the display name")
        return unquote(quoted), "<", rest[1:]
    name, bracket, rest = text.partition("<")
    # A semicolon first means that the bracket stands in a parameter: sip:a@h;+sip.instance="<urn:uuid:...>".
    return ("", "", "") if not bracket or ";" in name else (name.rstrip(BLANKS), bracket, rest)
