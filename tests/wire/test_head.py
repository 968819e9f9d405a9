"""The head: its end, the start line, limits, what is tolerated."""

from __future__ import annotations

import pytest

from aiosipreg.errors import ParseError
from aiosipreg.wire.head import find_end, parse_head
from aiosipreg.wire.message import Request, Response


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (b"a\r\n\r\nb", (1, 5)),
        (b"a\n\nb", (1, 3)),
        (b"a\n\r\nb", (1, 4)),
        (b"a\r\n\nb", (1, 4)),
        (b"a\r\nb\n\nc\r\n\r\n", (4, 6)),
        (b"\r\n\r\n", (0, 4)),
        (b"\n\n", (0, 2)),
        (b"a\r\n \r\n\r\n", (4, 8)),
        (b"a\r\r\n\r\n", (2, 6)),
    ],
)
def test_ROB_7_where_the_head_ends(data: bytes, ends: tuple[int, int]) -> None:
    assert find_end(data) == ends
    assert find_end(bytearray(data)) == ends


@pytest.mark.parametrize("data", [b"", b"a", b"a\r\n", b"a\r\n\r", b"a\r\n \r\n", b"\r\r"])
def test_a_head_without_end(data: bytes) -> None:
    assert find_end(data) is None


def test_the_search_may_be_continued() -> None:
    data = b"a\r\n\r\nb\r\n\r\n"
    assert find_end(data, 2) == (1, 5)
    assert find_end(data, 5) == (6, 10)


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
