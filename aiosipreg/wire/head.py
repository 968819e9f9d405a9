"""The head of a message: where it ends, its lines, its start line, its limits (RFC 3261 section 7)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from aiosipreg.errors import ParseError
from aiosipreg.wire.grammar import BLANKS, is_token
from aiosipreg.wire.headers import Headers

__all__ = [
    "MAX_HEAD",
    "MAX_ROW",
    "MAX_ROWS",
    "MAX_START_LINE",
    "check_rows",
    "check_size",
    "content_length",
    "find_end",
    "request_line",
    "split_lines",
    "status_line",
    "without_tabs",
]

MAX_HEAD: Final = 64 * 1024
MAX_START_LINE: Final = 8 * 1024
MAX_ROW: Final = 16 * 1024
MAX_ROWS: Final = 200
_START_LINES: Final = 64

_CR: Final = 13
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_USUAL_STATUS_LINE = re.compile(r"SIP/2\.0 ([0-9]{3}) (.*)", re.DOTALL)
_STATUS_LINE = re.compile(r"SIP/2\.0[ \t]++([0-9]++)(?:[ \t](.*))?", re.IGNORECASE | re.DOTALL)


def find_end(data: bytes | bytearray, start: int = 0) -> tuple[int, int] | None:
    """Where the head ends and the body begins; ``None`` if there is no empty line yet. Bare LF counts (ROB-7)."""
    match = _EMPTY_LINE.search(data, start)
    if match is None:
        return None
    end = match.start()
    return (end - 1 if end and data[end - 1] == _CR else end), match.end()


def split_lines(data: bytes | bytearray) -> list[str] | None:
    """The lines of a head, ``None`` where one ends without CR."""
    lines = data.decode("utf-8", "surrogateescape").split("\r\n")
    return None if "\n" in "".join(lines) else lines


@lru_cache(_START_LINES)
def status_line(line: str) -> tuple[int, str, bool]:
    """Status, reason phrase, and whether it is written as it should be: few servers have many of them.

    Raises:
        ParseError: It is no status line of SIP/2.0.
    """
    match = _USUAL_STATUS_LINE.fullmatch(line)
    usual = match is not None
    if match is None:
        match = _STATUS_LINE.fullmatch(line)
        if match is None or len(match[1]) != 3:
            raise ParseError(line, 0, "SIP/2.0 and a status code of three digits")
    status = int(match[1])
    if not 100 <= status <= 699:
        raise ParseError(line, 8, "a status code from 100 to 699")
    return status, (match[2] or "").strip(BLANKS), usual


def request_line(line: str, oddities: set[str]) -> tuple[str, ...]:
    """Method and Request-URI; ``oddities`` collects what was tolerated.

    Raises:
        ParseError: It is no request line of SIP/2.0.
    """
    words = line.split(" ")
    if len(words) != 3 or "" in words:
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        oddities.add("request line")
    if len(words) != 3 or not is_token(words[0]) or _CONTROL.search(words[1]):
        raise ParseError(line, 0, "a method, a URI and SIP/2.0")
    if words[2].upper() != "SIP/2.0":
        raise ParseError(line, len(line) - len(words[2]), "SIP/2.0")
    return words[0], words[1]


def check_size(data: bytes | bytearray, start: str) -> None:
    """Refuse a head that is too long, or whose start line is.

    Raises:
        ParseError: A limit is exceeded.
    """
    if len(data) > MAX_HEAD:
        raise ParseError(_shown(data), MAX_HEAD, f"a head of at most {MAX_HEAD} octets")
    if len(start) > MAX_START_LINE:
        raise ParseError(_shown(data), MAX_START_LINE, f"a start line of at most {MAX_START_LINE} octets")


def check_rows(data: bytes | bytearray, headers: Headers, dropped: int) -> None:
    """Refuse too many rows, of which some were ``dropped``, or one that is too long.

    Raises:
        ParseError: A limit is exceeded.
    """
    rows = headers.items()
    if len(rows) + dropped > MAX_ROWS or any(len(name) + len(value) > MAX_ROW for name, value in rows):
        raise ParseError(_shown(data), 0, f"at most {MAX_ROWS} rows of at most {MAX_ROW} octets")


def without_tabs(line: str) -> str:
    """A tab is as good as a blank outside quoted strings, and a header that we repeat may not have one (SEC-12)."""
    return line if '"' in line else line.replace("\t", " ")


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


def _shown(data: bytes | bytearray) -> str:
    return data[:120].decode("utf-8", "replace")
