"""Certificates of all kinds, made when a test asks for them; good ones are valid for the day."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SIP_DOMAIN = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.20")
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
MAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A certificate with its private key and what is behind it, as PEM text."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        whole = (self.certificate, *self.chain)
        return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in whole)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pin(self) -> str:
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(public).hexdigest()

    def key_pem(self, password: str | None = None) -> str:
        secrecy = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secrecy).decode()

    def files(self, directory: Path, name: str = "server") -> tuple[Path, Path]:
        """Write certificate and key; give their paths."""
        certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
        certificate.write_text(self.pem)
        key.write_text(self.key_pem())
        return certificate, key

    def context(self, directory: Path, *, clients: str | None = None) -> ssl.SSLContext:
        """For a server that shows this certificate; with ``clients`` it wants one of these authorities."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.files(directory))
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=clients)
        return context


class Authority:
    """Signs certificates."""

    certificate: x509.Certificate

    def __init__(self, name: str = "Test CA", issuer: Authority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.issuer = issuer
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, issuer.certificate.subject if issuer else subject, self.key, (-1, 2))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign=True), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
        )
        signer = issuer.key if issuer else self.key
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        self.certificate = builder.sign(signer, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def issue(
        self,
        *,
        uris: Iterable[str] = (),
        dns: Iterable[str] = (),
        addresses: Iterable[str] = (),
        common: str = "server",
        usages: Iterable[x509.ObjectIdentifier] | None = (SERVER, CLIENT),
        days: tuple[int, int] = (-1, 2),
        vouched: bool = True,
        odd: x509.ExtensionType | None = None,
    ) -> Identity:
        """A certificate for a server or a client.

        Args:
            uris: SIP URIs of the subjectAltName.
            dns: Its dNSNames.
            addresses: Its iPAddresses.
            common: The common name.
            usages: Extended key usage; ``None`` for none.
            days: From when to when it is valid, from now on.
            vouched: Whether the authority signs it; else it is self-signed.
            odd: One more extension.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        signer = self.key if vouched else key
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
        builder = _builder(subject, self.certificate.subject if vouched else subject, key, days)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.DNSName(name) for name in dns]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usages is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign=False), critical=True)
        if odd is not None:
            builder = builder.add_extension(odd, critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        certificate = builder.sign(signer, hashes.SHA256())
        return Identity(certificate, key, (self.certificate,) if self.issuer else ())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: tuple[int, int]
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now + days[0] * _DAY,
        not_valid_after=now + days[1] * _DAY,
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )


@cache
def authority(name: str = "Test CA") -> Authority:
    """The authority of the tests, made once; another name gives one that nobody trusts."""
    return Authority(name)


@cache
def server(*dns: str) -> Identity:
    """A good certificate for some names, made once."""
    return authority().issue(dns=dns)
