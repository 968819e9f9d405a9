"""What a whole core is told (floor 2): frozen values, checked when they are built."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from aiosipreg.auth import AuthInfo
from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire import is_token
from aiosipreg.wire.host import check_host, parse_hostport, parse_ip, plain_name

if TYPE_CHECKING:
    import ssl

__all__ = ["DnsParams", "TlsParams", "TransportParams", "WebSocketParams"]

_PIN = re.compile(r"[0-9a-f]{64}")
_PATH = re.compile(r"/[!-\"$-~]*")  # visible ASCII without `#`
_VISIBLE = re.compile(r"[ -~]+")
# What the handshake itself says (RFC 6455 4.1).
_HANDSHAKE = ("host", "upgrade", "connection", "content-length", "transfer-encoding")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketParams:
    """How the WebSocket handshake with one server goes, where it is more than ``GET /`` (RFC 7118 4.1 and 7).

    Attributes:
        server: The domain of the account's server, or of its first route: the host of the URL.
        path: Path, and query if there is one, of the URL.
        headers: Further headers of the handshake, such as a ``Cookie``, as pairs. Never shown.
        auth: Credentials in case that the handshake is answered by 401.
        allow_basic: Whether the password may be sent as it is (HTTP Basic), which happens over ``wss`` only.

    Raises:
        ConfigError: A value cannot work.
    """

    server: str
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    auth: AuthInfo | None = None
    allow_basic: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", _names("server", (self.server,))[0])
        if not isinstance(self.path, str) or not _PATH.fullmatch(self.path):
            raise ConfigError("path", self.path, "a path that begins with /, in ASCII and without blanks")
        object.__setattr__(self, "headers", tuple(map(_handshake_header, self.headers)))
        if self.auth is not None and not (isinstance(self.auth, AuthInfo) and self.auth.has_secret):
            raise ConfigError("auth", "(hidden)", "an AuthInfo with a password or an HA1")
        if not isinstance(self.allow_basic, bool):
            raise ConfigError("allow_basic", self.allow_basic, "a bool")


def _handshake_header(entry: Any) -> tuple[str, str]:
    if not isinstance(entry, tuple | list) or len(entry) != 2:
        raise ConfigError("headers", "(hidden)", "pairs of name and value")
    name, value = entry
    known = isinstance(name, str) and is_token(name)
    if not known or name.lower() in _HANDSHAKE or name.lower().startswith("sec-websocket-"):
        raise ConfigError("headers", name, "a header name that the handshake does not set itself")
    if not isinstance(value, str) or not _VISIBLE.fullmatch(value):
        raise ConfigError(f"headers[{name}]", "(hidden)", "text in ASCII that is not empty")
    return name, value


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportParams:
    """Local sockets, and which transports are used at all.

    Attributes:
        udp: Local UDP port; 0 for any, ``None`` to use no UDP.
        tcp: Local port of TCP connections; 0 for any, which is a new one for each; ``None`` to use no TCP.
        tls: Local port of TLS connections, like ``tcp``; ``None`` to use no TLS, which leaves ``sips`` accounts without
            any transport.
        bind: Local addresses to use, at most one per address family; empty for whichever the system routes through.
        dscp: DSCP mark of what is sent, 0 to 63 (RFC 2474).
        websockets: What the handshake with some WebSocket servers needs. WebSocket has no switch of its own: it is used
            where a URI names it, unless ``tcp`` (for ``ws``) or ``tls`` (for ``wss``) is ``None``.

    Raises:
        ConfigError: A value is out of range.
    """

    udp: int | None = 0
    tcp: int | None = 0
    tls: int | None = 0
    bind: tuple[str, ...] = ()
    dscp: int = 0
    websockets: tuple[WebSocketParams, ...] = ()

    def __post_init__(self) -> None:
        for name in ("udp", "tcp", "tls"):
            port = getattr(self, name)
            if port is not None and not 0 <= port <= 65535:
                raise ConfigError(name, port, "a port, 0 to 65535")
        if self.udp is None and self.tcp is None and self.tls is None:
            raise ConfigError("udp", None, "at least one transport to be left on")
        if not 0 <= self.dscp <= 63:
            raise ConfigError("dscp", self.dscp, "a DSCP value, 0 to 63")
        object.__setattr__(self, "websockets", _one_for_each(self.websockets))
        versions = []
        for address in self.bind:
            try:
                versions.append(ipaddress.ip_address(address).version)
            except ValueError:
                raise ConfigError("bind", address, "an IP address of this machine") from None
        if len(versions) != len(set(versions)):
            raise ConfigError("bind", self.bind, "at most one address per address family")

    def local_address(self, version: int) -> str | None:
        """The address to use for IP version 4 or 6, ``None`` if any will do."""
        return next((address for address in self.bind if ipaddress.ip_address(address).version == version), None)


def _one_for_each(value: Any) -> tuple[WebSocketParams, ...]:
    servers = {entry.server: entry for entry in value if isinstance(entry, WebSocketParams)}
    if len(servers) != len(value):
        raise ConfigError("websockets", value, "a tuple of WebSocketParams, one for each server")
    return tuple(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsParams:
    """How a server proves over TLS who it is, and how we do.

    The name that a certificate must be for is the domain of the account's server, or of its first route: never what
    DNS made of it (RFC 5922 7.3). It is checked before anything is sent.

    Attributes:
        ca_file: File with the certificates (PEM) of the authorities to trust, instead of those of the system.
        ca_data: The same as PEM text.
        context: An `ssl.SSLContext` of your own, which decides on trust, ciphers and our certificate instead of the
            settings for these; names and usage are checked all the same.
        wildcards: Whether ``*.example.org`` in a certificate stands for ``sip.example.org``; False is the letter of
            RFC 5922 7.2.
        extra_names: Names that are as good as the server's own, such as the host name that SRV records lead to.
        common_name: Whether the name may stand in the common name of a certificate without any subjectAltName.
        strict_usage: Refuse certificates for web servers only (extended key usage ``serverAuth``), which is what public
            authorities issue; without, RFC 5924 is relaxed to allow them.
        pins: SHA-256 of public keys (of the SubjectPublicKeyInfo), 64 hex digits each: the server's must be among them.
        pins_suffice: A pinned key is all that is asked for: authority, dates and names do not matter.
        client_cert: Our certificate, with the chain behind it: path of a PEM file, or PEM text.
        client_key: Its private key, likewise; ``None`` when it stands beside the certificate. Never shown.
        key_password: What the key is encrypted with. Never shown.
        insecure_skip_verify: Talk to whoever answers. Logs a warning each time.

    Raises:
        ConfigError: A value cannot work, or two exclude each other.
    """

    ca_file: str | None = None
    ca_data: str | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = None
    wildcards: bool = True
    extra_names: tuple[str, ...] = ()
    common_name: bool = False
    strict_usage: bool = False
    pins: tuple[str, ...] = ()
    pins_suffice: bool = False
    client_cert: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    key_password: str | None = field(default=None, repr=False)
    insecure_skip_verify: bool = False

    def __post_init__(self) -> None:
        for name in ("wildcards", "common_name", "strict_usage", "pins_suffice", "insecure_skip_verify"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(name, getattr(self, name), "a bool")
        object.__setattr__(self, "extra_names", _names("extra_names", self.extra_names))
        object.__setattr__(self, "pins", tuple(pin.lower() for pin in _texts("pins", self.pins)))
        for pin in self.pins:
            if not _PIN.fullmatch(pin):
                raise ConfigError("pins", pin, "SHA-256 of a public key, 64 hex digits")
        if self.pins_suffice and not self.pins:
            raise ConfigError("pins_suffice", True, "pins beside it")
        self._check_material()

    def _check_material(self) -> None:
        own = ("ca_file", "ca_data", "client_cert", "client_key", "key_password")
        for name in own:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise ConfigError(name, "(hidden)", "text that is not empty")
        if self.ca_data is not None and not is_pem(self.ca_data):
            raise ConfigError("ca_data", "(hidden)", "certificates as PEM text; a path is a `ca_file`")
        if self.client_cert is None and (self.client_key is not None or self.key_password is not None):
            raise ConfigError("client_cert", None, "a certificate, because there is a key")
        if self.context is None:
            return
        if given := [name for name in own if getattr(self, name) is not None]:
            raise ConfigError("context", self.context, f"either a context of your own, or {given[0]}")
        required = getattr(self.context, "verify_mode", None)
        if required is None or (not required and not self.pins_suffice and not self.insecure_skip_verify):
            raise ConfigError("context", self.context, "an ssl.SSLContext that verifies certificates (CERT_REQUIRED)")

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked like a new one.

        Raises:
            ConfigError: A value cannot work.
            TypeError: There is no such field.
        """
        return replace(self, **changes)


def is_pem(text: str) -> bool:
    """Whether this is PEM text, and not the path of a file."""
    return "-----BEGIN " in text


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(entry, str) for entry in value):
        raise ConfigError(name, value, "a tuple of texts")
    return tuple(value)


def _names(name: str, value: Any) -> tuple[str, ...]:
    return tuple(plain_name(check_host(name, entry)) for entry in _texts(name, value))


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsParams:
    """How names are looked up.

    Attributes:
        nameservers: Addresses of the name servers to ask, each as ``192.0.2.53``, ``192.0.2.53:5353``, ``2001:db8::53``
            or ``[2001:db8::53]:5353``; empty for those of the system.
        timeout: Seconds that finding the targets of a URI may take, all questions and repeats included.
        hosts_file: Path of the file with names and addresses that are known without asking; ``None`` for no such file.
        refuse_downgrade: Do not use a domain that offered TLS by its NAPTR records before, and now leads elsewhere:
            somebody may keep the records from us. Without, that is only logged and counted.

    Raises:
        ConfigError: A name server is not an address, or the time limit is not above zero.
    """

    nameservers: tuple[str, ...] = ()
    timeout: float = 5.0
    hosts_file: str | None = "/etc/hosts"
    refuse_downgrade: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.nameservers, str):
            raise ConfigError("nameservers", self.nameservers, "a tuple of addresses, not one text")
        object.__setattr__(self, "nameservers", tuple(self.nameservers))
        for server in self.nameservers:
            if not _is_nameserver(server):
                raise ConfigError("nameservers", server, "an IP address, an IPv4 address:port or [IPv6 address]:port")
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            raise ConfigError("timeout", self.timeout, "a number of seconds above 0")


def _is_nameserver(text: str) -> bool:
    if parse_ip(text) is not None and not text.startswith("["):
        return True
    try:
        host, port = parse_hostport(text)
    except ParseError:
        return False
    return port is not None and parse_ip(host) is not None
