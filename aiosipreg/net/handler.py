"""Where messages go that were read from a socket (floor 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiosipreg.errors import ParseError
from aiosipreg.wire import Response

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import TypeAlias

    from aiosipreg.net.sockets import Address
    from aiosipreg.net.stats import Stats
    from aiosipreg.wire import Request

    Reply: TypeAlias = Callable[[bytes, Address], None]

__all__ = ["MessageHandler", "hand_over"]


class MessageHandler(Protocol):
    """Who takes what the sockets receive."""

    def response_received(self, response: Response, source: Address, serial: int) -> None:
        """An answer came in; ``serial`` is that of the connection, 0 for a datagram."""

    def request_received(self, request: Request, source: Address, serial: int, reply: Reply) -> None:
        """A request came in; ``reply`` sends octets to the source the way it came, and raises `OSError`."""

    def request_lost(self, branch: str, cause: str) -> None:
        """The request with this branch did not arrive and will not."""

    def connection_lost(self, serial: int, cause: str) -> None:
        """A connection is gone."""

    def pong_received(self, serial: int) -> None:
        """A CRLF came in on a connection: the answer to a ping, if there was one."""

    def stun_received(self, data: bytes, source: Address) -> bool:
        """A datagram that looks like STUN came in; return whether anybody waited for it."""
        ...


def hand_over(
    message: Request | Response,
    source: Address,
    serial: int,
    reply: Reply,
    *,
    handler: MessageHandler,
    stats: Stats,
    logger: logging.Logger,
) -> None:
    """Give a message to the handler; never raises into the event loop (ROB-8)."""
    try:
        if isinstance(message, Response):
            handler.response_received(message, source, serial)
        else:
            handler.request_received(message, source, serial, reply)
    except ParseError as error:
        stats.dropped["malformed"] += 1
        logger.debug("dropped a message from %s: %s", source, error)
    except Exception:
        # ROB-8: an error of ours must not get into the event loop.
        stats.dropped["error"] += 1
        logger.exception("unexpected error over a message from %s", source)
