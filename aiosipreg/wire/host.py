"""Hosts and ports, as URIs and Via share them (RFC 3261 section 25.1, RFC 5954)."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.grammar import BLANKS

__all__ = [
    "check_host",
    "check_port",
    "format_host",
    "parse_host",
    "parse_hostport",
    "parse_ip",
    "parse_port",
    "plain_name",
]

# Underscores are no host name characters, but servers have them (GRM-49). The trailing dot makes a name absolute.
NAME: Final = r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)*+\.?"
_NAME = re.compile(NAME)
_NAME_AND_PORT = re.compile(rf"({NAME}):([1-9][0-9]{{0,4}})")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_MAPPED = 0xFFFF
# The hosts that messages name are few: the registrar and ourselves.
_PLACES: Final = 256


def parse_port(text: str) -> int | None:
    """A port, 1 to 65535 (GRM-51); ``None`` if the text is none."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    return port if 0 < len(digits) <= 5 and (port := int(digits)) <= 65535 else None


@lru_cache(_PLACES)
def parse_ip(text: str) -> str | None:
    """An IP literal, with or without brackets, in canonical form without them (RFC 5952); ``None`` if it is none.

    The triple colon before a dotted quad, which the grammar of RFC 3261 allowed by mistake, is read as two (RFC 5118
    section 4.10).
    """
    if text[:1] == "[" and text[-1:] == "]":
        text = text[1:-1]
    if ":" not in text:
        return text if _IPV4.fullmatch(text) else None
    if "%" in text:
        return None
    try:
        address = IPv6Address(text.replace(":::", "::", 1) if "." in text else text)
    except ValueError:
        return None
    # RFC 5952 section 5 writes the mapped form with a dotted quad; the standard library does so from 3.13 on only.
    value = int(address)
    return f"::ffff:{IPv4Address(value & 0xFFFFFFFF)}" if value >> 32 == _MAPPED else str(address)


def parse_host(text: str) -> str:
    """A host name as sent, or an IP literal in canonical form without brackets.

    Raises:
        ParseError: It is neither; an IPv6 literal without brackets is neither, too (GRM-50).
    """
    if _NAME.fullmatch(text):
        return text
    if text[:1] == "[" and text[-1:] == "]" and ":" in text:
        address = parse_ip(text)
        if address is not None:
            return address
    raise ParseError(text, 0, "a host name, an IPv4 address or an IPv6 address in brackets")


def plain_name(name: str) -> str:
    """A domain name as all its spellings are compared: in lower case, without the dot that makes it absolute."""
    return name.lower().removesuffix(".")


@lru_cache(_PLACES)
def check_host(field: str, text: str) -> str:
    """A host that was given, with or without brackets, as `parse_host` returns it.

    Raises:
        ConfigError: It is no host name and no IP address.
    """
    try:
        return parse_ip(text) or parse_host(text)
    except ParseError as error:
        raise ConfigError(field, text, error.expected) from None


def check_port(field: str, port: int | None) -> None:
    """Refuse what is no port.

    Raises:
        ConfigError: The number is not from 1 to 65535.
    """
    if port is not None and not 1 <= port <= 65535:
        raise ConfigError(field, port, "a port from 1 to 65535, or None")


@lru_cache(_PLACES)
def parse_hostport(text: str) -> tuple[str, int | None]:
    """Host and port, ``None`` when there is no port; blanks may stand around the colon, as in Via (GRM-13).

    Raises:
        ParseError: The host is none, or the port is not a number from 1 to 65535.
    """
    usual = _NAME_AND_PORT.fullmatch(text)
    if usual is not None and (number := int(usual[2])) <= 65535:
        return usual[1], number
    bracket = text.rfind("]")
    colon = text.find(":", bracket + 1)
    if colon < 0:
        return parse_host(text), None
    port = parse_port(text[colon + 1 :].strip(BLANKS))
    if port is None:
        raise ParseError(text, colon + 1, "a port from 1 to 65535")
    return parse_host(text[:colon].rstrip(BLANKS)), port


def format_host(host: str) -> str:
    """The host as it stands in a URI or in Via: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host
