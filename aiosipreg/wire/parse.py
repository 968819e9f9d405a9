"""From octets to messages (RFC 3261 sections 7 and 18.3)."""

from __future__ import annotations

from typing import Final

from aiosipreg.errors import ParseError
from aiosipreg.wire.head import (
    MAX_ROW,
    MAX_ROWS,
    MAX_START_LINE,
    check_rows,
    check_size,
    content_length,
    find_end,
    request_line,
    split_lines,
    status_line,
    without_tabs,
)
from aiosipreg.wire.headers import Headers
from aiosipreg.wire.message import Request, Response

__all__ = ["give_body", "parse_head", "parse_message", "split_message"]

MAX_BODY: Final = 64 * 1024
_EMPTY_LINE: Final = b"\r\n\r\n"


def parse_message(data: bytes, *, strict: bool = False) -> Request | Response:
    """Read one datagram (RFC 3261 section 18.3).

    The body is as long as Content-Length says and what follows is ignored; without that header it goes to the end.
    What is tolerated stands in ``oddities``; ``strict`` refuses it instead (ROB-7).

    Raises:
        ParseError: It is no SIP/2.0 message, it is cut short, or it exceeds a limit.
    """
    if data[:1] in b"\r\n":
        data = data.lstrip(b"\r\n")
    message, body = split_message(data)
    if strict and message.oddities:
        raise ParseError(data[:120].decode("utf-8", "replace"), 0, f"a message without {', '.join(message.oddities)}")
    length = content_length(message.headers)
    if length is not None and length != len(body):
        if length > len(body):
            raise ParseError(data[:120].decode("utf-8", "replace"), len(data), f"a body of {length} octets")
        body = body[:length]
    if body:
        give_body(message, body)
    return message


def split_message(data: bytes) -> tuple[Request | Response, bytes]:
    """The message that a head is of, still without body, and what follows the head.

    Raises:
        ParseError: There is no empty line behind the head; otherwise as `parse_head`.
    """
    head, empty_line, body = data.partition(_EMPTY_LINE)
    lines = split_lines(head) if empty_line else None
    if lines is not None:
        return _parsed(head, lines, set()), body
    # If lines end without CR, another empty line may be the first one.
    ends = find_end(data)
    if ends is None:
        raise ParseError(data[:120].decode("utf-8", "replace"), len(data), "an empty line behind the headers")
    return parse_head(data[: ends[0]]), data[ends[1] :]


def parse_head(data: bytes | bytearray) -> Request | Response:
    """Read start line and header rows; the message has no body yet.

    Args:
        data: Everything before the empty line.

    Raises:
        ParseError: The start line is not that of SIP/2.0, or a limit is exceeded.
    """
    lines = split_lines(data)
    if lines is not None:
        return _parsed(data, lines, set())
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return _parsed(data, [line.removesuffix("\r") for line in lines], {"bare LF"})


def _parsed(data: bytes | bytearray, lines: list[str], oddities: set[str]) -> Request | Response:
    start = lines.pop(0)
    # No line is longer than the head, nor are there more rows than lines.
    if len(data) > MAX_START_LINE:
        check_size(data, start)
    if b"\t" in data:
        lines = [without_tabs(line) for line in lines]
    message: Request | Response
    if start[:4].upper() == "SIP/":
        message = Response.__new__(Response)
        values = message.__dict__
        values["status"], values["reason"], usual = status_line(start)
        if not usual:
            oddities.add("status line")
    else:
        message = Request.__new__(Request)
        values = message.__dict__
        values["method"], values["uri"] = request_line(start, oddities)
    headers, dropped = Headers.of_lines(lines, oddities)
    if len(lines) > MAX_ROWS or len(data) > MAX_ROW:
        check_rows(data, headers, dropped)
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
