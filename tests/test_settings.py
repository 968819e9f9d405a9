"""What a whole core is told: values that work, and values that are refused when they are built."""

from __future__ import annotations

from typing import Any

import pytest

from aiosipreg.errors import ConfigError
from aiosipreg.settings import DnsParams, TransportParams


def test_dns_params_defaults() -> None:
    assert DnsParams() == DnsParams(nameservers=(), timeout=5.0, hosts_file="/etc/hosts")


@pytest.mark.parametrize(
    "server", ["192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353", "::1", "[::1]:53"]
)
def test_dns_params_name_servers(server: str) -> None:
    assert DnsParams(nameservers=(server, "127.0.0.1")).nameservers == (server, "127.0.0.1")


def test_dns_params_keep_a_tuple() -> None:
    servers: Any = ["127.0.0.1"]
    params = DnsParams(nameservers=servers)
    servers.clear()
    assert params.nameservers == ("127.0.0.1",)


@pytest.mark.parametrize(
    "server",
    ["", "ns.example.org", "ns.example.org:53", "192.0.2.53:0", "192.0.2.53:65536", "192.0.2.53:", "[2001:db8::53]",
     "192.0.2.53,192.0.2.54", "192.0.2.53\n"],
)  # fmt: skip
def test_dns_params_refuse_what_is_no_address(server: str) -> None:
    with pytest.raises(ConfigError, match="nameservers"):
        DnsParams(nameservers=(server,))


def test_dns_params_refuse_one_text() -> None:
    servers: Any = "127.0.0.1"
    with pytest.raises(ConfigError, match="not one text"):
        DnsParams(nameservers=servers)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_dns_params_need_a_time_limit(timeout: float) -> None:
    with pytest.raises(ConfigError, match="timeout"):
        DnsParams(timeout=timeout)


def test_transport_params_defaults() -> None:
    assert TransportParams() == TransportParams(udp=0, tcp=0, tls=0, bind=(), dscp=0)


@pytest.mark.parametrize("name", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("port", [-1, 65536])
def test_transport_params_refuse_what_is_no_port(name: str, port: int) -> None:
    ports: Any = {name: port}
    with pytest.raises(ConfigError, match=f"{name}={port}: expected a port, 0 to 65535"):
        TransportParams(**ports)


def test_transport_params_need_a_transport() -> None:
    with pytest.raises(ConfigError, match="at least one transport"):
        TransportParams(udp=None, tcp=None, tls=None)
