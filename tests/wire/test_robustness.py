"""Reading: any octets give a message or a ParseError, now and later, in time linear in their number (ROB-3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.wire import ParseError, Request, Response, parse_message
from tests.wire.effort import LIMIT, PATTERNS, growth

PROPERTIES = {
    kind: [name for name in dir(kind) if not name.startswith("_")] + ["headers", "body", "dropped", "oddities"]
    for kind in (Request, Response)
}
LISTS = ["contacts", "path", "service_route", "associated_uris", "routes", "warnings", "security_server"]
SOUND = (
    b"REGISTER sip:example.org SIP/2.0|Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport|Max-Forwards: 70|"
    b"From: <sip:a@example.org>;tag=1|To: <sip:a@example.org>|Call-ID: c|CSeq: 1 REGISTER|"
    b"Contact: <sip:a@192.0.2.1>;expires=60|Content-Length: 0||"
)
ROWS = """
    Via CSeq From To Call-ID Contact m Expires Min-Expires Retry-After Flow-Timer Path Route Service-Route
    P-Associated-URI WWW-Authenticate Proxy-Authenticate Warning Require Authentication-Info Security-Server
    Feature-Caps Supported Unsupported Content-Length
"""
PIECES = r"""
    SIP/2.0/UDP|h;branch=x <sip:a@h;lr> "x" < > " , ; = * \ ( ) @ : sip: tel:+1 %00 [::1] Digest|realm= nonce= q=0.5
    ;expires=60 1|REGISTER 60 399|h|"x"
"""
WORDS = [
    *(f"{name}: ".encode() for name in ROWS.split()),
    *(piece.replace("|", " ").encode() for piece in PIECES.split()),
    *(b"SIP/2.0 200 OK\r\n", b"REGISTER sip:h SIP/2.0\r\n", b"\r\n", b"\n", b"\r", b"\t", b" ", b"\x00", b"\xff"),
]


def check_everything(data: bytes) -> None:
    try:
        message = parse_message(data)
    except ParseError:
        return
    for name in PROPERTIES[type(message)]:
        try:
            value = getattr(message, name)
        except ParseError:
            continue
        for entry in value if name in LISTS else ():
            str(entry)
    again = parse_message(bytes(message))
    assert start(again) == start(message)
    assert again.body == message.body
    assert without_length(again) == without_length(message)


def start(message: Request | Response) -> tuple[Any, ...]:
    if isinstance(message, Request):
        return message.method, message.uri
    return message.status, message.reason


def without_length(message: Request | Response) -> list[tuple[str, str]]:
    return [(name, value) for name, value in message.headers.items() if name.lower() not in ("l", "content-length")]


@given(st.binary(max_size=300))
def test_ROB_3_any_octets_give_a_message_or_a_parse_error(data: bytes) -> None:
    check_everything(data)
    check_everything(b"SIP/2.0 200 OK\r\n" + data + b"\r\n\r\n")


@given(st.lists(st.sampled_from(WORDS), max_size=40).map(b"".join))
def test_ROB_3_any_mixture_of_words_gives_a_message_or_a_parse_error(data: bytes) -> None:
    check_everything(data)
    check_everything(b"SIP/2.0 200 OK\r\n" + data + b"\r\n\r\n")


@given(st.binary(max_size=30), st.data())
def test_ROB_3_a_damaged_message_gives_a_message_or_a_parse_error(junk: bytes, data: st.DataObject) -> None:
    sound = SOUND.replace(b"|", b"\r\n")
    start_at = data.draw(st.integers(0, len(sound)))
    end_at = data.draw(st.integers(start_at, len(sound)))
    check_everything(sound[:start_at] + junk + sound[end_at:])


NAMES = [
    b"Contact",
    b"Via",
    b"WWW-Authenticate",
    b"Warning",
    b"Path",
    b"Retry-After",
    b"Authentication-Info",
    b"Supported",
    b"CSeq",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_ROB_3_time_grows_linearly(monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    monkeypatch.setattr("aiosipreg.wire.head.MAX_ROW", 1 << 20)
    monkeypatch.setattr("aiosipreg.wire.head.MAX_HEAD", 1 << 20)

    def read(text: str) -> None:
        octets = text.encode()
        check_everything(b"SIP/2.0 200 OK\r\n" + b"".join(name + b": " + octets + b"\r\n" for name in NAMES) + b"\r\n")

    assert growth(read, pattern, size=256) < LIMIT


@pytest.mark.parametrize(
    "pattern", [b"(", b",", b'"', b"<", b";", b"\n", b"\r\n", b"\r", b" ", b"a: b\n", b"a\n", b"a:\n "]
)
@pytest.mark.parametrize("prefix", [b"", b"SIP/2.0 200 OK\r\n", b"SIP/2.0 200 OK\r\nm:"])
def test_ROB_3_many_kib_of_one_thing(prefix: bytes, pattern: bytes) -> None:
    def read(text: str) -> None:
        check_everything(prefix + pattern * len(text) + b"\r\n\r\n")

    assert growth(read, "x", size=4096) < LIMIT
