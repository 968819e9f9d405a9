"""Where a 3xx may send us (section 8.2 of the requirements; RFC 3261 8.1.3.4, SEC-20)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, NamedTuple

from aiosipreg.engine.replies import Then
from aiosipreg.errors import ParseError
from aiosipreg.params import Redirect
from aiosipreg.states import Reason
from aiosipreg.wire import SipUri

if TYPE_CHECKING:
    from aiosipreg.engine.replies import Row
    from aiosipreg.engine.targets import Target
    from aiosipreg.params import ProxyParams
    from aiosipreg.wire import NameAddr, Response

__all__ = ["Detour", "Hop"]

_USUAL_LOW_PORTS: Final = frozenset({80, 443})
_HIGHEST_PRIVILEGED: Final = 1023
_MOST_ANSWERS: Final = 3
_MOST_URIS: Final = 5


class Hop(NamedTuple):
    """Another place than the registrar: one that a redirect named, or a backup server.

    Attributes:
        uri: Its URI, fit to be a Request-URI.
        as_proxy: It is only the next hop (305), the Request-URI stays.
        ours: The account's own settings name it, so that it needs no distrust.
    """

    uri: SipUri
    as_proxy: bool = False
    ours: bool = False


class Detour:
    """The places of one attempt: the registrar, where redirects lead, the backup servers.

    By redirects each URI is visited once, and at most three answers and five URIs deep (RDR-2).

    Args:
        params: The account's settings.
        hop: Where the redirects of an earlier attempt led, if the attempt begins there.

    Attributes:
        hop: Where the requests go now, ``None`` for the registrar itself.
    """

    __slots__ = ("_answers", "_backups", "_origin", "_params", "_queue", "_visited", "hop")

    def __init__(self, params: ProxyParams, hop: Hop | None = None) -> None:
        self.hop = hop
        self._params = params
        self._answers = 0
        self._queue: list[Hop] = []
        self._backups = _backups(params, hop) if params.backup_servers else []
        self._visited = [params.registrar] if hop is None else [params.registrar, hop.uri]
        self._origin: Target | None = None

    @property
    def registrar(self) -> SipUri:
        """The Request-URI there (RDR-4)."""
        return self._params.registrar if self.hop is None or self.hop.as_proxy else self.hop.uri

    @property
    def next_hop(self) -> SipUri:
        """What to resolve: the first Route if there is one, without routes the Request-URI (REG-31)."""
        params = self._params
        if self.hop is not None and (self.hop.as_proxy or not params.routes):
            return self.hop.uri
        if not params.routes:
            return params.registrar
        route = SipUri.parse(params.routes[0])
        return route.replace(scheme="sips") if self.registrar.secure else route

    @property
    def foreign(self) -> bool:
        """Whether we are outside the registrar's domain."""
        return self.hop is not None and not self.hop.ours and not inside(self.hop.uri, self._params)

    def excuses(self, *, hopeless: bool) -> bool:
        """Whether it says nothing about the settings that this place is not found, or by no transport of ours.

        A redirect named it; or it is a backup server, and one that cannot be used is no reason to give up the others.

        Args:
            hopeless: The transport is lacking.
        """
        return self.hop is not None and (hopeless or not self.hop.ours)

    def leads_on(self, row: Row) -> bool:
        """Whether there is a URI left to try after what happened at this one.

        What a server refuses it refuses for the backup servers too: they are for when nobody is there (DNS-15).
        """
        nobody = row.then is Then.NEXT_TARGET or row.reason in (Reason.DNS_ERROR, Reason.TLS_ERROR)
        return bool(self._queue) or (nobody and bool(self._backups))

    def take(self, response: Response) -> str:
        """Note where a 3xx points, best first (RDR-3); return why its other URIs are not followed."""
        self._answers += 1
        if self._answers > _MOST_ANSWERS:
            return "too many redirects"
        try:
            contacts = response.contacts
        except ParseError as error:
            return str(error)
        refused: list[str] = []
        known = [*self._visited, self.registrar, *(hop.uri for hop in self._queue)]
        for entry in sorted(contacts, key=lambda entry: -(1.0 if entry.q is None else entry.q)):
            uri = _clean(entry)
            why = "no SIP URI" if uri is None else _objection(uri, self._params)
            if why is not None:
                refused.append(f"{entry.uri}: {why}")
            elif uri is not None and uri not in known:
                known.append(uri)
                # 305 names a next hop for the same request; all others name another Request-URI (RFC 3261 21.3.4).
                self._queue.append(Hop(uri, response.status == 305))
        del self._queue[_MOST_URIS - len(self._visited) :]
        return "; ".join(refused) or "it leads nowhere new"

    def follow(self) -> None:
        """Go to the next URI."""
        if self._queue:
            self.hop = self._queue.pop(0)
            self._visited.append(self.hop.uri)
        else:
            self.hop, self._origin = self._backups.pop(0), None

    def allows(self, target: Target) -> bool:
        """Whether this target may be used: a redirect from outside does not lead into this machine (SEC-20)."""
        if self._origin is None:
            self._origin = target
        return self.hop is None or self.hop.ours or (_usual(target.port) and same_kind(target, self._origin))


def _backups(params: ProxyParams, hop: Hop | None) -> list[Hop]:
    """The backup servers, without the one where the attempt begins."""
    hops = [Hop(SipUri.parse(server), ours=True) for server in params.backup_servers]
    return [backup for backup in hops if backup != hop]


def inside(uri: SipUri, params: ProxyParams) -> bool:
    """Whether a URI lies in the registrar's domain, or is on the account's own list (RDR-1)."""
    # RFC 3261 19.1.1: with maddr the request goes there, whatever the host says.
    host = (uri.params.get("maddr") or uri.host).lower()
    if host in (allowed.lower() for allowed in params.redirect_hosts):
        return True
    servers = params.registrar, *map(SipUri.parse, params.backup_servers)
    domains = [server.host.lower() for server in servers]
    return any(host == domain or (host.endswith(f".{domain}") and not _is_address(domain)) for domain in domains)


def same_kind(target: Target, original: Target) -> bool:
    """Whether a redirect stays on the same kind of address: none from outside leads into this machine (SEC-20)."""
    there, here = _address(target.host), _address(original.host)
    kinds = ("is_loopback", "is_link_local", "is_multicast", "is_unspecified")
    return not any(getattr(there, kind) and not getattr(here, kind) for kind in kinds)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(host)
    # ::ffff:127.0.0.1 is this machine too.
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _usual(port: int) -> bool:
    return port > _HIGHEST_PRIVILEGED or port in _USUAL_LOW_PORTS


def _clean(entry: NameAddr) -> SipUri | None:
    """The Request-URI that a Contact stands for: without user, method and headers (RDR-4)."""
    if not isinstance(entry.uri, SipUri):
        return None
    kept = {name: value for name, value in entry.uri.params.items() if name.lower() != "method"}
    return entry.uri.replace(user=None, password=None, headers={}, params=kept)


def _objection(uri: SipUri, params: ProxyParams) -> str | None:
    if params.redirect is Redirect.NEVER:
        return "redirects are switched off"
    if params.registrar.secure and not uri.secure:
        # RDR-5: a sips registration is never weakened.
        return "not sips"
    if uri.port is not None and not _usual(uri.port):
        return f"port {uri.port}"
    if params.redirect is Redirect.SAME_DOMAIN and not inside(uri, params):
        return "outside the registrar's domain"
    return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
