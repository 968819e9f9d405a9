"""The hash functions and the qualities of protection of SIP digest (floor 2): RFC 8760 2.1, RFC 7616 3.3."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["ALGORITHMS", "TRUNCATED", "Algorithm", "Qop"]


class Qop(enum.StrEnum):
    """Quality of protection of an answer."""

    NONE = ""
    """The challenge names none: the form of RFC 2069, without qop, nc and cnonce (AUTH-13)."""
    AUTH = "auth"
    AUTH_INT = "auth-int"
    """The body is hashed too."""


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha512_256(data: bytes) -> str:
    try:
        return hashlib.new("sha512_256", data).hexdigest()
    except ValueError:
        # hashlib guarantees no SHA-512/256: it depends on the OpenSSL that Python was built with.
        return _sha512_256_by_cryptography(data)


def _sha512_256_by_cryptography(data: bytes) -> str:
    from cryptography.hazmat.primitives import hashes

    hasher = hashes.Hash(hashes.SHA512_256())
    hasher.update(data)
    return hasher.finalize().hex()


def _sha512_truncated(data: bytes) -> str:
    return hashlib.sha512(data).hexdigest()[:64]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One digest algorithm (RFC 7616 3.3).

    Attributes:
        name: Registered name, such as ``SHA-256-sess``.
        hash: Octets to lower-case hex digits.
        session: Whether it is a ``-sess`` form.
        strength: Higher is stronger; the ``-sess`` form is as strong as the plain one.
    """

    name: str
    hash: Callable[[bytes], str]
    session: bool
    strength: int

    @property
    def family(self) -> str:
        """The name without ``-sess``: what a stored HA1 is bound to."""
        return self.name.removesuffix("-sess")

    @property
    def hex_digits(self) -> int:
        """Length of a digest in hex digits (AUTH-8)."""
        return 32 if self.family == "MD5" else 64


ALGORITHMS: Final = {
    name.lower(): Algorithm(name, function, name.endswith("-sess"), strength)
    for strength, family, function in ((1, "MD5", _md5), (2, "SHA-256", _sha256), (3, "SHA-512-256", _sha512_256))
    for name in (family, f"{family}-sess")
}
TRUNCATED: Final = {
    name: Algorithm(algorithm.name, _sha512_truncated, algorithm.session, algorithm.strength)
    for name, algorithm in ALGORITHMS.items()
    if algorithm.family == "SHA-512-256"
}
