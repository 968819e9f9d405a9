"""What a whole core is told (floor 2): frozen values, checked when they are built."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.host import parse_hostport, parse_ip

__all__ = ["DnsParams", "TransportParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportParams:
    """Local sockets, and which transports are used at all.

    Attributes:
        udp: Local UDP port; 0 for any, ``None`` to use no UDP.
        tcp: Local port of TCP connections; 0 for any, which lets the system keep them apart; ``None`` to use no TCP.
        bind: Local addresses to use, at most one per address family; empty for whichever the system routes through.
        dscp: DSCP mark of what is sent, 0 to 63 (RFC 2474).

    Raises:
        ConfigError: A value is out of range.
    """

    udp: int | None = 0
    tcp: int | None = 0
    bind: tuple[str, ...] = ()
    dscp: int = 0

    def __post_init__(self) -> None:
        for name in ("udp", "tcp"):
            port = getattr(self, name)
            if port is not None and not 0 <= port <= 65535:
                raise ConfigError(name, port, "a port, 0 to 65535")
        if self.udp is None and self.tcp is None:
            raise ConfigError("udp", None, "at least one transport to be left on")
        if not 0 <= self.dscp <= 63:
            raise ConfigError("dscp", self.dscp, "a DSCP value, 0 to 63")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsParams:
    """How names are looked up.

    Attributes:
        nameservers: Addresses of the name servers to ask, each as ``192.0.2.53``, ``192.0.2.53:5353``, ``2001:db8::53``
            or ``[2001:db8::53]:5353``; empty for those of the system.
        timeout: Seconds that finding the targets of a URI may take, all questions and repeats included.
        hosts_file: Path of the file with names and addresses that are known without asking; ``None`` for no such file.

    Raises:
        ConfigError: A name server is not an address, or the time limit is not above zero.
    """

    nameservers: tuple[str, ...] = ()
    timeout: float = 5.0
    hosts_file: str | None = "/etc/hosts"

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
