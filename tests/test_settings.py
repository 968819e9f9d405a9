"""What a whole core is told: values that work, and values that are refused when they are built."""

from __future__ import annotations

import re
import ssl
from typing import Any

import pytest

from aiosipreg.auth import AuthInfo
from aiosipreg.errors import ConfigError
from aiosipreg.settings import DnsParams, TlsParams, TransportParams, WebSocketParams


def test_dns_params_defaults() -> None:
    assert DnsParams() == DnsParams(nameservers=(), timeout=5.0, hosts_file="/etc/hosts", refuse_downgrade=False)


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
    assert TransportParams() == TransportParams(udp=0, tcp=0, tls=0, bind=(), dscp=0, websockets=())


@pytest.mark.parametrize("name", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("port", [-1, 65536])
def test_transport_params_refuse_what_is_no_port(name: str, port: int) -> None:
    ports: Any = {name: port}
    with pytest.raises(ConfigError, match=f"{name}={port}: expected a port, 0 to 65535"):
        TransportParams(**ports)


def test_transport_params_need_a_transport() -> None:
    with pytest.raises(ConfigError, match="at least one transport"):
        TransportParams(udp=None, tcp=None, tls=None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"dscp": 64}, "dscp=64: expected a DSCP value, 0 to 63"),
        ({"dscp": -1}, "dscp=-1: expected a DSCP value, 0 to 63"),
        ({"bind": ("localhost",)}, "bind='localhost': expected an IP address of this machine"),
        ({"bind": ("192.0.2.1", "192.0.2.2")}, "expected at most one address per address family"),
    ],
)
def test_transport_params_refuse_what_cannot_work(values: Any, expected: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)):
        TransportParams(**values)


def test_WS_5_websocket_params() -> None:
    params = WebSocketParams(server="Example.ORG.", headers=[["Cookie", "id=planted-secret"]])  # type: ignore[arg-type]
    assert (params.server, params.path) == ("example.org", "/")
    assert params.headers == (("Cookie", "id=planted-secret"),)
    assert "planted-secret" not in repr(TransportParams(websockets=(params,)))
    assert hash(params) == hash(WebSocketParams(server="example.org", headers=(("Cookie", "id=planted-secret"),)))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"server": ""}, "server"),
        ({"server": "a b"}, "server"),
        ({"path": "ws"}, "path"),
        ({"path": "/a b"}, "path"),
        ({"path": "/\r\nX: y"}, "path"),
        ({"path": "/a#b"}, "path"),
        ({"path": None}, "path"),
        ({"headers": ("Cookie",)}, "headers"),
        ({"headers": ((1, "x"),)}, "headers"),
        ({"headers": (("a b", "x"),)}, "headers"),
        ({"headers": (("Host", "x"),)}, "headers"),
        ({"headers": (("Sec-WebSocket-Protocol", "x"),)}, "headers"),
        ({"headers": (("Cookie", ""),)}, "headers[Cookie]"),
        ({"headers": (("Cookie", "planted-secret\r\nX: y"),)}, "headers[Cookie]"),
        ({"auth": "planted-secret"}, "auth"),
        ({"auth": AuthInfo("toto", client_cert="toto.pem")}, "auth"),
        ({"allow_basic": 1}, "allow_basic"),
    ],
)
def test_WS_5_websocket_params_refuse_what_cannot_work(values: Any, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        WebSocketParams(**{"server": "example.org", "auth": AuthInfo("toto", password="x"), **values})
    assert caught.value.field == field
    assert "planted-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "websockets", [("example.org",), (WebSocketParams(server="a.b"), WebSocketParams(server="A.B"))]
)
def test_transport_params_know_each_websocket_server_once(websockets: Any) -> None:
    with pytest.raises(ConfigError, match="one for each server"):
        TransportParams(websockets=websockets)


PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n"


def test_tls_params_defaults() -> None:
    params = TlsParams()
    assert (params.ca_file, params.ca_data, params.context, params.client_cert) == (None, None, None, None)
    assert (params.wildcards, params.extra_names, params.pins) == (True, (), ())
    assert not any((params.common_name, params.strict_usage, params.pins_suffice, params.insecure_skip_verify))


def test_tls_params_show_no_secret() -> None:
    params = TlsParams(client_cert=PEM, client_key=KEY, key_password="geheim", ca_data=PEM)
    assert "SECRET" not in repr(params)
    assert "geheim" not in repr(params)
    assert hash(params) == hash(params.replace())
    assert params != params.replace(key_password="other")


def test_tls_params_bring_names_and_pins_to_one_form() -> None:
    names: Any = ["SIP1.Hoster.net.", "[2001:DB8::1]"]
    params = TlsParams(extra_names=names, pins=("AB" * 32,))
    assert params.extra_names == ("sip1.hoster.net", "2001:db8::1")
    assert params.pins == ("ab" * 32,)


UNVERIFYING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
UNVERIFYING.check_hostname = False
UNVERIFYING.verify_mode = ssl.CERT_NONE


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"wildcards": 1}, "wildcards=1: expected a bool"),
        ({"insecure_skip_verify": None}, "insecure_skip_verify=None: expected a bool"),
        ({"extra_names": "sip1.hoster.net"}, "expected a tuple of texts"),
        ({"extra_names": (b"sip1.hoster.net",)}, "expected a tuple of texts"),
        ({"extra_names": ("*.hoster.net",)}, "expected a host name"),
        ({"extra_names": ("",)}, "expected a host name"),
        ({"pins": ("ab" * 31,)}, "64 hex digits"),
        ({"pins": "ab" * 32}, "expected a tuple of texts"),
        ({"pins_suffice": True}, "pins_suffice=True: expected pins beside it"),
        ({"ca_file": ""}, "ca_file='(hidden)': expected text that is not empty"),
        ({"ca_data": b"x"}, "ca_data='(hidden)': expected text that is not empty"),
        ({"ca_data": "/etc/ssl/ca.pem"}, "a path is a `ca_file`"),
        ({"client_key": KEY}, "client_cert=None: expected a certificate, because there is a key"),
        ({"key_password": "geheim"}, "client_cert=None: expected a certificate"),
        ({"context": ssl.create_default_context(), "ca_file": "/ca.pem"}, "either a context of your own, or ca_file"),
        ({"context": ssl.create_default_context(), "client_cert": PEM}, "either a context of your own, or client_cert"),
        ({"context": UNVERIFYING}, "an ssl.SSLContext that verifies certificates"),
        ({"context": "default"}, "an ssl.SSLContext that verifies certificates"),
    ],
)
def test_tls_params_refuse_what_cannot_work(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TlsParams(**settings)
    assert told in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"insecure_skip_verify": True}, {"pins": ("ab" * 32,), "pins_suffice": True}])
def test_tls_params_take_a_context_that_verifies_nothing_only_with_another_safeguard_or_the_named_switch(
    settings: dict[str, Any],
) -> None:
    assert TlsParams(context=UNVERIFYING, **settings).context is UNVERIFYING
