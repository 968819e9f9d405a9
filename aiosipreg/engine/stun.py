"""The part of STUN that keeps a UDP flow alive: Binding requests, and reading what answers them (RFC 8489)."""

from __future__ import annotations

import ipaddress
import struct
from typing import Final, NamedTuple

__all__ = ["BindingResponse", "binding_request", "read_binding_response"]

_COOKIE: Final = 0x2112A442
_HEADER: Final = struct.Struct("!HHI12s")
_ATTRIBUTE: Final = struct.Struct("!HH")
_REQUEST: Final = 0x0001
_SUCCESS: Final = 0x0101
_ERROR: Final = 0x0111

_MAPPED_ADDRESS: Final = 0x0001
_ERROR_CODE: Final = 0x0009
_XOR_MAPPED_ADDRESS: Final = 0x0020

# RFC 8489 18.3.1. Of these only addresses and errors say anything to whoever sent no credentials.
_UNDERSTOOD: Final = frozenset({
    *(_MAPPED_ADDRESS, 0x0006, 0x0008, _ERROR_CODE, 0x000A, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E),
    _XOR_MAPPED_ADDRESS,
})  # fmt: skip
_FIRST_OPTIONAL: Final = 0x8000


class BindingResponse(NamedTuple):
    """The answer to a Binding request.

    Attributes:
        transaction: The 96-bit id of the request that it answers.
        mapped: Host and port that the server saw the request come from; ``None`` if it does not say.
        error: The code of an error response, 0 if it has none; ``None`` for a success.
        unknown: Attributes that nobody may ignore and that are not known here.
    """

    transaction: bytes
    mapped: tuple[str, int] | None = None
    error: int | None = None
    unknown: tuple[int, ...] = ()


def binding_request(transaction: bytes) -> bytes:
    """A Binding request without attributes (KA-10).

    Args:
        transaction: 96 random bits.
    """
    return _HEADER.pack(_REQUEST, 0, _COOKIE, transaction)


def read_binding_response(data: bytes) -> BindingResponse | None:
    """Read a datagram; ``None`` when it is not, or not wholly, the answer to a Binding request (SEC-29)."""
    if len(data) < _HEADER.size:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind not in (_SUCCESS, _ERROR) or cookie != _COOKIE or length != len(data) - _HEADER.size:
        return None
    attributes = _attributes(data[_HEADER.size :])
    if attributes is None:
        return None
    unknown = tuple(name for name in attributes if name < _FIRST_OPTIONAL and name not in _UNDERSTOOD)
    if kind == _ERROR:
        return BindingResponse(transaction, error=_error_code(attributes.get(_ERROR_CODE, b"")), unknown=unknown)
    mapped = _address(attributes.get(_XOR_MAPPED_ADDRESS, b""), struct.pack("!I", _COOKIE) + transaction)
    return BindingResponse(transaction, mapped or _address(attributes.get(_MAPPED_ADDRESS, b"")), unknown=unknown)


def _attributes(data: bytes) -> dict[int, bytes] | None:
    """The attributes by type, the first of each (RFC 8489 14); ``None`` if they are cut short."""
    found: dict[int, bytes] = {}
    while data:
        if len(data) < _ATTRIBUTE.size:
            return None
        name, length = _ATTRIBUTE.unpack_from(data)
        ends = _ATTRIBUTE.size + length
        if ends > len(data):
            return None
        found.setdefault(name, data[_ATTRIBUTE.size : ends])
        # Each is padded to a multiple of four octets.
        data = data[ends + -length % 4 :]
    return found


def _address(value: bytes, mask: bytes = bytes(16)) -> tuple[str, int] | None:
    """Host and port of an attribute; the ``mask`` hides them from NATs that rewrite what looks like an address."""
    if len(value) not in (8, 20) or value[1] != (1 if len(value) == 8 else 2):
        return None
    octets = bytes(one ^ other for one, other in zip(value[4:], mask, strict=False))
    port = int.from_bytes(value[2:4]) ^ int.from_bytes(mask[:2])
    return str(ipaddress.ip_address(octets)), port


def _error_code(value: bytes) -> int:
    return (value[2] & 7) * 100 + value[3] if len(value) >= 4 else 0
