"""Writing: nothing can be smuggled into a message (SEC-11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.errors import ConfigError
from aiosipreg.wire import Request, Response, parse_message

if TYPE_CHECKING:
    from collections.abc import Callable

CONTROLS = [chr(code) for code in (*range(32), 127)]
FIELDS: dict[str, Callable[[str], object]] = {
    "method": lambda text: Request(text, "sip:h"),
    "uri": lambda text: Request("A", text),
    "request header name": lambda text: Request("A", "sip:h", [(text, "x")]),
    "request header value": lambda text: Request("A", "sip:h", [("X", text)]),
    "reason": lambda text: Response(200, text),
    "response header name": lambda text: Response(200, "OK", [("A", "b"), (text, "x")]),
    "response header value": lambda text: Response(200, "OK", [("A", "b"), ("X", text)]),
}


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("field", FIELDS)
def test_SEC_11_control_characters_are_refused_everywhere(field: str, control: str) -> None:
    for text in (control, f"a{control}", f"{control}a", f"a{control}Evil: b"):
        with pytest.raises(ConfigError):
            FIELDS[field](text)


@given(
    st.sampled_from(sorted(FIELDS)), st.text(st.sampled_from("a:;, \r\n\t\0\x7f\ud800\udcff\u2028") | st.characters())
)
def test_SEC_11_no_text_makes_another_header(field: str, text: str) -> None:
    try:
        built = FIELDS[field](text)
    except ConfigError:
        return
    assert isinstance(built, Request | Response)
    again = parse_message(bytes(built))
    expected = tuple((name, value.strip(" ")) for name, value in built.headers.items())
    assert again.headers.items() == (*expected, ("Content-Length", "0"))


@pytest.mark.parametrize("uri", ["", "sip:a b", " sip:h"])
def test_a_request_uri_is_one_word(uri: str) -> None:
    with pytest.raises(ConfigError):
        Request("A", uri)


@pytest.mark.parametrize("status", [0, 99, 700, -200])
def test_a_status_has_three_digits(status: int) -> None:
    with pytest.raises(ConfigError):
        Response(status, "x")


def test_a_refused_header_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        Request("A", "sip:h", [("User-Agent", "x\r\n")])
    assert caught.value.field == "User-Agent"
