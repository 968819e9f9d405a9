"""What one account is told to be (floor 2): `ProxyParams`, validated when it is built."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, MISSING, dataclass, field, fields, replace
from functools import lru_cache
from inspect import iscoroutinefunction
from itertools import combinations, compress
from operator import attrgetter, is_not
from typing import Any, Self, TypeAlias

from aiosipreg.auth import AuthInfo, AuthProvider
from aiosipreg.errors import ConfigError
from aiosipreg.settings import TlsParams
from aiosipreg.vetting import (
    bare,
    read_contact,
    read_contact_params,
    read_contact_uri_params,
    read_expires,
    read_headers,
    read_hosts,
    read_identity,
    read_instance_id,
    read_items,
    read_route,
    read_tags,
    read_text,
    read_uri,
    read_window,
)
from aiosipreg.wire import NameAddr, SipUri
from aiosipreg.wire.params import NO_PARAMS

__all__ = ["AuthSource", "ExpiresIn", "NatMode", "ProxyParams", "Redirect", "are_twins", "auth_source"]

AuthSource: TypeAlias = AuthInfo | Iterable[AuthInfo] | AuthProvider | None

_MOST_BACKUPS = 8
_MOST_PROXIES = 8


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
    infos = tuple(source) if isinstance(source, Iterable) else (source,)
    for info in infos:
        if not isinstance(info, AuthInfo):
            raise TypeError(f"{field_name}: expected AuthInfo objects or one async function, got {type(info).__name__}")
    return infos


@dataclass(frozen=True, slots=True)
class ProxyParams:
    """The settings of one account; frozen, and checked when built.

    Attributes:
        identity: The address-of-record, a sip or sips URI with a user part; display name, parameters, port and headers
            are left out of it (URI-12). A password does not belong there: give it as `AuthInfo`.
        server: The registrar, as host or URI; defaults to the host of the identity, with the port and the transport
            that stand there (REG-1).
        backup_servers: Up to eight further registrars for the account, tried in their order while none before them can
            be found, or answers, or has time (503). The one that took the registration keeps it until it fails.
        routes: Outbound proxies in order; the REGISTER goes to the first and names all in Route (REG-30).
        outbound_proxies: The outbound-proxy-set of RFC 5626 4.2.1: proxies to each of which the account keeps a flow of
            its own, so that it stays reachable when one of them fails. Their order gives the reg-ids, from 1. Each
            stands in Route before ``routes``, as a loose router. All flows need the same ``instance_id``.
        outbound: Use outbound (RFC 5626) on a single flow too, without outbound proxies; needs an ``instance_id``.
        loose_routing: Whether ``lr`` is added to routes that do not say it. Without it a first route that does not say
            ``lr`` is a strict router of RFC 2543: it becomes the Request-URI, and the registrar ends the Route.
        registered_by: The address-of-record of who registers in the account's stead (third-party registration, RFC
            3261 10.2): it stands in From, and its user is the one whose credentials are looked up.
        register: Whether the account registers.
        expires: The wished lifetime in seconds, 1 to 2**32 - 1.
        realm: The realm that credentials which name none are for; without it they answer every realm of the server.
        auth: Credentials of this account alone, asked before those of the core: one `AuthInfo`, several, or one
            async callable.
        contact_params: Parameters of the Contact header; ``None`` as value writes the bare name.
        contact_uri_params: Parameters of the URI in the Contact. They tell accounts with the same user in two domains
            apart, as different ``contact_params`` want it (RFC 3840 6); then both need one, with different values.
        extra_contacts: Further Contacts that are registered with the account's own, as text or `NameAddr`, each with
            ``q`` and a lifetime of its own if it has them. One that is taken out of the settings is removed from the
            registrar by the next REGISTER. One that is the account's own with sip for sips, or the reverse, is left out
            (RFC 5630 5.1.1.1).
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
        refresh_window: Two shares of the granted lifetime between which the refresh starts; ``None`` for 81 to 90 % of
            a long lifetime and 45 to 50 % of one below about a minute (REG-19).
        retry_403: Try again slowly after 403 instead of stopping.
        redirect: How far a registrar may send the account elsewhere.
        redirect_hosts: Hosts that it may be sent to besides.
        path_hosts: Hosts that may stand in the Path of the registrar's answer; another one is reported as
            `Reason.UNEXPECTED_PROXY`, because calls would go through it (RFC 3327 6.2). Empty for any.
        udp_only: Keep requests above 1300 octets on UDP, where they may get lost in fragments; else they go by TCP when
            ``server`` names no transport, and by UDP where TCP is refused.
        compact: Write header names in their compact forms (``v`` for Via), which every server should know: about 40
            octets less, where a request would be a little too large for a datagram.
        tls: Whom the account trusts, and its certificate; ``None`` for what the core says.
        aor: The identity in its clean form, as it stands in To and From (read only).
        registrar: The registrar's URI without user (read only).
        further_contacts: ``extra_contacts``, read (read only).
        sender: The URI in From: ``registered_by`` in its clean form, else the address-of-record (read only).

    Raises:
        ConfigError: A value cannot work; names the field, the value and what is expected.
        TypeError: ``auth`` is a plain function.
    """

    identity: str | SipUri
    _: KW_ONLY
    server: str | SipUri | None = None
    backup_servers: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    outbound_proxies: tuple[str, ...] = ()
    outbound: bool = False
    loose_routing: bool = True
    registered_by: str | SipUri | None = None
    register: bool = True
    expires: int = 3600
    realm: str | None = None
    auth: AuthSource = field(default=None, hash=False)
    contact_params: Mapping[str, str | None] = NO_PARAMS
    contact_uri_params: Mapping[str, str | None] = NO_PARAMS
    extra_contacts: tuple[str | NameAddr, ...] = ()
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
    path_hosts: tuple[str, ...] = ()
    udp_only: bool = False
    compact: bool = False
    tls: TlsParams | None = None
    aor: SipUri = field(init=False, repr=False, compare=False)
    registrar: SipUri = field(init=False, repr=False, compare=False)
    sender: SipUri = field(init=False, repr=False, compare=False)
    further_contacts: tuple[NameAddr, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, value in _checked(self).items():
            object.__setattr__(self, name, value)

    def flows(self) -> tuple[Self, ...]:
        """The settings of each flow, in the order of their reg-ids: those of an account with one flow (OUTB-3, OUTB-6).

        Without outbound proxies there is one flow, and its settings are these.
        """
        if not self.outbound_proxies:
            return (self,)
        return tuple(
            self.replace(outbound=True, outbound_proxies=(), routes=(proxy, *self.routes))
            for proxy in self.outbound_proxies
        )

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked like a new one.

        Raises:
            ConfigError: A value cannot work.
            TypeError: There is no such field.
        """
        return replace(self, **changes)


SETTABLE = tuple(entry.name for entry in fields(ProxyParams) if entry.init)
"""The fields that a draft can change."""


_DEFAULTS = {entry.name: entry.default for entry in fields(ProxyParams) if entry.init and entry.default is not MISSING}
_values = attrgetter(*_DEFAULTS)


def _checked(params: ProxyParams) -> dict[str, object]:
    """Every field of ``params`` that is not left at its default, in its final form, and what follows from them."""
    # An application makes a hundred thousand of them, which leave nearly everything as it is.
    given = list(compress(_DEFAULTS, map(is_not, _values(params), _DEFAULTS.values())))
    identity = read_identity("identity", params.identity)
    aor = bare(identity)
    registrar = _registrar("server", _server(params.server, identity), aor, "identity")
    final: dict[str, object] = {name: _READERS[name](name, getattr(params, name)) for name in given if name in _READERS}
    final |= {"identity": str(params.identity), "aor": aor, "registrar": registrar, "sender": aor}
    return final | _fitted(params, given, aor, registrar)


def _fitted(params: ProxyParams, given: list[str], aor: SipUri, registrar: SipUri) -> dict[str, object]:
    """The fields that have to fit to others."""
    final: dict[str, object] = {"further_contacts": ()}
    if "extra_contacts" in given:
        final["further_contacts"] = further = _further(params, aor)
        final["extra_contacts"] = tuple(str(entry) for entry in further)
    if "registered_by" in given:
        final["sender"] = _sender(params)
    if "backup_servers" in given:
        final["backup_servers"] = _backups(params.backup_servers, registrar)
    if "routes" in given:
        final["routes"] = _routes("routes", params.routes, registrar, loose=params.loose_routing)
    if "outbound_proxies" in given or "outbound" in given:
        final["outbound_proxies"] = _outbound_proxies(params, registrar)
    return final


def _further(params: ProxyParams, aor: SipUri) -> tuple[NameAddr, ...]:
    entries = tuple(read_contact(entry, aor) for entry in read_items("extra_contacts", params.extra_contacts))
    for one, other in combinations(entries, 2):
        if are_twins(one, other):
            raise ConfigError("extra_contacts", str(other), f"one scheme for one contact, because {one} is there")
    return entries


def are_twins(one: NameAddr, other: NameAddr) -> bool:
    """Whether two Contacts are one, but for sip and sips (SIPS-4)."""
    a, b = one.uri, other.uri
    if not isinstance(a, SipUri) or not isinstance(b, SipUri) or a.secure is b.secure:
        return False
    return (a.user, a.host.lower(), a.port) == (b.user, b.host.lower(), b.port)


def _routes(name: str, value: Iterable[str], registrar: SipUri, *, loose: bool) -> tuple[str, ...]:
    return tuple(read_route(name, entry, loose=loose, secure=registrar.secure) for entry in read_items(name, value))


def _registrar(name: str, uri: SipUri, model: SipUri, model_name: str) -> SipUri:
    if model.secure and not uri.secure:
        raise ConfigError(name, str(uri), f"a sips URI, because the {model_name} is one")
    return uri if uri.user is None and not uri.headers else uri.replace(user=None, password=None, headers={})


def _server(value: object, identity: SipUri) -> SipUri:
    if value is None:
        # Then the identity says where to register: its host, and a port or transport that were written there.
        transport = tuple(item for item in identity.params.items() if item[0] == "transport")
        return _common_domain(identity.scheme, identity.host, identity.port, transport)
    if isinstance(value, (str, SipUri)):
        return _common_server(str(value))
    raise ConfigError("server", value, "a sip or sips URI")


# What thousands of accounts have in common is read once, and kept once.


@lru_cache(1024)
def _common_domain(scheme: str, host: str, port: int | None, params: tuple[tuple[str, str | None], ...]) -> SipUri:
    return SipUri(scheme, None, host, port, dict(params))


@lru_cache(1024)
def _common_server(text: str) -> SipUri:
    return read_uri("server", text)


def _backups(value: Iterable[str], registrar: SipUri) -> tuple[str, ...]:
    uris = tuple(read_uri("backup_servers", entry) for entry in read_items("backup_servers", value))
    if len(uris) > _MOST_BACKUPS:
        raise ConfigError("backup_servers", len(uris), f"at most {_MOST_BACKUPS}")
    return tuple(str(_registrar("backup_servers", uri, registrar, "server")) for uri in uris)


def _outbound_proxies(params: ProxyParams, registrar: SipUri) -> tuple[str, ...]:
    proxies = _routes("outbound_proxies", params.outbound_proxies, registrar, loose=True)
    if len(set(proxies)) < len(proxies):
        raise ConfigError("outbound_proxies", proxies, "each proxy once: two flows to one are no safer than one")
    if len(proxies) > _MOST_PROXIES:
        raise ConfigError("outbound_proxies", len(proxies), f"at most {_MOST_PROXIES}")
    if proxies or params.outbound:
        for name in ("extra_contacts", "registered_by"):
            if getattr(params, name):
                # OUTB-9, REG-32: a flow is bound to one Contact, that of the device which it leads to.
                raise ConfigError(name, getattr(params, name), "none together with outbound")
    return proxies


def _sender(params: ProxyParams) -> SipUri:
    if params.instance_id is not None:
        # REG-32: whoever registers for somebody else is not that device.
        raise ConfigError("instance_id", params.instance_id, "None together with registered_by")
    return bare(read_identity("registered_by", params.registered_by))


def _tls(name: str, value: object) -> TlsParams:
    if not isinstance(value, TlsParams):
        raise ConfigError(name, value, "a TlsParams")
    return value


_KINDS = {"nat": NatMode, "lifetime_in": ExpiresIn, "redirect": Redirect} | dict.fromkeys(
    (
        "register", "loose_routing", "outbound", "unregister_at_stop", "strict_binding", "retry_403", "udp_only",
        "compact",
    ),
    bool,
)  # fmt: skip


def _kind(name: str, value: object) -> object:
    kind = _KINDS[name]
    if not isinstance(value, kind):
        raise ConfigError(name, value, f"a {kind.__name__}")
    return value


_READERS: dict[str, Callable[[str, Any], object]] = {
    **dict.fromkeys(("realm", "depends_on", "ref_key", "id"), read_text),
    **dict.fromkeys(("redirect_hosts", "path_hosts"), read_hosts),
    **dict.fromkeys(_KINDS, _kind),
    "auth": lambda name, value: auth_source(name, value) or None,
    "contact_params": lambda _, value: read_contact_params(value),
    "contact_uri_params": lambda _, value: read_contact_uri_params(value),
    "expires": read_expires,
    "headers": read_headers,
    "instance_id": read_instance_id,
    "refresh_window": read_window,
    "registered_by": lambda _, value: str(value),
    "server": lambda _, value: str(value),
    "supported": lambda _, value: read_tags(value),
    "tls": _tls,
}
"""How a field is read that stands for itself."""
