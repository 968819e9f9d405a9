"""SIP text to values and back (floor 1): no state, no clock, no I/O.

`parse_message` reads a datagram, `Framer` a stream; ``bytes(message)`` writes one. What comes from the network may be
anything: reading raises `ParseError` and nothing else, in time linear in the input.
"""

from __future__ import annotations

from aiosipreg.errors import ParseError
from aiosipreg.wire.address import NameAddr
from aiosipreg.wire.challenge import Challenge
from aiosipreg.wire.fields import CSeq, ParamValue, Via, Warning
from aiosipreg.wire.framer import Framer, Ping
from aiosipreg.wire.grammar import is_token, quote, unquote
from aiosipreg.wire.headers import Headers
from aiosipreg.wire.message import Message, Request, Response
from aiosipreg.wire.params import Params
from aiosipreg.wire.parse import parse_message
from aiosipreg.wire.uri import OtherUri, SipUri, parse_uri

__all__ = [
    "CSeq",
    "Challenge",
    "Framer",
    "Headers",
    "Message",
    "NameAddr",
    "OtherUri",
    "ParamValue",
    "Params",
    "ParseError",
    "Ping",
    "Request",
    "Response",
    "SipUri",
    "Via",
    "Warning",
    "is_token",
    "parse_message",
    "parse_uri",
    "quote",
    "unquote",
]
