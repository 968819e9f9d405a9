"""Texts of the file to the values that our settings take (floor 3).

What cannot be read raises `ConfigError`. Its ``expected`` is all that may be told: the text may hold a password.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiosipreg.engine.timers import RetryPolicy
from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.params import NatMode
from aiosipreg.wire import NameAddr, SipUri

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "address",
    "addresses",
    "flag",
    "header_params",
    "identity",
    "instance_id",
    "items",
    "minimum_algorithm",
    "nat_mode",
    "number",
    "printable",
    "retry_base",
    "udp_port",
    "uri_params",
    "window",
]

_NUMBER = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]{1,16})|(0[0-7]{0,20})|([1-9][0-9]{0,18}))")
_WINDOW = re.compile(r"([0-9]{1,3})[ \t]*-[ \t]*([0-9]{1,3})")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _unfit(expected: str) -> ConfigError:
    return ConfigError("", "(hidden)", expected)


def number(text: str) -> int:
    """A number as C's ``%i`` reads it: decimal, ``0x...`` or, with a leading zero, octal."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise _unfit("a whole number")
    sign, hexadecimal, octal, decimal = match.groups()
    value = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    return -value if sign == "-" else value


def flag(text: str) -> bool:
    """0 for no; any other number for yes."""
    return number(text) != 0


def items(text: str) -> tuple[str, ...]:
    """A list with commas."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


def printable(text: str) -> str:
    """Text that may stand in a header."""
    if not text.isprintable():
        raise _unfit("text without control characters")
    return text


def address(text: str) -> str:
    """The URI of an address, which may have brackets and a display name; ``sip:`` may be missing."""
    try:
        if "<" in text:
            name_addr = NameAddr.parse(text)
            if name_addr.params:
                raise _unfit("nothing behind the address in brackets")
            text = str(name_addr.uri)
        SipUri.parse(text if text[:5].lower().startswith(("sip:", "sips:")) else f"sip:{text}")
    except ParseError as error:
        raise _unfit(error.expected) from None
    return text


def identity(text: str) -> str:
    """An address as it stands, display name included."""
    address(text)
    return text


def addresses(text: str) -> tuple[str, ...]:
    """A list of addresses; liblinphone, too, splits it at every comma."""
    return tuple(address(item) for item in items(text))


def one(text: str) -> tuple[str, ...]:
    """The whole text as the only one of a list."""
    return (text,)


def header_params(text: str) -> Mapping[str, str | None]:
    """Header parameters, as ``a=b;c``."""
    try:
        return NameAddr.parse(f"<sip:x>;{text}").params
    except ParseError as error:
        raise _unfit(error.expected) from None


def uri_params(text: str) -> Mapping[str, str | None]:
    """Parameters of a URI, as ``a=b;c``."""
    try:
        uri = SipUri.parse(f"sip:x@x;{text}")
    except ParseError as error:
        raise _unfit(error.expected) from None
    if uri.headers:
        raise _unfit("parameters of a URI, without headers")
    return uri.params


def instance_id(text: str) -> str | None:
    """The URN of a UUID; 0 is liblinphone's way to say that there shall be none."""
    if text == "0":
        return None
    if not _UUID.fullmatch(text):
        raise _unfit("a UUID, or 0 for none")
    return f"urn:uuid:{text}"


def window(text: str) -> tuple[float, float]:
    """Two percentages, as ``80-90``, to two shares."""
    match = _WINDOW.fullmatch(text)
    low, high = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 0 < low <= high < 100:
        raise _unfit("two percentages above 0 and below 100, such as 80-90")
    return low / 100, high / 100


def nat_mode(text: str) -> NatMode:
    """A flag: whether the Contact follows the public address."""
    return NatMode.AUTO if flag(text) else NatMode.OFF


def udp_port(text: str) -> int | None:
    """A local port; 0 switches UDP off, any (-1) and none bound (-2) are the same to us."""
    port = number(text)
    return None if port == 0 else 0 if port in (-1, -2) else port


def minimum_algorithm(text: str) -> str:
    """A flag: whether MD5 is allowed."""
    return "MD5" if flag(text) else "SHA-256"


def retry_base(text: str) -> float:
    """Milliseconds to the ``base`` with which no first retry waits longer: `RetryPolicy` doubles it for the first."""
    milliseconds, longest = number(text), int(RetryPolicy().max * 1000)
    if not 1 <= milliseconds <= longest:
        raise _unfit(f"milliseconds, 1 to {longest}")
    return milliseconds / 2000
