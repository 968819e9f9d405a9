"""The record of what a registrar received and sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiosipreg.wire import Request, Response, parse_message

if TYPE_CHECKING:
    from aiosipreg.testing.flow import Flow
    from aiosipreg.testing.network import Address

__all__ = ["Packet"]


@dataclass(frozen=True, slots=True)
class Packet:
    """A message that the registrar received or sent.

    Attributes:
        at: When, in the seconds that the registrar is given as ``now``.
        flow: Over which transport and connection, and the peer's address.
        data: The datagram, or the message cut from its connection, with Content-Length as its last row.
        retransmission: Whether the same transaction was seen before.
    """

    at: float
    flow: Flow
    data: bytes
    retransmission: bool = False

    @property
    def peer(self) -> Address:
        """Where it came from, or went to."""
        return self.flow.peer

    @property
    def request(self) -> Request:
        """The message parsed; parsed anew at each use, because a record of thousands should be small.

        Raises:
            TypeError: It is a response.
        """
        message = parse_message(self.data)
        if not isinstance(message, Request):
            raise TypeError("this is a response")
        return message

    @property
    def response(self) -> Response:
        """The message parsed, as for ``request``.

        Raises:
            TypeError: It is a request.
        """
        message = parse_message(self.data)
        if not isinstance(message, Response):
            raise TypeError("this is a request")
        return message
