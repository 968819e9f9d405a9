"""Which requests are too large for a datagram (RFC 3261 18.1.1), and how to make them smaller: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiosipreg.engine.targets import Target, Transport
from aiosipreg.wire.headers import compact_name

if TYPE_CHECKING:
    from aiosipreg.params import ProxyParams
    from aiosipreg.wire import SipUri

__all__ = ["LARGEST_DATAGRAM", "compacted", "stream_for"]

LARGEST_DATAGRAM: Final = 1300
"""Octets of a request that may go in a datagram while nobody knows the path's MTU (TRA-2)."""


def stream_for(target: Target, hop: SipUri, params: ProxyParams) -> Target | None:
    """Where a request goes instead that is too large for a datagram, ``None`` if it may stay (TRA-2, TRA-4).

    Args:
        target: Where it would go.
        hop: What was resolved to the target: a transport that stands there is what was asked for.
        params: The account's settings.
    """
    if target.transport is not Transport.UDP or params.udp_only or hop.params.get("transport"):
        return None
    return target._replace(transport=Transport.TCP)


def compacted(message: str) -> str:
    """A message without body, with the compact forms of header names (MSG-8, RFC 3261 7.3.3)."""
    start, *rows = message.split("\r\n")
    pairs = (row.partition(":") for row in rows)
    return "\r\n".join([start, *(f"{compact_name(name)}{colon}{value}" for name, colon, value in pairs)])
