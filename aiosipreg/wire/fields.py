"""Values of headers other than addresses and challenges: Via, CSeq, Warning, Retry-After, Security-Server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.grammar import (
    BLANKS,
    TOKEN,
    is_token,
    leading_quoted,
    parse_seconds,
    skip_comment,
    tame,
    trusted,
    unquote,
)
from aiosipreg.wire.host import check_host, check_port, format_host, parse_hostport, parse_ip, parse_port
from aiosipreg.wire.params import NO_PARAMS, Params, header_params

__all__ = ["CSeq", "ParamValue", "Via", "Warning", "parse_retry_after"]

MAX_CSEQ: Final = 2**32 - 1

_FORMS: Final = 256
_USUAL_LENGTH: Final = 256
_CSEQS: Final = 256

_VIA = re.compile(rf"SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*({TOKEN})[ \t]++([^;]++)", re.IGNORECASE)
_CSEQ = re.compile(rf"([0-9]++)[ \t]++({TOKEN})")
_WARNING = re.compile(r"([0-9]{3})[ \t]++([^ \t\"]++)[ \t]++")


@dataclass(frozen=True, slots=True)
class Via:
    """One hop of a message's way (RFC 3261 section 20.42).

    Attributes:
        transport: Transport in upper case (``UDP``); unknown ones are kept (GRM-14).
        host: Host of sent-by as in `SipUri.host`: IPv6 addresses have no brackets here.
        port: Port of sent-by, or ``None``.
        params: All parameters; ``branch``, ``received`` and ``rport`` are read from here. To ask for ``rport``, put
            ``{"rport": None}``.
        branch: The ``branch`` parameter as sent; branches compare without case (GRM-17).

    Raises:
        ConfigError: A part that no Via can have.
    """

    transport: str
    host: str
    port: int | None = None
    params: Mapping[str, str | None] = NO_PARAMS
    branch: str | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not is_token(self.transport):
            raise ConfigError("transport", self.transport, "a token such as 'UDP'")
        check_port("port", self.port)
        object.__setattr__(self, "host", check_host("host", self.host))
        object.__setattr__(self, "params", header_params(self.params))
        object.__setattr__(self, "branch", self.params.get("branch"))

    @classmethod
    def parse(cls, text: str) -> Via:
        """Read one value; blanks may stand around ``/``, ``:``, ``;`` and ``=``, never inside the host (GRM-13).

        Raises:
            ParseError: It is no Via, or of another protocol version.
        """
        before, _, rest = text.partition(";branch=")
        branch, mark, after = rest.partition(";")
        form = _form(before, mark + after) if branch.isalnum() and len(text) <= _USUAL_LENGTH else None
        if form is None:
            return _read_via(text)
        transport, host, port, params = form
        return _trusted_via(transport, host, port, Params.of({**params, "branch": branch}), branch)

    @property
    def received(self) -> str | None:
        """The ``received`` address in canonical form, ``None`` if absent or no IP address (GRM-15)."""
        value = self.params.get("received")
        return parse_ip(value) if value else None

    @property
    def rport(self) -> int | None:
        """The ``rport`` port that the far end saw; ``None`` if absent, empty or out of range (GRM-16)."""
        value = self.params.get("rport")
        return parse_port(value) if value else None

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {format_host(self.host)}{port}{self.params}"


_trusted_via = trusted(Via)


@lru_cache(_FORMS)
def _form(before: str, after: str) -> tuple[str, str, int | None, dict[str, str | None]] | None:
    """What stands around the branch, which is the same in all answers on a flow; ``None`` where that is not plain."""
    text = f"{before};branch={after}"
    # Of two branches the first counts, however it is written.
    if '"' in text or "<" in text or "branch" in before.lower():
        return None
    via = _read_via(text)
    return (via.transport, via.host, via.port, dict(via.params.items())) if via.branch == "" else None


def _read_via(text: str) -> Via:
    text = tame(text).strip(BLANKS)
    match = _VIA.match(text)
    if match is None:
        raise ParseError(text, 0, "SIP/2.0/transport and a host")
    host, port = parse_hostport(match[2].rstrip(BLANKS))
    params = Params.read(text[match.end() :])
    return _trusted_via(match[1].upper(), host, port, params, params.get("branch"))


@dataclass(frozen=True, slots=True)
class CSeq:
    """The number and method of a request (RFC 3261 section 20.16).

    Attributes:
        number: 0 to 2**32 - 1.
        method: The method; letter case counts (GRM-19).

    Raises:
        ConfigError: Number out of range, or the method is no token.
    """

    number: int
    method: str

    def __post_init__(self) -> None:
        if not 0 <= self.number <= MAX_CSEQ:
            raise ConfigError("number", self.number, "a number from 0 to 2**32 - 1")
        if not is_token(self.method):
            raise ConfigError("method", self.method, "a token such as 'REGISTER'")

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Read ``0009 REGISTER``.

        Raises:
            ParseError: It is no number and method, or the number exceeds 2**32 - 1 (MSG-17).
        """
        return _read_cseq(text)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


_trusted_cseq = trusted(CSeq)


@lru_cache(_CSEQS)
def _read_cseq(text: str) -> CSeq:
    """Accounts that began together have come to the same number."""
    match = _CSEQ.fullmatch(text.strip(BLANKS))
    if match is None:
        raise ParseError(text, 0, "a number and a method")
    digits = match[1] if len(match[1]) <= 10 else match[1].lstrip("0")
    if len(digits) > 10 or (number := int(digits or "0")) > MAX_CSEQ:
        raise ParseError(text, 0, "a CSeq number below 2**32")
    return _trusted_cseq(number, match[2])


@dataclass(frozen=True, slots=True)
class Warning:
    """One entry of a Warning header (RFC 3261 section 20.43).

    Attributes:
        code: Three digits.
        agent: Who warns: host, host and port, or a token (GRM-44).
        text: The text without quotes.
    """

    code: int
    agent: str
    text: str

    @classmethod
    def parse(cls, text: str) -> Warning:
        """Read one entry.

        Raises:
            ParseError: It is not a code, an agent and a quoted string.
        """
        text = tame(text).strip(BLANKS)
        match = _WARNING.match(text)
        if match is None or leading_quoted(text[match.end() :]) != text[match.end() :]:
            raise ParseError(text, 0, "a three-digit code, an agent and a quoted text")
        return cls(int(match[1]), match[2], unquote(text[match.end() :]))


@dataclass(frozen=True, slots=True)
class ParamValue:
    """A word with parameters: an entry of Security-Server (RFC 3329) or Feature-Caps (RFC 6809).

    Attributes:
        value: The word, such as ``ipsec-3gpp``; ``*`` in Feature-Caps (GRM-42).
        params: Its parameters.
        text: The entry as sent, for the headers that must repeat it exactly (GRM-41).
    """

    value: str
    params: Mapping[str, str | None]
    text: str

    @classmethod
    def parse(cls, text: str) -> ParamValue:
        """Read one entry.

        Raises:
            ParseError: It does not begin with a token, or a quoted string is not closed.
        """
        text = tame(text).strip(BLANKS)
        value, _, params = text.partition(";")
        if not is_token(value := value.rstrip(BLANKS)):
            raise ParseError(text, 0, "a token")
        return cls(value, Params.read(params), text)


def parse_retry_after(text: str) -> int | None:
    """The seconds of a Retry-After header; ``None`` if it does not follow RFC 3261 section 20.33 (GRM-31).

    A comment, which may nest, and parameters may follow the number; what they say is not used (MSG-19).
    """
    text = text.strip(BLANKS)
    rest = text.lstrip("0123456789")
    seconds = parse_seconds(text[: len(text) - len(rest)])
    rest = rest.lstrip(BLANKS)
    try:
        if rest[:1] == "(":
            rest = skip_comment(rest).lstrip(BLANKS)
    except ParseError:
        return None
    return seconds if not rest or rest[0] == ";" else None
