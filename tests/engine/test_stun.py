"""STUN Binding requests and what answers them (RFC 8489)."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.engine.stun import BindingResponse, binding_request, read_binding_response

COOKIE = 0x2112A442
ID = bytes(range(1, 13))


def message(kind: int, *attributes: tuple[int, bytes], transaction: bytes = ID, cookie: int = COOKIE) -> bytes:
    """A STUN message; attributes are padded as RFC 8489 14 wants it."""
    body = b"".join(struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4) for name, value in attributes)
    return struct.pack("!HHI12s", kind, len(body), cookie, transaction) + body


def xored(host: str, port: int, transaction: bytes = ID) -> bytes:
    """The value of XOR-MAPPED-ADDRESS (RFC 8489 14.2)."""
    ip = ipaddress.ip_address(host)
    mask = int.from_bytes(struct.pack("!I", COOKIE) + transaction) >> (96 if ip.version == 4 else 0)
    family = 1 if ip.version == 4 else 2
    return struct.pack("!BBH", 0, family, port ^ 0x2112) + (int(ip) ^ mask).to_bytes(4 if ip.version == 4 else 16)


def test_KA_10_a_request_is_twenty_octets() -> None:
    assert binding_request(ID) == bytes.fromhex("0001 0000 2112a442") + ID


def test_an_answer_tells_our_address() -> None:
    data = message(0x0101, (0x8022, b"server"), (0x0020, xored("203.0.113.9", 40_000)), (0x8028, b"1234"))
    assert read_binding_response(data) == BindingResponse(ID, ("203.0.113.9", 40_000))


def test_the_sample_of_rfc_5769() -> None:
    # Section 2.2 (IPv4) and 2.3 (IPv6), without what authenticates them.
    transaction = bytes.fromhex("b7e7a701bc34d686fa87dfae")
    ipv4 = message(0x0101, (0x0020, bytes.fromhex("0001a147e112a643")), transaction=transaction)
    ipv6 = message(0x0101, (0x0020, bytes.fromhex("0002a1470113a9faa5d3f179bc25f4b5bed2b9d9")), transaction=transaction)
    assert read_binding_response(ipv4) == BindingResponse(transaction, ("192.0.2.1", 32853))
    assert read_binding_response(ipv6) == BindingResponse(transaction, ("2001:db8:1234:5678:11:2233:4455:6677", 32853))


@given(st.ip_addresses(), st.integers(0, 65535), st.binary(min_size=12, max_size=12))
def test_every_address_is_read(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, transaction: bytes
) -> None:
    data = message(0x0101, (0x0020, xored(str(ip), port, transaction)), transaction=transaction)
    assert read_binding_response(data) == BindingResponse(transaction, (str(ip), port))


def test_an_address_in_the_clear_will_do_and_the_hidden_one_counts_more() -> None:
    clear = struct.pack("!BBH", 0, 1, 5060) + bytes([192, 0, 2, 7])
    assert read_binding_response(message(0x0101, (0x0001, clear))) == BindingResponse(ID, ("192.0.2.7", 5060))
    both = message(0x0101, (0x0001, clear), (0x0020, xored("203.0.113.9", 40_000)))
    assert read_binding_response(both) == BindingResponse(ID, ("203.0.113.9", 40_000))


@pytest.mark.parametrize(
    "value",
    [b"", b"\x00\x01\x00\x00", b"\x00\x02\x00\x00\x01\x02\x03\x04", b"\x00\x01" + bytes(18), b"\x00\x03" + bytes(6)],
)
def test_an_address_of_no_family_is_none(value: bytes) -> None:
    assert read_binding_response(message(0x0101, (0x0020, value))) == BindingResponse(ID)


def test_only_the_first_of_two_equal_attributes_counts() -> None:
    data = message(0x0101, (0x0020, xored("203.0.113.9", 1)), (0x0020, xored("203.0.113.9", 2)))
    assert read_binding_response(data) == BindingResponse(ID, ("203.0.113.9", 1))


@pytest.mark.parametrize(
    ("value", "code"), [(b"\x00\x00\x04\x00", 400), (b"\x00\x00\x04\x14Unknown", 420), (b"\x00\x00", 0), (None, 0)]
)
def test_an_error(value: bytes | None, code: int) -> None:
    data = message(0x0111, *([] if value is None else [(0x0009, value)]))
    assert read_binding_response(data) == BindingResponse(ID, error=code)


def test_what_may_not_be_ignored_and_is_not_known_is_told() -> None:
    data = message(0x0101, (0x0004, b"1234"), (0x7FFF, b""), (0x8000, b"may be ignored"), (0x0014, b"realm"))
    assert read_binding_response(data) == BindingResponse(ID, unknown=(0x0004, 0x7FFF))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(message(0x0101)[:19], id="short"),
        pytest.param(message(0x0001), id="a request"),
        pytest.param(message(0x0011), id="an indication"),
        pytest.param(message(0x0101, cookie=0x2112A443), id="another cookie"),
        pytest.param(message(0x0101, (0x0020, xored("203.0.113.9", 1)))[:-1], id="cut short"),
        pytest.param(message(0x0101) + b"1234", id="too long"),
        pytest.param(struct.pack("!HHI12s", 0x0101, 2, COOKIE, ID) + b"12", id="half an attribute"),
        pytest.param(struct.pack("!HHI12sHH", 0x0101, 4, COOKIE, ID, 0x0020, 8), id="an attribute beyond the end"),
    ],
)
def test_SEC_29_what_is_no_answer_is_none(data: bytes) -> None:
    assert read_binding_response(data) is None


@given(st.binary(max_size=200))
def test_SEC_29_anything_may_come(data: bytes) -> None:
    read_binding_response(data)
    read_binding_response(message(0x0101)[:2] + struct.pack("!H", len(data)) + message(0)[4:] + data)
