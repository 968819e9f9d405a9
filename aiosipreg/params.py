"""What one account is told to be (floor 2): `ProxyParams`, validated when it is built."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from inspect import iscoroutinefunction
from typing import Any, Self, TypeAlias

from aiosipreg.auth import AuthInfo, AuthProvider
from aiosipreg.checks import shares
from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire import NameAddr, Params, SipUri, is_token

__all__ = ["AuthSource", "ExpiresIn", "NatMode", "ProxyParams", "Redirect", "auth_source"]

AuthSource: TypeAlias = AuthInfo | Iterable[AuthInfo] | AuthProvider | None

LONGEST_EXPIRES = 2**32 - 1

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

# SEC-13: these are the machine's own; a second one would change what the request means.
_RESERVED_HEADERS = frozenset({
    "via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "max-forwards", "contact", "m", "expires",
    "content-length", "l", "authorization", "proxy-authorization", "route", "supported", "k", "user-agent",
})  # fmt: skip

_RESERVED_CONTACT_PARAMS = frozenset({"expires", "+sip.instance", "reg-id", "pub-gruu", "temp-gruu"})

# RFC 3261 19.1.1 table 1: components that make no sense in an address-of-record (URI-12).
_RESERVED_CONTACT_URI_PARAMS = frozenset({"lr", "method", "transport", "maddr", "ttl"})


class ExpiresIn(enum.Enum):
    """Where the wished lifetime is written (REG-8); some registrars read only one of the two places."""

    BOTH = "both"
    CONTACT = "contact"
    HEADER = "header"
    NOWHERE = "nowhere"


class NatMode(enum.Enum):
    """Whether the Contact is corrected to the public address that the registrar saw (NAT-3)."""

    AUTO = "auto"
    OFF = "off"


class Redirect(enum.Enum):
    """How far a registrar may send the account elsewhere (RDR-1)."""

    NEVER = "never"
    SAME_DOMAIN = "same domain"
    """To the registrar's host, below it, or to ``redirect_hosts``."""
    ANY = "any"


def auth_source(field_name: str, source: AuthSource) -> tuple[AuthInfo, ...] | AuthProvider:
    """Bring the three ways of giving credentials to two: a tuple of `AuthInfo`, or one async callable.

    Raises:
        TypeError: A plain function, or something else that cannot be awaited.
    """
    if source is None:
        return ()
    if isinstance(source, AuthInfo):
        return (source,)
    if callable(source):
        call: Callable[..., object] = source
        if not iscoroutinefunction(call) and not iscoroutinefunction(getattr(call, "__call__", None)):  # noqa: B004
            raise TypeError(f"{field_name}: an auth provider must be an `async` function, not a plain one")
        return source
    infos = tuple(source)
    for info in infos:
        if not isinstance(info, AuthInfo):
            raise TypeError(f"{field_name}: expected AuthInfo objects or one async function, got {type(info).__name__}")
    return infos


@dataclass(frozen=True, slots=True)
class ProxyParams:
    """The settings of one account; frozen, and checked when built.

    Attributes:
        identity: The address-of-record, a sip or sips URI with a user part; parameters, port and headers are left
            out of it (URI-12).
        server: The registrar, as host or URI; defaults to the host of the identity, with the port and the transport
            that stand there (REG-1).
        routes: Outbound proxies in order; the REGISTER goes to the first and names all in Route (REG-30).
        register: Whether the account registers.
        expires: The wished lifetime in seconds, 1 to 2**32 - 1.
        realm: Realm to choose credentials for before the first challenge.
        auth: Credentials of this account alone, asked before those of the core: one `AuthInfo`, several, or one
            async callable.
        contact_params: Parameters of the Contact header; ``None`` as value writes the bare name.
        contact_uri_params: Parameters of the URI in the Contact.
        headers: Further headers of each REGISTER, as pairs.
        supported: Option tags of the Supported header; ``None`` for the default, empty for no header.
        instance_id: A URN for ``+sip.instance``, without brackets and quotes.
        nat: Whether the Contact follows the public address that the registrar sees.
        depends_on: ``id`` of the account that must be Ok before this one registers.
        unregister_at_stop: Whether the binding is removed when the core stops.
        ref_key: Free text for the application.
        id: Stable name of the account in its core; random when absent.
        lifetime_in: Where ``expires`` is written.
        strict_binding: Treat an answer that does not list our Contact as a failure (REG-14).
        refresh_window: Two shares of the granted lifetime between which the refresh starts; ``None`` for the rule
            of REG-19.
        retry_403: Try again slowly after 403 instead of stopping.
        redirect: How far a registrar may send the account elsewhere.
        redirect_hosts: Hosts that it may be sent to besides.
        aor: The identity in its clean form, as it stands in To and From (read only).
        registrar: The registrar's URI without user (read only).

    Raises:
        ConfigError: A value cannot work; names the field, the value and what is expected.
        TypeError: ``auth`` is a plain function.
    """

    identity: str | SipUri
    _: KW_ONLY
    server: str | SipUri | None = None
    routes: tuple[str, ...] = ()
    register: bool = True
    expires: int = 3600
    realm: str | None = None
    auth: AuthSource = field(default=None, hash=False)
    contact_params: Mapping[str, str | None] = field(default_factory=Params)
    contact_uri_params: Mapping[str, str | None] = field(default_factory=Params)
    headers: tuple[tuple[str, str], ...] = ()
    supported: tuple[str, ...] | None = None
    instance_id: str | None = None
    nat: NatMode = NatMode.AUTO
    depends_on: str | None = None
    unregister_at_stop: bool = True
    ref_key: str | None = None
    id: str | None = None
    lifetime_in: ExpiresIn = ExpiresIn.BOTH
    strict_binding: bool = False
    refresh_window: tuple[float, float] | None = None
    retry_403: bool = False
    redirect: Redirect = Redirect.SAME_DOMAIN
    redirect_hosts: tuple[str, ...] = ()
    aor: SipUri = field(init=False, repr=False, compare=False)
    registrar: SipUri = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, value in _checked(self).items():
            object.__setattr__(self, name, value)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked like a new one.

        Raises:
            ConfigError: A value cannot work.
            TypeError: There is no such field.
        """
        return replace(self, **changes)


SETTABLE = tuple(entry.name for entry in fields(ProxyParams) if entry.init)
"""The fields that a draft can change."""


def _checked(params: ProxyParams) -> dict[str, object]:
    """Every field of ``params`` in its final form."""
    given = _identity(params.identity)
    aor = given.replace(password=None, port=None, params={}, headers={})
    # Without a server the identity says where to register: its host, and a port or transport that were written there.
    server = given if params.server is None else _sip_uri("server", params.server)
    registrar = server.replace(user=None, password=None, headers={})
    if aor.secure and not registrar.secure:
        raise ConfigError("server", str(registrar), "a sips URI, because the identity is one (RFC 5630)")
    _check_scalars(params)
    auth = auth_source("auth", params.auth)
    return {
        "aor": aor,
        "registrar": registrar,
        "identity": str(params.identity),
        "server": None if params.server is None else str(params.server),
        "auth": auth or None,
        "routes": tuple(_route(route) for route in _items("routes", params.routes)),
        "contact_params": _param_map("contact_params", params.contact_params, _RESERVED_CONTACT_PARAMS),
        "contact_uri_params": _param_map("contact_uri_params", params.contact_uri_params, _RESERVED_CONTACT_URI_PARAMS),
        "headers": tuple(_header(name, value) for name, value in params.headers),
        "supported": _tags(params.supported),
        "redirect_hosts": tuple(
            _plain("redirect_hosts", host) for host in _items("redirect_hosts", params.redirect_hosts)
        ),
    }


def _check_scalars(params: ProxyParams) -> None:
    expires = params.expires
    if isinstance(expires, bool) or not isinstance(expires, int) or not 1 <= expires <= LONGEST_EXPIRES:
        raise ConfigError("expires", expires, "a whole number of seconds, 1 to 4294967295")
    for name in ("realm", "depends_on", "ref_key", "id", "instance_id"):
        if getattr(params, name) is not None:
            _plain(name, getattr(params, name))
    if params.instance_id is not None and not re.fullmatch(r"urn:[^\s<>\"]+", params.instance_id):
        raise ConfigError("instance_id", params.instance_id, 'a URN such as "urn:uuid:..."')
    for name, kind in (("nat", NatMode), ("lifetime_in", ExpiresIn), ("redirect", Redirect)):
        if not isinstance(getattr(params, name), kind):
            raise ConfigError(name, getattr(params, name), f"a member of {kind.__name__}")
    if params.refresh_window is not None:
        _check_window(params.refresh_window)


def _check_window(window: tuple[float, float]) -> None:
    if shares("refresh_window", window)[1] == 1:
        raise ConfigError("refresh_window", window, "two shares with 0 < low <= high < 1")


def _plain(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or _CONTROL.search(value):
        raise ConfigError(name, value, "text without control characters or line breaks")
    return value


def _items(name: str, value: Iterable[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        raise ConfigError(name, value, "a tuple of texts, not one text")
    return tuple(value)


def _sip_uri(name: str, value: str | SipUri) -> SipUri:
    if isinstance(value, SipUri):
        return value
    text = _plain(name, value)
    if not text.lower().startswith(("sip:", "sips:")):
        text = f"sip:{text}"
    try:
        uri = SipUri.parse(text)
    except ParseError as error:
        raise ConfigError(name, value, f"a sip or sips URI ({error})") from error
    if uri.secure and (uri.params.get("transport") or "").lower() == "udp":
        raise ConfigError(name, value, "a sips URI without transport=udp: sips needs TLS (RFC 5630)")
    if "maddr" in uri.params and (uri.params["maddr"] or "").startswith("224."):
        raise ConfigError(name, value, "a registrar of its own: registration by multicast is not built (REG-39)")
    return uri


def _identity(value: str | SipUri) -> SipUri:
    if isinstance(value, str) and "<" in value:
        try:
            address = NameAddr.parse(_plain("identity", value)).uri
        except ParseError as error:
            raise ConfigError("identity", value, f"a sip or sips URI with a user ({error})") from error
        if not isinstance(address, SipUri):
            raise ConfigError("identity", value, "a sip or sips URI with a user")
        value = address
    uri = _sip_uri("identity", value)
    if not uri.user:
        raise ConfigError("identity", str(value), "a URI with a user part, such as sip:alice@example.org")
    return uri


def _route(value: str) -> str:
    uri = _sip_uri("routes", value.strip().removeprefix("<").removesuffix(">"))
    # REG-30: an outbound proxy is a loose router; one that forgot to say so would become the Request-URI.
    return str(uri if "lr" in uri.params else uri.replace(params={**uri.params, "lr": None}))


def _param_map(name: str, value: Mapping[str, str | None], reserved: frozenset[str]) -> Mapping[str, str | None]:
    for key, text in value.items():
        if key.lower() in reserved or not is_token(key):
            raise ConfigError(name, key, "a parameter name that the framework does not set itself")
        if text is not None:
            _plain(f"{name}[{key}]", text)
    return Params(value)


def _header(name: str, value: str) -> tuple[str, str]:
    if not is_token(name) or name.lower() in _RESERVED_HEADERS:
        raise ConfigError("headers", name, "a header name that the framework does not set itself (SEC-13)")
    return name, _plain(f"headers[{name}]", value)


def _tags(value: Iterable[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    tags = _items("supported", value)
    for tag in tags:
        if not is_token(tag):
            raise ConfigError("supported", tag, "option tags, such as path")
    return tags
