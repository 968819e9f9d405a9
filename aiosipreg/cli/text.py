"""What is written on the screen: consoles, colours, and network text made harmless."""

from __future__ import annotations

import sys

from rich.console import Console

from aiosipreg import RegistrationState

__all__ = ["STATE_STYLES", "can_redraw", "clock", "hostport", "make_console", "printable"]

STATE_STYLES = {
    RegistrationState.NONE: "dim",
    RegistrationState.PROGRESS: "yellow",
    RegistrationState.OK: "bold green",
    RegistrationState.REFRESHING: "cyan",
    RegistrationState.CLEARED: "bold blue",
    RegistrationState.FAILED: "bold red",
}


def make_console() -> Console:
    """Standard output; coloured on a terminal only, and never with NO_COLOR."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True)


def can_redraw() -> bool:
    """Whether standard output is a terminal on which lines can be drawn anew."""
    return sys.stdout.isatty() and not make_console().is_dumb_terminal


def printable(text: object) -> str:
    """Text of the network for a terminal: what could steer it is escaped (SEC-38)."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in str(text))


def hostport(host: str, port: int) -> str:
    """Host and port as they stand in a URI."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def clock(seconds: float | None) -> str:
    """A time still to go, for people."""
    return "-" if seconds is None else f"{max(seconds, 0.0):.0f} s"
