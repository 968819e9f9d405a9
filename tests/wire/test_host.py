"""Hosts, IP literals and ports."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.host import (
    check_host,
    check_port,
    format_host,
    parse_host,
    parse_hostport,
    parse_ip,
    parse_port,
    plain_name,
)
from tests.wire.effort import LIMIT, PATTERNS, growth


@pytest.mark.parametrize(
    "text", ["h", "example.com", "example.com.", "h_1.example", "192.0.2.1", "a-b", "1.2.3.4.5", "H"]
)
def test_GRM_49_names_are_kept_as_sent(text: str) -> None:
    assert parse_host(text) == text


@pytest.mark.parametrize(
    ("name", "plain"), [("Example.COM.", "example.com"), ("example.com", "example.com"), (".", ""), ("a..", "a.")]
)
def test_spellings_of_a_name_compare(name: str, plain: str) -> None:
    assert plain_name(name) == plain


NAMES = ["", ".", "a..b", ".a", "a b", "a/b", "ex%61mple.com", "é", "a\n"]
LITERALS = ["[]", "[1.2.3.4]", "[::1", "::1]", "::1", "[fe80::1%25eth0]", "[::g]", "[::1]x"]


@pytest.mark.parametrize("text", NAMES + LITERALS)
def test_URI_03_GRM_50_no_hosts(text: str) -> None:
    with pytest.raises(ParseError):
        parse_host(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("[192.0.2.1]", "192.0.2.1"),
        ("2001:db8::9:01", "2001:db8::9:1"),
        ("[2001:DB8:0:0::1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("::ffff:c000:201", "::ffff:192.0.2.1"),
        ("2001:db8:::192.0.2.1", "2001:db8::c000:201"),
        ("[2001:db8::9:255]", "2001:db8::9:255"),
        ("::1", "::1"),
        ("::", "::"),
    ],
)
def test_URI_09_10_11_addresses_in_canonical_form(text: str, address: str) -> None:
    assert parse_ip(text) == address


@pytest.mark.parametrize(
    "text", ["", "h", "1.2.3", "1.2.3.256", "::1%1", "2001:db8:::1", ":::::192.0.2.1", "[", "[]", "1.2.3.04"]
)
def test_no_addresses(text: str) -> None:
    assert parse_ip(text) is None


OCTETS = st.one_of(st.integers(0, 300).map(str), st.text("0123456789.٣ ", max_size=4))


@given(text=st.one_of(st.ip_addresses(v=4).map(str), st.lists(OCTETS, min_size=3, max_size=5).map(".".join)))
def test_IPv4_literals_are_those_of_the_standard_library(text: str) -> None:
    try:
        wanted = str(IPv4Address(text))
    except ValueError:
        wanted = None
    assert parse_ip(text) == wanted


@pytest.mark.parametrize(("text", "port"), [("1", 1), ("5060", 5060), ("65535", 65535), ("0005060", 5060)])
def test_ports(text: str, port: int) -> None:
    assert parse_port(text) == port


@pytest.mark.parametrize("text", ["", "0", "65536", "99999", "100000", "-1", "5060a", "٥٠٦٠", "²", " 1", "1" * 9999])
def test_GRM_51_no_ports(text: str) -> None:
    assert parse_port(text) is None


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("h", "h", None),
        ("h:5060", "h", 5060),
        ("host : 5060", "host", 5060),
        ("[::1]", "::1", None),
        ("[2001:db8::10:5070]", "2001:db8::10:5070", None),
        ("[::ffff:192.0.2.1]:5060", "::ffff:192.0.2.1", 5060),
    ],
)
def test_hosts_with_ports(text: str, host: str, port: int | None) -> None:
    assert parse_hostport(text) == (host, port)


@pytest.mark.parametrize(
    "text", ["", ":5060", "h:", "h:0", "h:65536", "2001:db8::1:5060", "h:1:2", "[::1]:", "[::1]5060", "h h:1"]
)
def test_no_hosts_with_ports(text: str) -> None:
    with pytest.raises(ParseError):
        parse_hostport(text)


def test_brackets_are_written_around_ipv6_only() -> None:
    assert [format_host(host) for host in ("h", "192.0.2.1", "::1")] == ["h", "192.0.2.1", "[::1]"]


def test_given_hosts_may_have_brackets_or_not() -> None:
    assert check_host("host", "[2001:DB8::1]") == check_host("host", "2001:db8:0::1") == "2001:db8::1"
    assert check_host("host", "Example.com") == "Example.com"


@pytest.mark.parametrize("text", ["", "a b", "a\r\nX: y", "sip:h", "::1::"])
def test_SEC_11_given_hosts_are_checked(text: str) -> None:
    with pytest.raises(ConfigError):
        check_host("host", text)


def test_given_ports_are_checked() -> None:
    for port in (None, 1, 65535):
        check_port("port", port)
    for port in (0, -1, 65536):
        with pytest.raises(ConfigError):
            check_port("port", port)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("prefix", ["", "[", "a."])
def test_ROB_3_time_grows_linearly(prefix: str, pattern: str) -> None:
    assert growth(parse_hostport, pattern, prefix) < LIMIT
    assert growth(parse_ip, pattern, prefix) < LIMIT
