"""Keeping one flow alive, and noticing that it is dead (RFC 5626 4.4, RFC 6223), as a machine without I/O.

A flow is one connection, or one pair of UDP addresses, whichever accounts use it. What they and their registrars agreed
on comes in as `Agreement`, one for each user; the strictest decides. Every input takes ``now`` and returns the signals
it causes; ``deadline`` says when `Pinger.tick` is wanted next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from aiosipreg.checks import positive
from aiosipreg.engine.agreement import LONGEST, Method, method_of
from aiosipreg.engine.stun import binding_request, read_binding_response
from aiosipreg.errors import ConfigError
from aiosipreg.wire import Framer

if TYPE_CHECKING:
    from collections.abc import Collection
    from random import Random

    from aiosipreg.engine.agreement import Agreement
    from aiosipreg.engine.stun import BindingResponse
    from aiosipreg.engine.targets import Transport

__all__ = ["Alive", "Dead", "KeepAlive", "Octets", "Pinger", "Signal"]

# RFC 5626 4.4.1 and 4.4.2.
_SHARE: Final = 0.8
_UDP: Final = (24.0, 29.0)
_PONG_WITHIN: Final = 10.0
_LOOK_AGAIN: Final = 0.5
_MESSAGE_WITHIN: Final = 10.0

# RFC 8489 6.2.1 with its default values: seconds after the first request for the others, and for giving up.
_REPEATS: Final = (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)
_STUN_WITHIN: Final = 39.5

_PING: Final = Framer.PING.value
_CRLF: Final = Framer.PONG.value


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAlive:
    """How the flows of a core are kept alive.

    What a server agrees to, by outbound (RFC 5626) or by ``keep`` (RFC 6223), is done whatever is set here.

    Attributes:
        interval: Longest time in seconds between two pings on a connection whose server names none; 840 spares the
            battery of a phone (RFC 5626 4.4.1).
        blind: Ping connections also where the server agreed to nothing. Such a ping only keeps NATs and firewalls from
            forgetting the connection: no answer is expected, and none that is missing does harm (KA-8).
        keep: Offer ``keep`` in the Via of each REGISTER, so that a server without outbound can agree too (RFC 6223).
        pongs: Every server answers pings on connections, although it does not say so; one that does not is dead.
        stun: Every server answers STUN keep-alives over UDP, although it does not say so; one that does not is dead.
        nat_refresh: Seconds between two datagrams of CRLF to each UDP server that does not take STUN, to keep the
            mapping of a NAT; nothing answers them. ``None`` sends none.

    Raises:
        ConfigError: A time is out of range.
    """

    interval: float = 120.0
    blind: bool = True
    keep: bool = False
    pongs: bool = False
    stun: bool = False
    nat_refresh: float | None = None

    def __post_init__(self) -> None:
        for name in ("interval", "nat_refresh"):
            value = getattr(self, name)
            if (name == "interval" or value is not None) and not 1 <= positive(name, value) <= LONGEST:
                raise ConfigError(name, value, f"seconds, 1 to {LONGEST}")


class Octets(NamedTuple):
    """Send these octets on the flow."""

    data: bytes


class Alive(NamedTuple):
    """The far end answered."""


class Dead(NamedTuple):
    """The flow has failed."""

    cause: str


Signal: TypeAlias = Octets | Alive | Dead


class Pinger:
    """Keeps one flow alive.

    Args:
        transport: What carries the flow.
        settings: What the application wants.
        random: Draws intervals and, secure, the ids of STUN.

    Attributes:
        method: What is done.
        bounds: Seconds between two keep-alives, the least and the most.
        mapped: Our address as the STUN server saw it last.
    """

    __slots__ = (
        "_asked_at", "_gives_up_at", "_next_at", "_random", "_repeats", "_settings", "_transaction", "_transport",
        "bounds", "mapped", "method",
    )  # fmt: skip

    def __init__(self, transport: Transport, settings: KeepAlive, random: Random) -> None:
        self.method = Method.NONE
        self.bounds = (0.0, 0.0)
        self.mapped: tuple[str, int] | None = None
        self._transport = transport
        self._settings = settings
        self._random = random
        self._next_at = 0.0
        # The keep-alive that waits for its answer: since when, until when; of STUN also its id, and how many repeats.
        self._asked_at = 0.0
        self._gives_up_at: float | None = None
        self._transaction = b""
        self._repeats = 0

    @property
    def deadline(self) -> float | None:
        """When `tick` is wanted next; ``None`` when nothing is to be done."""
        if self.method is Method.NONE:
            return None
        if self._gives_up_at is None:
            return self._next_at
        if self.method is Method.STUN and self._repeats < len(_REPEATS):
            return self._asked_at + _REPEATS[self._repeats]
        return self._gives_up_at

    def agree(self, agreements: Collection[Agreement], now: float) -> None:
        """Take what the users of the flow agreed on; nobody uses it when there are none."""
        pongs, stun = (
            any(agreement.pongs for agreement in agreements),
            any(agreement.stun for agreement in agreements),
        )
        method = Method.NONE
        if agreements:
            method = method_of(self._transport, self._settings, pongs=pongs, stun=stun)
        bounds = self._bounds(method, agreements)
        if (method, bounds) == (self.method, self.bounds):
            return
        if method is not self.method:
            self._gives_up_at = None
        next_at = now + self._random.uniform(*bounds)
        self._next_at = next_at if self.method is Method.NONE else min(next_at, self._next_at)
        self.method, self.bounds = method, bounds

    def tick(self, now: float, *, receiving: bool = False) -> list[Signal]:
        """Let time pass.

        Args:
            now: The time.
            receiving: A message is just arriving on the connection: its end is waited for before it is given up.
        """
        deadline = self.deadline
        if deadline is None or now < deadline:
            return []
        if self._gives_up_at is None:
            return self._begin(now)
        if now < self._gives_up_at:
            self._repeats += 1
            return [Octets(binding_request(self._transaction))]
        if receiving and now < self._asked_at + _PONG_WITHIN + _MESSAGE_WITHIN:
            self._gives_up_at = now + _LOOK_AGAIN
            return []
        what = "STUN" if self.method is Method.STUN else "a ping"
        return self._fail(f"no answer to {what} within {now - self._asked_at:.0f} s")

    def pong(self, now: float) -> list[Signal]:
        """A CRLF came in on the connection."""
        if self.method is not Method.PING or self._gives_up_at is None:
            return []
        return self._answered(now)

    def stun(self, data: bytes, now: float) -> list[Signal] | None:
        """A STUN message came from the far end; ``None`` if it answers nothing that was asked (SEC-29)."""
        answer = read_binding_response(data)
        waiting = self.method is Method.STUN and self._gives_up_at is not None
        if answer is None or not waiting or answer.transaction != self._transaction:
            return None
        trouble = self._trouble(answer)
        if trouble:
            return self._fail(trouble)
        self.mapped = answer.mapped or self.mapped
        return self._answered(now)

    def _bounds(self, method: Method, agreements: Collection[Agreement]) -> tuple[float, float]:
        if method is Method.NONE:
            return (0.0, 0.0)
        if method is Method.CRLF and self._settings.nat_refresh is not None:
            return (_SHARE * self._settings.nat_refresh, self._settings.nat_refresh)
        own = (_SHARE * self._settings.interval, self._settings.interval) if self._transport.reliable else _UDP
        asked = [agreement.interval for agreement in agreements]
        wishes = [own if seconds is None else (_SHARE * seconds, float(seconds)) for seconds in asked]
        return min(wishes, key=lambda wish: wish[1])

    def _begin(self, now: float) -> list[Signal]:
        self._next_at = now + self._random.uniform(*self.bounds)
        if self.method is Method.CRLF:
            return [Octets(_CRLF)]
        if self.method is Method.BLIND:
            return [Octets(_PING)]
        self._asked_at = now
        if self.method is Method.PING:
            self._gives_up_at = now + _PONG_WITHIN
            return [Octets(_PING)]
        self._gives_up_at = now + _STUN_WITHIN
        self._repeats = 0
        self._transaction = self._random.getrandbits(96).to_bytes(12)
        return [Octets(binding_request(self._transaction))]

    def _answered(self, now: float) -> list[Signal]:
        self._gives_up_at = None
        self._next_at = max(self._next_at, now)
        return [Alive()]

    def _trouble(self, answer: BindingResponse) -> str:
        """What of an answer shows that the flow is not what it was, empty if nothing (KA-11)."""
        if answer.error is not None:
            return f"STUN error {answer.error}"
        if answer.unknown:
            return f"a STUN answer with unknown attribute 0x{answer.unknown[0]:04x}"
        if None not in (answer.mapped, self.mapped) and answer.mapped != self.mapped:
            return "the NAT gave us another address"
        return ""

    def _fail(self, cause: str) -> list[Signal]:
        self.method = Method.NONE
        self.bounds = (0.0, 0.0)
        self._gives_up_at = None
        return [Dead(cause)]
