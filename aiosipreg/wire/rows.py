"""What the rows of one header hold: one value, or a list of them (RFC 3261 section 7.3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiosipreg.errors import ParseError
from aiosipreg.wire.fields import Via
from aiosipreg.wire.grammar import is_token, split_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiosipreg.wire.headers import Headers

__all__ = ["content_length", "entries", "option_tag", "single", "top_via"]


def single(name: str, rows: Sequence[str]) -> str:
    """The value of a header that there is one row of.

    Raises:
        ParseError: There are more (ROB-5).
    """
    if len(rows) > 1:
        raise ParseError(", ".join(rows), 0, f"one {name} header")
    return rows[0]


def entries(rows: Sequence[str]) -> list[str]:
    """The entries of a list, whose rows mean the same as one row with commas."""
    return split_list(rows[0]) if len(rows) == 1 else [entry for row in rows for entry in split_list(row)]


def top_via(rows: Sequence[str]) -> Via:
    """The Via that stands first.

    Raises:
        ParseError: It is malformed, or its row is empty.
    """
    row = rows[0]
    return Via.parse((split_list(row) or [""])[0] if "," in row else row)


def option_tag(text: str) -> str:
    """An option tag in lower case.

    Raises:
        ParseError: It is no token.
    """
    if not is_token(text):
        raise ParseError(text, 0, "an option tag")
    return text.lower()


def content_length(headers: Headers) -> int | None:
    """The announced length of the body in octets, ``None`` if there is none.

    Raises:
        ParseError: It is no number, or two rows differ (MSG-13, GRM-56).
    """
    if headers.names.get("Content-Length") == "0":
        return 0
    rows = headers.rows("Content-Length")
    if not rows:
        return None
    text = rows[0]
    if (len(rows) > 1 and len(set(rows)) > 1) or not (text.isascii() and text.isdigit()) or len(text) > 10:
        raise ParseError(", ".join(rows), 0, "one Content-Length, a number")
    return int(text)
