"""Cutting streams into messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.errors import ParseError
from aiosipreg.wire.framer import Framer, Ping
from aiosipreg.wire.message import Request, Response
from tests.wire.effort import LIMIT, growth


def response(body: bytes = b"", status: int = 200) -> bytes:
    return bytes(Response(status, "OK", [("Call-ID", "a")], body))


def shown(frames: list[Request | Response | Ping]) -> list[object]:
    return [frame if isinstance(frame, Ping) else bytes(frame) for frame in frames]


MESSAGES = [
    response(),
    response(b"\r\n\r\nbody\n\n"),
    bytes(Request("OPTIONS", "sip:a@h", [("To", "x")], b"SIP/2.0 200 OK\r\nContent-Length: 9\r\n\r\n")),
    response(b"x" * 3000, 503),
]
STREAM = b"".join(MESSAGES)


def test_MSG_12_one_octet_at_a_time() -> None:
    framer = Framer()
    frames = [frame for octet in STREAM for frame in framer.feed(bytes([octet]))]
    assert shown(frames) == MESSAGES
    assert not framer.pending


def test_MSG_12_ten_messages_in_one_read() -> None:
    assert shown(Framer().feed(STREAM * 10)) == MESSAGES * 10


@given(st.lists(st.sampled_from(MESSAGES), max_size=5), st.data())
def test_MSG_12_any_split(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=9)))
    framer = Framer()
    found: list[object] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += shown(framer.feed(stream[start:end]))
    assert found == messages
    assert framer.error is None


def test_MSG_12_line_ends_before_a_message() -> None:
    """A lone CRLF before a response never breaks it."""
    for blanks, frames in (
        (b"\r\n", [Framer.PONG]),
        (b"\r\n\r\n", [Framer.PING]),
        (b"\r\n" * 3, [Framer.PING, Framer.PONG]),
        (b"\n", []),
        (b"\n\n\n", []),
        (b"\n\r\n", [Framer.PONG]),
    ):
        assert shown(Framer().feed(blanks + response() + blanks + response())) == [
            *frames,
            response(),
            *frames,
            response(),
        ]


def test_pings_and_pongs_between_messages() -> None:
    framer = Framer()
    assert framer.feed(b"") == []
    assert framer.feed(b"\r\n") == [Framer.PONG]
    assert not framer.pending
    assert framer.feed(b"\r\n\r\n") == [Framer.PING]
    assert framer.feed(b"\r") == []
    assert framer.pending
    assert framer.feed(b"\n" + response()[:9]) == [Framer.PONG]
    assert shown(framer.feed(response()[9:])) == [response()]


def test_bare_line_feeds_are_tolerated() -> None:
    data = b"SIP/2.0 200 OK\nContent-Length: 2\n\n\n\n"
    frames = Framer().feed(data * 2)
    assert [frame.body for frame in frames if isinstance(frame, Response)] == [b"\n\n", b"\n\n"]


@pytest.mark.parametrize(
    "lengths",
    [(b"-999",), (b"five",), (b"13", b"5"), (), (b"327680",), (b"9999999999",)],
)
def test_MSG_13_a_bad_content_length_breaks_the_stream(lengths: tuple[bytes, ...]) -> None:
    framer = Framer()
    rows = b"".join(b"Content-Length: " + length + b"\r\n" for length in lengths)
    with pytest.raises(ParseError) as caught:
        framer.feed(b"SIP/2.0 200 OK\r\n" + rows + b"\r\n")
    assert framer.error is caught.value
    assert not framer.pending
    with pytest.raises(ParseError):
        framer.feed(response())


def test_messages_before_the_error_are_not_lost() -> None:
    framer = Framer()
    assert shown(framer.feed(response() + b"junk\r\n\r\n")) == [response()]
    assert framer.error is not None
    with pytest.raises(ParseError):
        framer.feed(b"")


def test_a_message_that_is_cut_short_is_not_delivered() -> None:
    framer = Framer()
    assert framer.feed(response(b"12345")[:-1]) == []
    assert framer.pending
    assert framer.error is None


def test_SEC_24_a_head_without_end() -> None:
    framer = Framer()
    assert framer.feed(b"a" * 65536) == []
    with pytest.raises(ParseError):
        framer.feed(b"a")


def test_SEC_24_the_largest_message() -> None:
    body = b"x" * (320 * 1024 - 200)
    frames = Framer().feed(bytes(Request("NOTIFY", "sip:a@h", (), body)))
    assert [frame.body for frame in frames if isinstance(frame, Request)] == [body]


def test_a_long_body_of_a_response_is_left_out() -> None:
    frames = Framer().feed(response(b"x" * 65536) + response(b"x" * 65537) + response())
    found = [frame for frame in frames if isinstance(frame, Response)]
    assert [len(frame.body) for frame in found] == [65536, 0, 0]
    assert [frame.oddities for frame in found] == [(), ("long body",), ()]


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\r\n", b"SIP/2.0 200 OK\r\n", b"Content-Length: 1\r\n"])))
def test_ROB_3_any_octets_give_frames_or_a_parse_error(portions: list[bytes]) -> None:
    framer = Framer()
    for portion in portions:
        try:
            framer.feed(portion)
        except ParseError:
            assert framer.error is not None
            break


@pytest.mark.parametrize(
    "portion", [b"\n", b"\r\n", b"\r", b"a", b"SIP/2.0 200 OK\nl:0\n\n", b"SIP/2.0 200 OK\r\nl:0\r\n\r\n"]
)
def test_ROB_3_time_grows_linearly(portion: bytes) -> None:
    def feed(text: str) -> None:
        framer = Framer()
        framer.feed(portion * len(text))

    def feed_in_portions(text: str) -> None:
        framer = Framer()
        for _ in text:
            framer.feed(portion)

    assert growth(feed, "x", size=128) < LIMIT
    assert growth(feed_in_portions, "x", size=128) < LIMIT
