"""From octets to messages (RFC 3261 sections 7 and 18.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiosipreg.errors import ParseError
from aiosipreg.wire.head import give_body, split_message
from aiosipreg.wire.rows import content_length

if TYPE_CHECKING:
    from aiosipreg.wire.message import Request, Response

__all__ = ["parse_message"]


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
