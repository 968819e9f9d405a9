"""From octets to messages: where a datagram ends, the start line, limits, what is tolerated."""

from __future__ import annotations

import pytest

from aiosipreg.errors import ParseError
from aiosipreg.wire.message import Request, Response
from aiosipreg.wire.parse import parse_head, parse_message

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


def response(data: bytes) -> Response:
    found = parse_head(data)
    assert isinstance(found, Response)
    return found


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        ("SIP/2.0 200 OK", 200, "OK"),
        ("SIP/2.0 100 ", 100, ""),
        ("SIP/2.0 699 x y  z", 699, "x y  z"),
        ("SIP/2.0 200 = 2**3 * 5**2 \u043d\u043e %20\t!", 200, "= 2**3 * 5**2 \u043d\u043e %20\t!"),
        ("SIP/2.0 200  OK ", 200, "OK"),
    ],
)
def test_MSG_02_status_lines(line: str, status: int, reason: str) -> None:
    head = response(line.encode())
    assert (head.status, head.reason, head.oddities) == (status, reason, ())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SIP/2.0  200  OK", "OK"),
        ("SIP/2.0 200", ""),
        ("sip/2.0 200 OK", "OK"),
        ("SIP/2.0\t200\tOK", "OK"),
        ("Sip/2.0 200", ""),
    ],
)
def test_GRM_59_ROB_7_odd_status_lines_are_tolerated_and_told(line: str, reason: str) -> None:
    head = response(line.encode())
    assert (head.status, head.reason, head.oddities) == (200, reason, ("status line",))


@pytest.mark.parametrize(
    "line",
    ["SIP/2.0 0200 OK", "SIP/2.0 20 OK", "SIP/2.0 2O0 OK", "SIP/2.0 099 OK", "SIP/2.0 700 OK", "SIP/2.0 4294967301 big",
     "SIP/2.0 -20 OK", "SIP/2.0 \u0662\u0660\u0660 OK", "SIP/7.0 200 OK", "SIP/2.0", "SIP/2.0 ", "SIP/2.0200 OK",
     "SIP/2.0 200OK", "SIP/"],
)  # fmt: skip
def test_MSG_17_no_status_lines(line: str) -> None:
    with pytest.raises(ParseError):
        parse_head(line.encode())


@pytest.mark.parametrize(
    ("line", "words", "oddities"),
    [
        ("REGISTER sip:h SIP/2.0", ("REGISTER", "sip:h"), ()),
        ("RE%47IST%45R sip:h SIP/2.0", ("RE%47IST%45R", "sip:h"), ()),
        ("REGISTER sip:h sip/2.0", ("REGISTER", "sip:h"), ()),
        ("REGISTER sip:h SIP/2.0  ", ("REGISTER", "sip:h"), ("request line",)),
        ("REGISTER  sip:h\tSIP/2.0", ("REGISTER", "sip:h"), ("request line",)),
        ("OPTIONS \u00f1:\u00a0x SIP/2.0", ("OPTIONS", "\u00f1:\u00a0x"), ()),
    ],
)
def test_request_lines(line: str, words: tuple[str, str], oddities: tuple[str, ...]) -> None:
    head = parse_head(line.encode())
    assert isinstance(head, Request)
    assert ((head.method, head.uri), head.oddities) == (words, oddities)


@pytest.mark.parametrize(
    "line",
    ["", " ", "REGISTER", "REGISTER sip:h", "REGISTER sip:h SIP/7.0", "REGISTER sip:a; lr SIP/2.0", "A@B sip:h SIP/2.0",
     "A sip:h\x00 SIP/2.0", "A sip:h HTTP/1.1", " A sip:h SIP/2.0 x", "\x01\x01\x00\x00 a SIP/2.0"],
)  # fmt: skip
def test_no_request_lines(line: str) -> None:
    with pytest.raises(ParseError):
        parse_head(line.encode())


def test_ROB_7_bare_line_feeds_are_tolerated_and_told() -> None:
    head = parse_head(b"SIP/2.0 200 OK\nVia: a\r\nTo : b\n c")
    assert head.headers.items() == (("Via", "a"), ("To", "b c"))
    assert head.oddities == ("bare LF", "blank before colon")


def test_a_bare_carriage_return_ends_no_line() -> None:
    head = parse_head(b"SIP/2.0 200 OK\r\nTo: a\rX: b\r\nFrom: c")
    assert head.headers.items() == (("To", "a\rX: b"), ("From", "c"))


def test_GRM_26_octets_survive_as_surrogates() -> None:
    head = response(b"SIP/2.0 200 \xe4\r\nTo: \xff\xc3\xa4")
    assert head.reason == "\udce4"
    assert head.headers.get("to") == "\udcff\u00e4"


def test_SEC_12_tabs_become_blanks_outside_quoted_strings() -> None:
    head = response(b'SIP/2.0 200 a\tb\r\nVia: a\tb\r\nTo: "a\tb"\r\n\t<sip:h>')
    assert head.reason == "a\tb"
    assert head.headers.items() == (("Via", "a b"), ("To", '"a\tb" <sip:h>'))


def with_rows(*rows: bytes) -> bytes:
    return b"\r\n".join((b"SIP/2.0 200 OK", *rows))


def test_limits_of_rows() -> None:
    assert len(response(with_rows(*[b"A: b"] * 200)).headers) == 200
    for rows in ([b"A: b"] * 201, [b"A: b"] * 200 + [b"junk"], [b"junk"] * 201):
        with pytest.raises(ParseError):
            parse_head(with_rows(*rows))


def test_limits_of_a_row_folded_or_not() -> None:
    assert parse_head(with_rows(b"A: " + b"b" * 16383)).headers
    with pytest.raises(ParseError):
        parse_head(with_rows(b"A: " + b"b" * 16384))
    with pytest.raises(ParseError):
        parse_head(with_rows(b"A:", *[b" " + b"b" * 1023] * 17))


def test_limits_of_the_start_line() -> None:
    assert parse_head(b"SIP/2.0 200 " + b"x" * (8192 - 12))
    with pytest.raises(ParseError):
        parse_head(b"SIP/2.0 200 " + b"x" * (8193 - 12))


def test_limits_of_the_head() -> None:
    rows = [b"A: " + b"b" * 13000] * 5
    assert parse_head(with_rows(*rows))
    with pytest.raises(ParseError):
        parse_head(with_rows(*rows, b"A: " + b"b" * 600))
