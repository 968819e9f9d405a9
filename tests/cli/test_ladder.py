"""aiosipreg/cli/ladder.py: messages and states in one picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

import pytest
from rich.console import Console

from aiosipreg import RegistrationEvent, RegistrationState
from aiosipreg.cli.ladder import ASCII, UNICODE, Ladder, glyphs_for, telling_headers
from aiosipreg.testing import Registrar
from aiosipreg.wire import Request, Response

if TYPE_CHECKING:
    from aiosipreg import ProxyConfig

PEER = ("127.0.0.1", 5070)


def register(cseq: int = 1, contact: str = "<sip:toto@127.0.0.1:5070>;expires=60", uri: str = "sip:h") -> bytes:
    headers = [
        ("Via", f"SIP/2.0/UDP 127.0.0.1:5070;rport;branch=z9hG4bK{cseq}"),
        ("From", "<sip:toto@h>;tag=1"),
        ("To", "<sip:toto@h>"),
        ("Call-ID", "1"),
        ("CSeq", f"{cseq} REGISTER"),
        ("Contact", contact),
    ]
    return bytes(Request("REGISTER", uri, headers))


def happened(state: RegistrationState, at: float, message: str = "so it is") -> RegistrationEvent:
    return RegistrationEvent(
        proxy_config=cast("ProxyConfig", None),
        identity="sip:toto@h",
        server="sip:h",
        old=RegistrationState.NONE,
        state=state,
        message=message,
        at=at,
    )


class Picture:
    """A ladder and what it has drawn."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self.octets = io.BytesIO()
        stream = io.TextIOWrapper(self.octets, encoding=encoding, write_through=True)
        self.console = Console(file=stream, width=80, highlight=False, markup=False, soft_wrap=True)
        self.registrar = Registrar(None)
        self.ladder = Ladder(self.console, self.registrar, began=10.0)

    @property
    def lines(self) -> list[str]:
        return self.octets.getvalue().decode().splitlines()


def test_a_request_and_its_answer() -> None:
    picture = Picture()
    picture.registrar.receive(register(), PEER, 10.5)
    picture.ladder.heading()
    picture.ladder.catch_up()
    assert picture.lines == [
        "",
        "   time  state      client                                           registrar",
        "  0.500             ├── REGISTER sip:h, CSeq 1 ─────────────────────────────▶│",
        "                    │   Contact: <sip:toto@127.0.0.1:5070>;expires=60        │",
        "  0.500             │◀─ 200 OK ──────────────────────────────────────────────┤",
        "                    │   Contact: <sip:toto@127.0.0.1:5070>;expires=60        │",
    ]


def test_messages_and_events_stand_in_the_order_of_time() -> None:
    picture = Picture()
    picture.registrar.receive(register(1), PEER, 11.0)
    picture.registrar.receive(register(2), PEER, 13.0)
    picture.ladder.event(happened(RegistrationState.PROGRESS, 10.5))
    picture.ladder.event(happened(RegistrationState.OK, 12.0))
    assert [line[:20].strip() for line in picture.lines] == ["0.500  Progress", "1.000", "", "1.000", "", "2.000  Ok"]
    picture.ladder.catch_up()
    picture.ladder.catch_up()
    assert [line[:8].strip() for line in picture.lines[6:]] == ["3.000", "", "3.000", ""]


def test_retransmissions_and_lost_answers_are_marked() -> None:
    picture = Picture()
    picture.registrar.receive(register(), PEER, 10.0)
    picture.ladder.catch_up(answers_lost=True)
    picture.registrar.receive(register(), PEER, 10.5)
    picture.ladder.catch_up()
    arrows = [line[20:] for line in picture.lines if line[:8].strip()]
    assert arrows == [
        "├── REGISTER sip:h, CSeq 1 ─────────────────────────────▶│",
        "│                            ✗─────── 200 OK, lost ──────┤",
        "├── REGISTER sip:h, CSeq 1, again ──────────────────────▶│",
        "│◀─ 200 OK ──────────────────────────────────────────────┤",
    ]


def test_a_long_sentence_is_wrapped() -> None:
    picture = Picture()
    picture.ladder.event(happened(RegistrationState.FAILED, 10.0, "word " * 30))
    assert len(picture.lines) == 3
    assert {len(line) for line in picture.lines} == {78}
    assert picture.lines[0].startswith("  0.000  Failed     ●   word")
    assert picture.lines[1].startswith("                    │   word")


@pytest.mark.parametrize("message", ["", " "])
def test_an_event_without_words(message: str) -> None:
    picture = Picture()
    picture.ladder.event(happened(RegistrationState.OK, 10.0, message))
    assert len(picture.lines) == 1


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("length", [1, 30, 60, 200])
def test_nothing_is_wider_than_the_picture(length: int, lost: bool) -> None:
    picture = Picture()
    picture.registrar.hook = lambda *_: Response(200, "O" * length)
    picture.registrar.receive(register(contact=f"<sip:{'c' * length}@h>", uri=f"sip:{'u' * length}"), PEER, 10.0)
    picture.ladder.catch_up(answers_lost=lost)
    assert {len(line) for line in picture.lines} == {78}


def test_SEC_38_network_text_cannot_steer_the_terminal() -> None:
    picture = Picture()
    picture.registrar.hook = lambda *_: Response(200, "O\u202eK", [("Contact", "<sip:\u202e@h>")])
    picture.registrar.receive(register(), PEER, 10.0)
    picture.ladder.catch_up()
    assert "\u202e" not in "".join(picture.lines)


def test_plain_characters_where_the_terminal_has_no_others() -> None:
    picture = Picture("ascii")
    picture.registrar.receive(register(), PEER, 10.0)
    picture.ladder.catch_up(answers_lost=True)
    picture.ladder.event(happened(RegistrationState.OK, 11.0))
    assert [line[20:] for line in picture.lines if line[:8].strip()] == [
        "|-- REGISTER sip:h, CSeq 1 ----------------------------->|",
        "|                            x------- 200 OK, lost ------|",
        "*   so it is                                             |",
    ]


def test_the_characters_follow_the_console() -> None:
    assert glyphs_for(Picture().console) is UNICODE
    assert glyphs_for(Picture("ascii").console) is ASCII
    for name in ASCII.__slots__:
        assert getattr(ASCII, name).isascii()


def test_digest_headers_are_shortened_and_show_no_hash() -> None:
    answer = 'Digest username="to,to", realm="r", nonce="n", nc=00000002, response="0123456789abcdef"'
    request = Request("REGISTER", "sip:h", [("Authorization", answer), ("Subject", "x")])
    assert list(telling_headers(request)) == ['Authorization: Digest username="to,to", nc=00000002']
    challenge = 'Digest realm="r", nonce="n", algorithm=SHA-256'
    response = Response(
        401, "Unauthorized", [("WWW-Authenticate", challenge), ("WWW-Authenticate", 'Digest realm="r"')]
    )
    assert list(telling_headers(response)) == [
        "WWW-Authenticate: Digest algorithm=SHA-256", "WWW-Authenticate: Digest",
    ]  # fmt: skip


def test_a_request_without_number() -> None:
    picture = Picture()
    data = b"REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\r\n"
    picture.registrar.receive(data, PEER, 10.0)
    picture.ladder.catch_up()
    assert picture.lines[0][20:42] == "├── REGISTER sip:h ───"
