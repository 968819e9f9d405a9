"""What the settings of an account are read and checked by, one value at a time (floor 2)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from aiosipreg.checks import shares
from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire import NameAddr, Params, SipUri, is_token
from aiosipreg.wire.grammar import MAX_SECONDS, check_text, parse_quality
from aiosipreg.wire.host import parse_ip
from aiosipreg.wire.params import NO_PARAMS
from aiosipreg.wire.uri import hide_password

__all__ = [
    "bare", "read_contact", "read_contact_params", "read_contact_uri_params", "read_expires", "read_headers",
    "read_hosts", "read_identity", "read_instance_id", "read_items", "read_route", "read_tags", "read_text", "read_uri",
    "read_window",
]  # fmt: skip

# SEC-13: these are the machine's own; a second one would change what the request means.
_RESERVED_HEADERS = frozenset({
    "via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "max-forwards", "contact", "m", "expires",
    "content-length", "l", "authorization", "proxy-authorization", "route", "supported", "k", "user-agent",
})  # fmt: skip

# `action` is a parameter of RFC 2543 that is never sent any more (REG-7).
_RESERVED_CONTACT_PARAMS = frozenset({"expires", "+sip.instance", "reg-id", "pub-gruu", "temp-gruu", "action"})

_SCHEMES = ("sip:", "sips:")
# Thousands of accounts have their domain in common.
_HOSTS = 256

# RFC 3261 19.1.1 table 1: components that make no sense in a Contact, or that the flow decides (URI-12).
_RESERVED_CONTACT_URI_PARAMS = frozenset({"lr", "method", "transport", "maddr", "ttl"})


def read_text(name: str, value: object) -> str:
    """Text that says something and fits on one line (SEC-11)."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(name, value, "text that is not empty")
    return check_text(name, value)


def read_items(name: str, value: Iterable[Any]) -> tuple[Any, ...]:
    """Several values; one text is not several letters."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise ConfigError(name, value, "a tuple")
    return tuple(value)


def read_uri(name: str, value: object) -> SipUri:
    """A sip or sips URI, or a host that stands for one; never with a password."""
    if not isinstance(value, (str, SipUri)):
        raise ConfigError(name, value, "a sip or sips URI")
    text = str(value)
    # Whatever is wrong with it, a password in it is not shown.
    named = text.startswith(_SCHEMES) or text.lstrip().lower().startswith(_SCHEMES)
    whole = text if named else f"sip:{text}"
    try:
        uri = SipUri.parse(check_text(name, whole))
    except (ParseError, ConfigError) as error:
        raise ConfigError(name, _shown(text, whole), f"a sip or sips URI: {error.expected}") from None
    if uri.password is not None:
        expected = "a URI without password, which belongs into an AuthInfo"
    elif uri.secure and (uri.params.get("transport") or "").lower() == "udp":
        expected = "a sips URI without transport=udp: sips needs TLS"
    elif _is_multicast(uri.host) or (uri.params and _is_multicast(uri.params.get("maddr") or "")):
        expected = "a server of its own: registration by multicast is not built"
    else:
        return uri
    raise ConfigError(name, _shown(text, whole), expected)


def _shown(text: str, whole: str) -> str:
    return hide_password(whole).removeprefix(whole.removesuffix(text))


@lru_cache(_HOSTS)
def _is_multicast(host: str) -> bool:
    address = parse_ip(host) if host else None
    return address is not None and ipaddress.ip_address(address).is_multicast


def read_identity(name: str, value: object) -> SipUri:
    """An address-of-record, also with a display name around it."""
    uri = read_uri(name, _address(name, value).uri if isinstance(value, str) and "<" in value else value)
    if uri.user is None:
        raise ConfigError(name, str(value), "a URI with a user part, such as sip:alice@example.org")
    return uri


def _address(name: str, text: str) -> NameAddr:
    try:
        return NameAddr.parse(check_text(name, text))
    except (ParseError, ConfigError) as error:
        raise ConfigError(name, hide_password(text), f"a sip or sips URI: {error.expected}") from None


def bare(uri: SipUri) -> SipUri:
    """The URI without what does not belong into an address-of-record (URI-12)."""
    if uri.port is None and uri.params is NO_PARAMS is uri.headers:
        return uri
    return uri.replace(port=None, params=NO_PARAMS, headers=NO_PARAMS)


def read_contact(value: object, aor: SipUri) -> NameAddr:
    """A further Contact for ``aor``."""
    if not isinstance(value, str | NameAddr):
        raise ConfigError("extra_contacts", value, "Contacts, as text or NameAddr")
    entry = _address("extra_contacts", value) if isinstance(value, str) else value
    if entry.is_star:
        raise ConfigError("extra_contacts", "*", "Contacts; all bindings are removed by clear_bindings()")
    if aor.secure and not (isinstance(entry.uri, SipUri) and entry.uri.secure):
        raise ConfigError("extra_contacts", str(entry), "a sips URI, because the identity is one")
    read_contact_params({name: text for name, text in entry.params.items() if name.lower() != "expires"})
    if "expires" in entry.params and not entry.expires:
        raise ConfigError("extra_contacts", str(entry), "an `expires` of 1 or more seconds, or none")
    return entry


def read_route(name: str, value: object, *, loose: bool, secure: bool) -> str:
    """A proxy, of a sips account if ``secure``; with ``lr`` added to it if it is to be a loose router (REG-30)."""
    if isinstance(value, str) and value[:1] == "<" and value[-1:] == ">":
        value = value[1:-1]
    uri = read_uri(name, value)
    if secure and not uri.secure and (uri.params.get("transport") or "").lower() == "ws":
        raise ConfigError(name, str(uri), "a sips URI or transport=wss, because the account is sips")
    # One that forgot to say so would become the Request-URI.
    return str(uri if "lr" in uri.params or not loose else uri.replace(params={**uri.params, "lr": None}))


def read_contact_params(value: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Parameters of the Contact header."""
    params = _param_map("contact_params", value, _RESERVED_CONTACT_PARAMS)
    if "q" in params and parse_quality(params["q"] or "") is None:
        raise ConfigError("contact_params[q]", params["q"], "0 to 1 with at most three decimals")
    return params


def read_contact_uri_params(value: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Parameters of the URI in the Contact."""
    return _param_map("contact_uri_params", value, _RESERVED_CONTACT_URI_PARAMS)


def _param_map(name: str, value: Mapping[str, str | None], reserved: frozenset[str]) -> Mapping[str, str | None]:
    if not isinstance(value, Mapping):
        raise ConfigError(name, value, "a mapping of names to texts, or to None")
    for key, text in value.items():
        if not isinstance(key, str) or not is_token(key) or key.lower() in reserved:
            raise ConfigError(name, key, "a parameter name that the framework does not set itself")
        if text is not None:
            read_text(f"{name}[{key}]", text)
    if len({key.lower() for key in value}) < len(value):
        raise ConfigError(name, dict(value), "each parameter once, in whatever letters")
    return value if isinstance(value, Params) else Params(value)


def _read_header(entry: object) -> tuple[str, str]:
    """A header of the application (SEC-13)."""
    if not isinstance(entry, tuple | list) or len(entry) != 2:
        raise ConfigError("headers", entry, "pairs of name and value")
    name, value = entry
    if not isinstance(name, str) or not is_token(name) or name.lower() in _RESERVED_HEADERS:
        raise ConfigError("headers", name, "a header name that the framework does not set itself")
    return name, read_text(f"headers[{name}]", value)


def read_tags(value: Iterable[str]) -> tuple[str, ...]:
    """Option tags."""
    tags = read_items("supported", value)
    for tag in tags:
        if not isinstance(tag, str) or not is_token(tag):
            raise ConfigError("supported", tag, "option tags, such as path")
    return tags


def read_expires(name: str, value: object) -> int:
    """The wished lifetime."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SECONDS:
        raise ConfigError(name, value, "a whole number of seconds, 1 to 4294967295")
    return value


def read_instance_id(name: str, value: object) -> str:
    """A URN for ``+sip.instance`` (OUTB-1)."""
    if not re.fullmatch(r"urn:[^\s<>\"]+", text := read_text(name, value)):
        raise ConfigError(name, value, 'a URN such as "urn:uuid:..."')
    return text


def read_window(name: str, value: tuple[float, float]) -> tuple[float, float]:
    """Shares of the lifetime, before its end."""
    if shares(name, value)[1] == 1:
        raise ConfigError(name, value, "two shares with 0 < low <= high < 1")
    return value


def read_hosts(name: str, value: Iterable[str]) -> tuple[str, ...]:
    """Hosts, which are not looked up."""
    return tuple(read_text(name, host) for host in read_items(name, value))


def read_headers(name: str, value: Iterable[object]) -> tuple[tuple[str, str], ...]:
    """Headers of the application."""
    return tuple(_read_header(entry) for entry in read_items(name, value))
