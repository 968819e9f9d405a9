"""From octets to messages: where a datagram ends, and what is tolerated."""

from __future__ import annotations

import pytest

from aiosipreg.errors import ParseError
from aiosipreg.wire.parse import parse_message

PLAIN = b"SIP/2.0 200 OK\r\nTo: a\r\n"


@pytest.mark.parametrize(
    ("rest", "body"),
    [
        (b"\r\nabc", b"abc"),
        (b"\r\n", b""),
        (b"l: 2\r\n\r\nabc", b"ab"),
        (b"l: 3\r\n\r\nabc", b"abc"),
        (b"l: 0\r\n\r\nabc", b""),
        (b"l: 3\r\n\r\n\x00\n\r", b"\x00\n\r"),
        (b"l: 3\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    ],
)
def test_MSG_11_GRM_56_57_58_bodies_of_datagrams(rest: bytes, body: bytes) -> None:
    assert parse_message(PLAIN + rest).body == body


@pytest.mark.parametrize(
    "rest",
    [b"l: 4\r\n\r\nabc", b"", b"\r", b"l: 0\r\n", b"l: -1\r\n\r\n", b"l: five\r\n\r\n", b"l: 1\r\nl: 2\r\n\r\nabc"],
)
def test_MSG_11_GRM_56_57_datagrams_that_are_dropped(rest: bytes) -> None:
    with pytest.raises(ParseError):
        parse_message(PLAIN + rest)


def test_line_ends_before_a_datagram_are_skipped() -> None:
    assert parse_message(b"\r\n\r\n\n" + PLAIN + b"\r\n").headers.get("To") == "a"


@pytest.mark.parametrize(
    "data", [b"", b"\r\n\r\n", b"\r\n", b"\0", b"\x01\x01\x00\x00!\x12\xa4B" + bytes(12), b"\n\n\n\n", b"\xff" * 99]
)
def test_GRM_60_no_sip(data: bytes) -> None:
    with pytest.raises(ParseError):
        parse_message(data)


def test_a_long_body_is_kept_by_a_request_only() -> None:
    data = b"l: 65537\r\n\r\n" + b"x" * 65537
    found = parse_message(b"SIP/2.0 200 OK\r\n" + data)
    assert (found.body, found.oddities) == (b"", ("long body",))
    asked = parse_message(b"NOTIFY sip:a@h SIP/2.0\r\n" + data)
    assert (len(asked.body), asked.oddities) == (65537, ())


@pytest.mark.parametrize(
    ("data", "oddity"),
    [
        (b"SIP/2.0 200 OK\nTo: a\n\n", "bare LF"),
        (b"SIP/2.0 200 OK\r\nTo : a\r\n\r\n", "blank before colon"),
        (b"SIP/2.0 200\r\nTo: a\r\n\r\n", "status line"),
        (b"sip/2.0 200 OK\r\nTo: a\r\n\r\n", "status line"),
        (b"OPTIONS  sip:h SIP/2.0\r\nTo: a\r\n\r\n", "request line"),
    ],
)
def test_ROB_7_what_is_tolerated_is_told_or_refused(data: bytes, oddity: str) -> None:
    found = parse_message(data)
    assert (found.headers.get("To"), found.oddities) == ("a", (oddity,))
    with pytest.raises(ParseError, match=oddity):
        parse_message(data, strict=True)
    assert parse_message(PLAIN + b"\r\n", strict=True).headers.get("To") == "a"


@pytest.mark.parametrize("rest", [b"\n\n", b"\n\r\n", b"\r\n\n", b"\r\nX: y\n\n"])
def test_ROB_7_the_first_empty_line_ends_the_head_with_and_without_cr(rest: bytes) -> None:
    body = b"v: 0\r\n\r\n" + b"\r\n" * 70000
    found = parse_message(b"NOTIFY sip:a@h SIP/2.0\r\nTo: a" + rest + body)
    assert found.body == body
