"""aiosipreg/cli/text.py: what reaches the screen."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg import RegistrationState
from aiosipreg.cli.text import STATE_STYLES, can_redraw, clock, hostport, make_console, printable


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Tty:
    tty = Tty()
    monkeypatch.setattr(sys, "stdout", tty)
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return tty


def shown(tty: io.StringIO) -> str:
    make_console().print("[b]x[/b]", style="red", end="")
    return tty.getvalue()


def test_every_state_has_a_style() -> None:
    assert set(STATE_STYLES) == set(RegistrationState)


def test_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(terminal(monkeypatch)) == "\x1b[31m[b]x[/b]\x1b[0m"


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    tty = terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(tty) == "[b]x[/b]"


def test_no_colour_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stdout", pipe)
    assert shown(pipe) == "[b]x[/b]"
    assert not can_redraw()


def test_lines_are_drawn_anew_on_a_terminal_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch)
    assert can_redraw()
    monkeypatch.setenv("TERM", "dumb")
    assert not can_redraw()


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("Grüße 日本", "Grüße 日本"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb", "a\\r\\nb"),
        ("\u202e", "\\u202e"),
        ("\udcff", "\\udcff"),
    ],
)
def test_SEC_38_network_text_cannot_steer_the_terminal(raw: str, safe: str) -> None:
    assert printable(raw) == safe


@given(st.text(st.characters()))
def test_SEC_38_whatever_it_is(text: str) -> None:
    assert printable(text).isprintable()


def test_hostport() -> None:
    assert hostport("192.0.2.1", 5060) == "192.0.2.1:5060"
    assert hostport("2001:db8::1", 5060) == "[2001:db8::1]:5060"


def test_clock() -> None:
    assert [clock(seconds) for seconds in (None, 3599.6, 0.2, -3.0)] == ["-", "3600 s", "0 s", "0 s"]
