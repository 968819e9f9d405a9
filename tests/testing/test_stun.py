"""aiosipreg/testing/stun.py: Binding requests, checked against the vectors of RFC 5769."""

from __future__ import annotations

import struct

import pytest

from aiosipreg.testing.stun import binding_response

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex("000100002112a442") + TRANSACTION


@pytest.mark.parametrize(
    ("mapped", "value"),
    [
        (("192.0.2.1", 32853), "0001a147e112a643"),
        (("2001:db8:1234:5678:11:2233:4455:6677", 32853), "0002a1470113a9faa5d3f179bc25f4b5bed2b9d9"),
    ],
)
def test_the_address_is_hidden_as_in_rfc5769(mapped: tuple[str, int], value: str) -> None:
    attribute = bytes.fromhex(value)
    head = struct.pack("!HHI12sHH", 0x0101, len(attribute) + 4, 0x2112A442, TRANSACTION, 0x0020, len(attribute))
    assert binding_response(REQUEST, mapped) == head + attribute


def test_attributes_of_a_request_are_passed_over() -> None:
    software = struct.pack("!HH4s", 0x8022, 4, b"test")
    assert binding_response(b"\x00\x01\x00\x08" + REQUEST[4:] + software, ("192.0.2.1", 1)) is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        REQUEST[:-1],
        REQUEST + b"\x00",
        b"\x01\x01" + REQUEST[2:],
        REQUEST[:4] + bytes(4) + REQUEST[8:],
        b"REGISTER sip:sip.titi.com SIP/2.0\r\n",
    ],
)
def test_anything_else_is_no_binding_request(data: bytes) -> None:
    assert binding_response(data, ("192.0.2.1", 1)) is None
