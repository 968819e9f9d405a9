"""Over what a message came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from aiosipreg.testing.network import Address

__all__ = ["TRANSPORTS", "Flow", "Transport"]

Transport: TypeAlias = Literal["udp", "tcp", "tls", "ws", "wss"]
"""What carries messages, spelt as in the ``transport`` parameter of a URI."""

TRANSPORTS: Final[tuple[Transport, ...]] = ("udp", "tcp", "tls", "ws", "wss")


@dataclass(frozen=True, slots=True)
class Flow:
    """The way between a client and the registrar (RFC 5626 3.1).

    Attributes:
        peer: The address of the client.
        transport: ``udp``, ``tcp``, ``tls``, ``ws`` or ``wss``.
        connection: Number of the connection, counted from 1 in the order that the registrar accepted them; 0 over UDP.
    """

    peer: Address
    transport: Transport = "udp"
    connection: int = 0
