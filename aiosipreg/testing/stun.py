"""The STUN that keeps a mapping of a NAT alive and tells it: Binding requests and their answers (RFC 8489).

Written apart from the client's STUN on purpose, like ``verify``.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiosipreg.testing.network import Address

__all__ = ["binding_response"]

_HEADER: Final = struct.Struct("!HHI12s")
_REQUEST: Final = 0x0001
_SUCCESS: Final = 0x0101
_COOKIE: Final = 0x2112A442
_XOR_MAPPED_ADDRESS: Final = 0x0020
_FAMILIES: Final = {4: 1, 6: 2}


def binding_response(data: bytes, mapped: Address) -> bytes | None:
    """Answer a Binding request with the address that it came from.

    Args:
        data: A datagram.
        mapped: The address.

    Returns:
        The answer; ``None`` if the datagram is no Binding request.
    """
    if len(data) < _HEADER.size:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if (kind, cookie, length) != (_REQUEST, _COOKIE, len(data) - _HEADER.size):
        return None
    ip = ipaddress.ip_address(mapped[0])
    # RFC 8489 14.2: the cookie, and for IPv6 the transaction id behind it, hide the address from meddling NATs.
    mask = struct.pack("!I12s", _COOKIE, transaction)
    port = mapped[1] ^ _COOKIE >> 16
    address = bytes(one ^ other for one, other in zip(ip.packed, mask, strict=False))
    value = struct.pack("!BBH", 0, _FAMILIES[ip.version], port) + address
    attribute = struct.pack("!HH", _XOR_MAPPED_ADDRESS, len(value)) + value
    return _HEADER.pack(_SUCCESS, len(attribute), _COOKIE, transaction) + attribute
