"""The head of a message: where it ends, its start line, its rows, and its limits (RFC 3261 section 7)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from aiosipreg.errors import ParseError
from aiosipreg.wire.grammar import BLANKS, is_token
from aiosipreg.wire.headers import Headers
from aiosipreg.wire.message import Request, Response

__all__ = ["MAX_HEAD", "find_end", "give_body", "parse_head", "split_message"]

MAX_HEAD: Final = 64 * 1024
MAX_START_LINE: Final = 8 * 1024
MAX_ROW: Final = 16 * 1024
MAX_ROWS: Final = 200
MAX_BODY: Final = 64 * 1024
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


def split_message(data: bytes) -> tuple[Request | Response, bytes]:
    """The message that a head is of, still without body, and what follows the head.

    Raises:
        ParseError: There is no empty line behind the head; otherwise as `parse_head`.
    """
    head, empty_line, body = data.partition(b"\r\n\r\n")
    lines = _split_lines(head) if empty_line else None
    if lines is not None:
        return _parsed(head, lines, set()), body
    # If lines end without CR, another empty line may be the first one.
    ends = find_end(data)
    if ends is None:
        raise ParseError(_shown(data), len(data), "an empty line behind the headers")
    return parse_head(data[: ends[0]]), data[ends[1] :]


def parse_head(data: bytes | bytearray) -> Request | Response:
    """Read start line and header rows; the message has no body yet.

    Args:
        data: Everything before the empty line.

    Raises:
        ParseError: The start line is not that of SIP/2.0, or a limit is exceeded.
    """
    lines = _split_lines(data)
    if lines is not None:
        return _parsed(data, lines, set())
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return _parsed(data, [line.removesuffix("\r") for line in lines], {"bare LF"})


def _parsed(data: bytes | bytearray, lines: list[str], oddities: set[str]) -> Request | Response:
    start = lines.pop(0)
    # No line is longer than the head, nor are there more rows than lines.
    if len(data) > MAX_START_LINE:
        _check_size(data, start)
    if b"\t" in data:
        lines = [_without_tabs(line) for line in lines]
    message: Request | Response
    if start[:4].upper() == "SIP/":
        message = Response.__new__(Response)
        values = message.__dict__
        values["status"], values["reason"], usual = _status_line(start)
        if not usual:
            oddities.add("status line")
    else:
        message = Request.__new__(Request)
        values = message.__dict__
        values["method"], values["uri"] = _request_line(start, oddities)
    headers, dropped = Headers.of_lines(lines, oddities)
    if len(lines) > MAX_ROWS or len(data) > MAX_ROW:
        _check_rows(data, headers, dropped)
    values["headers"] = headers
    if dropped:
        values["dropped"] = dropped
    if oddities:
        values["oddities"] = tuple(sorted(oddities))
    return message


def give_body(message: Request | Response, body: bytes) -> None:
    """Complete a message that has none yet; a response does not keep a body of more than 64 KiB."""
    values = message.__dict__
    if len(body) > MAX_BODY and isinstance(message, Response):
        values["oddities"] = (*message.oddities, "long body")
    else:
        values["body"] = body


def _split_lines(data: bytes | bytearray) -> list[str] | None:
    """The lines of a head, ``None`` where one ends without CR."""
    lines = data.decode("utf-8", "surrogateescape").split("\r\n")
    return None if "\n" in "".join(lines) else lines


@lru_cache(_START_LINES)
def _status_line(line: str) -> tuple[int, str, bool]:
    """Status, reason phrase, and whether it is written as it should be: few servers have many of them."""
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


def _request_line(line: str, oddities: set[str]) -> tuple[str, ...]:
    words = line.split(" ")
    if len(words) != 3 or "" in words:
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        oddities.add("request line")
    if len(words) != 3 or not is_token(words[0]) or _CONTROL.search(words[1]):
        raise ParseError(line, 0, "a method, a URI and SIP/2.0")
    if words[2].upper() != "SIP/2.0":
        raise ParseError(line, len(line) - len(words[2]), "SIP/2.0")
    return words[0], words[1]


def _check_size(data: bytes | bytearray, start: str) -> None:
    if len(data) > MAX_HEAD:
        raise ParseError(_shown(data), MAX_HEAD, f"a head of at most {MAX_HEAD} octets")
    if len(start) > MAX_START_LINE:
        raise ParseError(_shown(data), MAX_START_LINE, f"a start line of at most {MAX_START_LINE} octets")


def _check_rows(data: bytes | bytearray, headers: Headers, dropped: int) -> None:
    rows = headers.items()
    if len(rows) + dropped > MAX_ROWS or any(len(name) + len(value) > MAX_ROW for name, value in rows):
        raise ParseError(_shown(data), 0, f"at most {MAX_ROWS} rows of at most {MAX_ROW} octets")


def _without_tabs(line: str) -> str:
    """A tab is as good as a blank outside quoted strings, and a header that we repeat may not have one (SEC-12)."""
    return line if '"' in line else line.replace("\t", " ")


def _shown(data: bytes | bytearray) -> str:
    return data[:120].decode("utf-8", "replace")
