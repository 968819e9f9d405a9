"""What other requests of a registered user need of the registration: their Route, their Contact (pure functions).

Nothing here sends one; calls and messages are the application's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aiosipreg.wire import NameAddr, SipUri

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["request_contact", "route_set"]


def route_set(routes: Sequence[str], service_route: Sequence[NameAddr], uri: SipUri) -> tuple[NameAddr, ...]:
    """The Route of a request outside of dialogs: our own proxies, then what the registrar gave (RTE-5, RFC 3608 6.1).

    Args:
        routes: Our proxies in order, the one that the flow leads to first.
        service_route: The Service-Route in order.
        uri: The Request-URI; a sips URI wants TLS on every hop (RTE-6, RFC 5630 5.1.1).
    """
    entries = (*(NameAddr(SipUri.parse(route)) for route in routes), *service_route)
    return tuple(map(_secured, entries)) if uri.secure else entries


def request_contact(bound: NameAddr, gruu: str | None, *, outbound: bool) -> NameAddr:
    """The Contact of a request (RFC 5627 4.4, RFC 5626 4.3).

    Args:
        bound: Our Contact as it was registered.
        gruu: The GRUU to use, if there is one; it is used as it was given (GRUU-6).
        outbound: Whether requests to the Contact take our flow, which has to be said where there is no GRUU (OUTB-20).
    """
    if gruu is not None:
        return NameAddr(SipUri.parse(gruu))
    uri = bound.uri
    if outbound and isinstance(uri, SipUri):
        uri = uri.replace(params={**uri.params, "ob": None})
    return NameAddr(uri)


def _secured(entry: NameAddr) -> NameAddr:
    uri = entry.uri
    return replace(entry, uri=uri.replace(scheme="sips")) if isinstance(uri, SipUri) else entry
