"""What certificates say, and whether a chain of them holds (floor 3; RFC 5922, RFC 5280)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from aiosipreg.errors import ParseError
from aiosipreg.wire import SipUri
from aiosipreg.wire.host import parse_ip, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiosipreg.settings import TlsParams

__all__ = ["Certificate", "ChainError", "verify_chain"]

_LONGEST_CHAIN: Final = 8

# What `cryptography` raises beside `ValueError`; a server may show anything.
_UNREADABLE: Final = (
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)


class ChainError(Exception):
    """A chain of certificates does not lead to one that is trusted; the text says why."""


class Certificate(NamedTuple):
    """What a server's certificate says (RFC 5922 7.1).

    Attributes:
        uris: Hosts of its SIP URIs without user part.
        dns: Its dNSNames.
        addresses: Its iPAddresses.
        common: Its common names, empty when it has any subjectAltName.
        usages: Its extended key usage; ``None`` if it has none, so that it is for everything.
        pin: SHA-256 of its public key, in hex.
    """

    uris: tuple[str, ...]
    dns: tuple[str, ...]
    addresses: tuple[str, ...]
    common: tuple[str, ...]
    usages: frozenset[str] | None
    pin: str

    @classmethod
    def read(cls, der: bytes) -> Certificate:
        """Read a certificate.

        Raises:
            ValueError: It is malformed, or has something that nobody here can read.
        """
        try:
            return cls._read(der)
        except _UNREADABLE as error:
            raise ValueError(str(error)) from error

    @classmethod
    def _read(cls, der: bytes) -> Certificate:
        certificate = x509.load_der_x509_certificate(der)
        extensions = certificate.extensions
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        try:
            usages = frozenset(
                usage.dotted_string for usage in extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            )
        except x509.ExtensionNotFound:
            usages = None
        uris, dns, addresses, common = [], [], [], []
        try:
            names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            common = [str(entry.value) for entry in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        else:
            uris = [host for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if (host := _host(uri))]
            dns = names.get_values_for_type(x509.DNSName)
            addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
        return cls(
            uris=tuple(uris), dns=tuple(map(plain_name, dns)), addresses=tuple(addresses),
            common=tuple(map(plain_name, common)), usages=usages, pin=hashlib.sha256(key).hexdigest(),
        )  # fmt: skip

    def names(self, params: TlsParams) -> tuple[str, ...]:
        """The names that count: of the first kind there is, SIP URIs before dNSNames before the common name."""
        return self.uris or self.dns or (self.common if params.common_name else ())

    def is_for(self, name: str, params: TlsParams) -> bool:
        """Whether it is for this name, or for one of those that are as good (TLS-2 to TLS-5)."""
        return any(self._matches(wanted, params) for wanted in (name, *params.extra_names))

    def _matches(self, name: str, params: TlsParams) -> bool:
        address = parse_ip(name)
        if address is not None:
            return any(parse_ip(entry) == address for entry in self.addresses)
        wanted = plain_name(name)
        if wanted in self.names(params):
            return True
        return params.wildcards and self.has_wildcard_for(wanted)

    def has_wildcard_for(self, name: str) -> bool:
        """Whether one of its names would cover this one with wildcards allowed."""
        return not self.uris and any(_covers(entry, name) for entry in self.dns)


def _host(text: str) -> str | None:
    """The host of a SIP URI that stands for a domain: without user part, and not sips (RFC 5922 7.1)."""
    try:
        uri = SipUri.parse(text)
    except ParseError:
        return None
    return None if uri.secure or uri.user is not None else plain_name(uri.host)


def _covers(pattern: str, name: str) -> bool:
    """Whether a wildcard for one whole left-most label covers a name; one for a top-level domain covers nothing."""
    star, _, domain = pattern.partition(".")
    label, _, rest = name.partition(".")
    return star == "*" and "." in domain and label != "" and rest == domain


def verify_chain(chain: Iterable[bytes], trusted: Iterable[bytes]) -> None:
    """Check chain and dates of a certificate whose usage OpenSSL does not know (TLS-6).

    Args:
        chain: What the server sent, its own certificate first.
        trusted: The certificates of authorities.

    Raises:
        ChainError: They are not in order.
        ValueError: A certificate is malformed.
    """
    try:
        server, *others = map(x509.load_der_x509_certificate, chain)
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error
    authorities = Store(list(map(x509.load_der_x509_certificate, trusted)))
    policies = PolicyBuilder().store(authorities).max_chain_depth(_LONGEST_CHAIN)
    # What the certificate may be used for is looked at afterwards; the rules for authorities stay those of the web.
    policies = policies.extension_policies(
        ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
    )
    try:
        policies.build_client_verifier().verify(server, others)
    except VerificationError as error:
        raise ChainError(str(error)) from None
