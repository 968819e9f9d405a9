"""From octets to messages (RFC 3261 sections 7 and 18.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiosipreg.errors import ParseError
from aiosipreg.wire.head import content_length, find_end, parse_head
from aiosipreg.wire.message import Request, Response

if TYPE_CHECKING:
    from aiosipreg.wire.head import Head

__all__ = ["build_message", "parse_message"]

MAX_BODY: Final = 64 * 1024


def parse_message(data: bytes, *, strict: bool = False) -> Request | Response:
    """Read one datagram (RFC 3261 section 18.3).

    The body is as long as Content-Length says and what follows is ignored; without that header it goes to the end.
    What is tolerated stands in ``oddities``; ``strict`` refuses it instead (ROB-7).

    Raises:
        ParseError: It is no SIP/2.0 message, it is cut short, or it exceeds a limit.
    """
    if data[:1] in (b"\r", b"\n"):
        data = data.lstrip(b"\r\n")
    ends = find_end(data)
    if ends is None:
        raise ParseError(data[:120].decode("utf-8", "replace"), len(data), "an empty line behind the headers")
    head = parse_head(data[: ends[0]])
    if strict and head.oddities:
        raise ParseError(data[:120].decode("utf-8", "replace"), 0, f"a message without {', '.join(head.oddities)}")
    length = content_length(head.headers)
    body = data[ends[1] :]
    if length is not None and length != len(body):
        if length > len(body):
            raise ParseError(data[:120].decode("utf-8", "replace"), len(data), f"a body of {length} octets")
        body = body[:length]
    return build_message(head, body)


def build_message(head: Head, body: bytes) -> Request | Response:
    """The message of a parsed head; a response does not keep a body of more than 64 KiB."""
    status, words, headers, dropped, oddities = head
    message: Request | Response
    if status is None:
        message = Request.__new__(Request)
        values = message.__dict__
        values["method"], values["uri"] = words
    else:
        message = Response.__new__(Response)
        values = message.__dict__
        values["status"], values["reason"] = status, words[0]
        if len(body) > MAX_BODY:
            body, oddities = b"", (*oddities, "long body")
    values["headers"] = headers
    if body:
        values["body"] = body
    if dropped:
        values["dropped"] = dropped
    if oddities:
        values["oddities"] = oddities
    return message
