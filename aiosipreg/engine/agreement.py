"""What a 2xx agrees to about keeping its flow alive (RFC 5626 4.4, RFC 6223), and what has to be done for that."""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from aiosipreg.engine.effects import Flow
from aiosipreg.wire import SipUri

if TYPE_CHECKING:
    from aiosipreg.engine.keepalive import KeepAlive
    from aiosipreg.engine.targets import Transport
    from aiosipreg.wire import Response

__all__ = ["LONGEST", "SHORTEST", "Agreement", "Method", "Upkeep", "method_of", "read_agreement", "upkeep"]

SHORTEST: Final = 10
LONGEST: Final = 7200
"""Seconds that a server may ask for (SEC-21)."""


class Method(enum.Enum):
    """How a flow is kept alive."""

    NONE = "none"
    PING = "ping"
    """CRLF CRLF on a connection, answered by CRLF."""
    BLIND = "blind ping"
    """The same without an answer that anybody waits for."""
    STUN = "stun"
    """A STUN Binding request over UDP."""
    CRLF = "crlf"
    """A datagram of CRLF, for the NAT alone."""


class Agreement(NamedTuple):
    """What a 2xx says about keep-alives on the flow that it came by.

    Attributes:
        pongs: On a connection the server answers pings.
        stun: Over UDP the server answers STUN.
        interval: Longest time in seconds between two of them; ``None`` leaves it to us.
    """

    pongs: bool = False
    stun: bool = False
    interval: int | None = None


class Upkeep(NamedTuple):
    """A flow that carries a binding, and what was agreed on for it."""

    flow: Flow
    agreement: Agreement

    @property
    def answered(self) -> bool:
        """Whether keep-alives are answered, so that the flow is not proven before the first answer (OUTB-16)."""
        reliable = self.flow.target.transport.reliable
        return self.agreement.pongs if reliable else self.agreement.stun


def upkeep(flow: Flow | None, response: Response | None, settings: KeepAlive) -> Upkeep | None:
    """What is to be done for the flow that a 2xx came by; ``None`` when that is nothing."""
    if flow is None or response is None:
        return None
    agreement = read_agreement(response, settings)
    method = method_of(flow.target.transport, settings, pongs=agreement.pongs, stun=agreement.stun)
    return None if method is Method.NONE else _upkeep(flow, agreement)


@lru_cache(1024)
def _upkeep(flow: Flow, agreement: Agreement) -> Upkeep:
    """The same value for all that share a flow and agreed on the same."""
    return Upkeep(flow, agreement)


def read_agreement(response: Response, settings: KeepAlive) -> Agreement:
    """Read what a 2xx agrees to (KA-1, KA-9, KA-12), beside what the application knows."""
    outbound = "outbound" in response.require
    keep = _keep(response)
    if not outbound and keep is None:
        return Agreement(settings.pongs, settings.stun)
    timer = response.flow_timer if outbound else None
    # RFC 6223 8.2 wants both to agree; whoever is content with the longer one is not hurt by the shorter.
    wishes = [seconds for seconds in (timer, keep) if seconds]
    return Agreement(
        True,
        keep is not None or settings.stun or _first_hop_agrees(response),
        min(max(min(wishes), SHORTEST), LONGEST) if wishes else None,
    )


def _keep(response: Response) -> int | None:
    """The value of ``keep`` in our Via; ``None`` when there is none, which is no agreement."""
    via = response.via
    value = via.params.get("keep") if via is not None else None
    return int(value) if value and value.isascii() and value.isdigit() and len(value) <= 10 else None


def _first_hop_agrees(response: Response) -> bool:
    """Whether the server that we send to is the one that agreed (KA-9).

    An edge proxy says so by ``ob`` in its entry of the Path, the last one, as it is the first that a REGISTER meets.
    Without a Path the registrar itself is the first hop, and its Require is its word.
    """
    path = response.path
    return not path or (isinstance(path[-1].uri, SipUri) and "ob" in path[-1].uri.params)


def method_of(transport: Transport, settings: KeepAlive, *, pongs: bool, stun: bool) -> Method:
    """How a flow is kept alive whose server answers pings, or STUN, as somebody agreed with it (KA-7)."""
    if transport.reliable:
        # A WebSocket pings by itself (RFC 7118 6).
        blind = settings.blind and not transport.websocket
        return Method.PING if pongs else Method.BLIND if blind else Method.NONE
    if stun:
        return Method.STUN
    return Method.NONE if settings.nat_refresh is None else Method.CRLF
