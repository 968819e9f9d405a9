"""SIP and SIPS URIs, and what we need of other schemes (RFC 3261 section 19.1, RFC 3966)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias
from urllib.parse import quote as percent_encode
from urllib.parse import unquote as percent_decode

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.grammar import check_text, trusted
from aiosipreg.wire.host import check_host, check_port, format_host, parse_hostport
from aiosipreg.wire.params import NO_PARAMS, Params, as_params

__all__ = ["OtherUri", "SipUri", "hide_password", "parse_uri"]

_Values: TypeAlias = Mapping[str, str | None]

MAX_LENGTH: Final = 4096
MAX_PARAMS: Final = 50

# Blanks and control characters have no place in a URI; angle brackets would end the header value around it.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_SEPARATORS = re.compile(r"[-.()]")
# The form of nearly every address-of-record and Contact.
_USUAL = re.compile(r"(sips?):([A-Za-z0-9+._-]++)@([A-Za-z0-9.:_-]++)")
# The same text for all URIs.
_SCHEMES: Final = {"sip": "sip", "sips": "sips"}
_PASSWORD = re.compile(r":[^:@]*+:[^@]*+@")
_MARK = "-_.!~*'()"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" + _MARK)
# RFC 3261 section 19.1.2: every part of a URI has its own set of characters that need no escape (URI-2).
_USER_SAFE: Final = _MARK + "&=+$,;?/"
_escape_user = partial(percent_encode, safe=_USER_SAFE, errors="surrogateescape")
_escape_password = partial(percent_encode, safe=_MARK + "&=+$,", errors="surrogateescape")
_escape_param = partial(percent_encode, safe=_MARK + "[]/:&+$", errors="surrogateescape")
_escape_header = partial(percent_encode, safe=_MARK + "[]/?:+$", errors="surrogateescape")
_ONE_SIDED: Final = ("user", "ttl", "method", "maddr", "transport")
_TEL_FIRST: Final = {"isub": 0, "postd": 1}


@dataclass(frozen=True, slots=True, eq=False)
class SipUri:
    """A SIP or SIPS URI.

    Attributes:
        scheme: ``sip`` or ``sips``.
        user: User part with escapes undone (``j%40s0n`` is ``j@s0n``), or ``None``. What needs an escape gets it when
            the URI is printed.
        host: Name as sent, or IP literal in canonical form; an IPv6 address has no brackets here.
        port: 1 to 65535, or ``None`` when it is not given, which differs from the default port (URI-6).
        params: URI parameters, escapes undone; ``None`` for one without value.
        headers: The part after ``?``, escapes undone; values of a name that occurs twice are joined with a comma.
        password: Password with escapes undone, or ``None``.
        text: What ``str()`` gives.

    ``str()`` gives a parsed URI exactly as it was sent. Two URIs are equal by RFC 3261 section 19.1.4, which is not
    transitive (URI-8): search a list pairwise for an equal one, do not collect URIs in a set.

    Raises:
        ConfigError: A part that no SIP URI can have, or control characters (SEC-11).
    """

    scheme: str
    user: str | None
    host: str
    port: int | None = None
    params: Mapping[str, str | None] = NO_PARAMS
    headers: Mapping[str, str | None] = NO_PARAMS
    password: str | None = field(default=None, repr=False)
    text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        place = _checked(self.scheme, self.host, self.port, self.params, self.headers)
        for name, value in zip(_PLACE, place, strict=True):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "text", _print(_userinfo(self.user, self.password), *place))

    @classmethod
    def parse(cls, text: str) -> SipUri:
        """Read a URI.

        Raises:
            ParseError: It is no SIP or SIPS URI, is longer than 4096 characters, or has more than 50 parameters.
        """
        if len(text) > MAX_LENGTH:
            raise ParseError(hide_password(text), MAX_LENGTH, f"a URI of at most {MAX_LENGTH} characters")
        if usual := _USUAL.fullmatch(text):
            scheme, user, place = usual.groups()
            host, port = parse_hostport(place)
            return _trusted(_SCHEMES[scheme], user, host, port, NO_PARAMS, NO_PARAMS, None, text)
        if found := _FORBIDDEN.search(text):
            raise ParseError(hide_password(text), found.start(), "no blank, control character or angle bracket")
        scheme, colon, _ = text.partition(":")
        scheme = _SCHEMES.get(scheme.lower(), "") if colon else ""
        if not scheme:
            raise ParseError(hide_password(text), 0, "a URI that begins with sip: or sips:")
        userinfo, hostport, params, headers = _parts(text)
        user = password = None
        if userinfo is not None:
            user, password = _credentials(text, userinfo)
        host, port = parse_hostport(hostport)
        return _trusted(
            scheme,
            user,
            host,
            port,
            _params(params) if params else NO_PARAMS,
            _headers(headers) if headers else NO_PARAMS,
            password,
            text,
        )

    @property
    def secure(self) -> bool:
        """Whether it is a SIPS URI."""
        return self.scheme == "sips"

    @property
    def is_sip(self) -> bool:
        """Always true, as opposed to `OtherUri`."""
        return True

    def bare(self) -> SipUri:
        """The same URI without parameters and headers; the port is kept."""
        return self.replace(params=NO_PARAMS, headers=NO_PARAMS) if self.params or self.headers else self

    def replace(self, **changes: Any) -> SipUri:
        """A copy with other values in some fields; user and password keep the escapes they were sent with.

        Raises:
            ConfigError: A value that no SIP URI can have.
        """
        if "user" in changes or "password" in changes:
            return dataclasses.replace(self, **changes)
        kept = {"scheme": self.scheme, "host": self.host, "port": self.port, "params": self.params}
        return self.at(**{**kept, "headers": self.headers, **changes})

    def at(
        self, scheme: str, host: str, port: int | None, params: _Values = NO_PARAMS, headers: _Values = NO_PARAMS
    ) -> SipUri:
        """A URI of the same user, who keeps the escapes and the password that were sent, at another place.

        Raises:
            ConfigError: A value that no SIP URI can have.
        """
        scheme, host, port, params, headers = place = _checked(scheme, host, port, params, headers)
        # `sip:a%3Bb@h` is not `sip:a;b@h` (GRM-48), so the user part must not be decoded and escaped again.
        userinfo, at, _ = self.text.partition(":")[2].partition("@")
        text = _print(userinfo if at else None, *place)
        return _trusted(scheme, self.user, host, port, params, headers, self.password, text)

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SipUri):
            return NotImplemented
        return self.text == other.text or _equal(self, other)

    def __hash__(self) -> int:
        # Only what two equal URIs must share; which parameters may differ depends on the other URI.
        return hash((self.scheme, self.user, self.host.lower()))


_trusted = trusted(SipUri)


_Place: TypeAlias = tuple[str, str, int | None, Params, Params]
_PLACE: Final = ("scheme", "host", "port", "params", "headers")


def _checked(scheme: str, host: str, port: int | None, params: _Values, headers: _Values) -> _Place:
    if scheme not in _SCHEMES:
        raise ConfigError("scheme", scheme, "'sip' or 'sips'")
    check_port("port", port)
    return scheme, check_host("host", host), port, as_params(params), as_params(headers)


def _print(userinfo: str | None, scheme: str, host: str, port: int | None, params: Params, headers: Params) -> str:
    at = "" if userinfo is None else f"{userinfo}@"
    place = format_host(host) if port is None else f"{format_host(host)}:{port}"
    tail = "".join([f";{_pair(_escape_param, *item)}" for item in params.items()]) if params else ""
    if headers:
        tail += "?" + "&".join([_pair(_escape_header, name, value or "") for name, value in headers.items()])
    return f"{scheme}:{at}{place}{tail}"


def _userinfo(user: str | None, password: str | None) -> str | None:
    if user is None and password is None:
        return None
    if not user:
        raise ConfigError("user", user, "a user name, or None for both user and password")
    text = _escape_user(check_text("user", user))
    if password is None:
        return text
    try:
        return f"{text}:{_escape_password(check_text('password', password))}"
    except ConfigError as error:
        raise ConfigError("password", "(hidden)", error.expected) from None


def hide_password(text: str) -> str:
    """The beginning of a text that holds a URI, for an error message: the password is masked."""
    return _PASSWORD.sub(":(hidden)@", text[:256], count=1)


def _parts(text: str) -> tuple[str | None, str, str, str]:
    """Userinfo, host with port, parameters and headers, all as sent."""
    rest = text[text.index(":") + 1 :]
    # A user part may hold ';' and '?' (GRM-46), so the first '@' comes before everything else.
    userinfo, at, address = rest.partition("@")
    address, _, headers = (address if at else rest).partition("?")
    hostport, _, params = address.partition(";")
    return userinfo if at else None, hostport, params, headers


def _credentials(text: str, userinfo: str) -> tuple[str, str | None]:
    user, colon, password = userinfo.partition(":")
    if not user or ":" in password:
        raise ParseError(hide_password(text), text.index(":") + 1, "a user name, and no colon in the password")
    return _decode(user), _decode(password) if colon else None


def _decode(text: str) -> str:
    return percent_decode(text, errors="surrogateescape") if "%" in text else text


def _pair(escape: partial[str], name: str, value: str | None) -> str:
    return escape(name) if value is None else f"{escape(name)}={escape(value)}"


def _params(text: str) -> Params:
    values: dict[str, str | None] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not name and not equals:
            continue  # A stray semicolon harms nobody.
        name = _decode(name).lower()
        if not name or name in values or len(values) == MAX_PARAMS:
            raise ParseError(text, text.find(part), f"at most {MAX_PARAMS} parameters, each of them named and once")
        values[name] = _decode(value) if equals else None
    return Params.of(values)


def _headers(text: str) -> Params:
    values: dict[str, list[str]] = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if name:
            values.setdefault(_decode(name).lower(), []).append(_decode(value))
    return Params.of({name: ", ".join(parts) for name, parts in values.items()})


def _canonical(text: str) -> str:
    """The text with escapes of plain characters undone and all others in upper case (URI-5, GRM-48)."""
    return _ESCAPE.sub(_canonical_escape, text) if "%" in text else text


def _canonical_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _PLAIN else match[0].upper()


def _equal(one: SipUri, other: SipUri) -> bool:
    if (one.scheme, one.port, one.host.lower()) != (other.scheme, other.port, other.host.lower()):
        return False
    if (one.user, one.password) != (other.user, other.password):
        return False
    one_parts, other_parts = _parts(str(one)), _parts(str(other))
    if _canonical(one_parts[0] or "") != _canonical(other_parts[0] or ""):
        return False
    ours, theirs = _comparable(one_parts[2], ";"), _comparable(other_parts[2], ";")
    if any(ours[name] != theirs[name] for name in ours.keys() & theirs.keys()):
        return False
    if any((name in ours) != (name in theirs) for name in _ONE_SIDED):
        return False
    return _comparable(one_parts[3], "&") == _comparable(other_parts[3], "&")


def _comparable(text: str, separator: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for part in _canonical(text).lower().split(separator):
        name, _, value = part.partition("=")
        if name:
            values.setdefault(name, []).append(value)
    return values


@dataclass(frozen=True, slots=True, eq=False)
class OtherUri:
    """A URI of another scheme: ``tel:``, ``urn:``, ``mailto:``. It is kept and compared, never resolved (GRM-53).

    Attributes:
        text: The URI as sent; ``*`` is the wildcard of a Contact header (RFC 3261 section 10.2.2), whose scheme is "".

    A tel URI equals another by RFC 3966 section 4: without visual separators, letter case and order of parameters. A
    URN equals another by RFC 8141, with hex digits of a UUID in any case. Other schemes compare as text.

    Raises:
        ConfigError: The text has no scheme, or blanks, control characters or angle brackets.
    """

    text: str

    def __post_init__(self) -> None:
        check_text("uri", self.text)
        scheme, _, rest = self.text.partition(":")
        if self.text != "*" and (not rest or not _SCHEME.fullmatch(scheme) or _FORBIDDEN.search(rest)):
            raise ConfigError("uri", self.text, "a scheme, a colon and text without blanks")

    @classmethod
    def parse(cls, text: str) -> OtherUri:
        """Read a URI of any scheme; ``*`` is none.

        Raises:
            ParseError: The text is no URI or longer than 4096 characters.
        """
        if len(text) > MAX_LENGTH or text == "*":
            raise ParseError(text, 0, f"a URI of at most {MAX_LENGTH} characters")
        try:
            return cls(text)
        except ConfigError as error:
            raise ParseError(text, 0, error.expected) from None

    @property
    def scheme(self) -> str:
        """The scheme in lower case."""
        scheme, colon, _ = self.text.partition(":")
        return scheme.lower() if colon else ""

    @property
    def is_sip(self) -> bool:
        """Always false, as opposed to `SipUri`."""
        return False

    def to_sip(self, host: str) -> SipUri:
        """The SIP URI by which a domain is asked for a telephone number (RFC 3261 section 19.1.6, URI-14).

        Equal numbers give equal URIs as far as that can be: letters are lower case and parameters have one order.

        Args:
            host: The domain, or an IP address.

        Raises:
            ConfigError: It is no tel URI with a number, or the host is none.
            ParseError: The result would be longer than 4096 characters.
        """
        number, *params = self.text[4:].lower().split(";")
        if self.scheme != "tel" or not number:
            raise ConfigError("uri", self.text, "a tel URI with a number")
        params.sort(key=lambda param: (_TEL_FIRST.get(param.partition("=")[0], len(_TEL_FIRST)), param))
        subscriber = ";".join([number, *filter(None, params)])
        # What is escaped already stays so; a `#` or `:` has to be.
        user = percent_encode(subscriber, safe=_USER_SAFE + "%")
        return SipUri.parse(f"sip:{user}@{format_host(check_host('host', host))};user=phone")

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, OtherUri) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, ...]:
        scheme = self.scheme
        rest = self.text.partition(":")[2]
        if scheme == "tel":
            number, *params = rest.lower().split(";")
            return scheme, _SEPARATORS.sub("", number), *sorted(_tel_param(param) for param in params if param)
        if scheme == "urn":
            namespace, _, name = rest.partition(":")
            namespace = namespace.lower()
            return scheme, namespace, name.lower() if namespace == "uuid" else name
        return scheme, rest


def _tel_param(param: str) -> str:
    name, _, value = param.partition("=")
    # RFC 3966 section 4: separators mean nothing in numbers; a phone-context may also be a domain, where they do.
    number = name == "ext" or (name == "phone-context" and value.startswith("+"))
    return f"{name}={_SEPARATORS.sub('', value) if number else value}"


def parse_uri(text: str) -> SipUri | OtherUri:
    """Read a URI of any scheme.

    Raises:
        ParseError: The text is no URI, or a malformed SIP URI.
    """
    return SipUri.parse(text) if text[:5].lower().startswith(("sip:", "sips:")) else OtherUri.parse(text)
