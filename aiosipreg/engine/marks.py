"""What a core remembers about servers, for all its accounts: whom to ask first, and whom not at all for now.

A target that failed comes after the others for a while (DNS-16). One that named a Retry-After is left alone until that
is over (DNS-17). One that was silent to two accounts running is taken for dead: from then on one account at a time
probes it, with the back-off of RFC 5626, and the others wait for what comes of that (OVL-7). It takes two accounts
because a server may be silent to one alone, whose user it does not know; for the same reason they take turns.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeAlias, TypeVar

from aiosipreg.engine.replies import Then
from aiosipreg.engine.timers import NETWORK_JITTER, SHORTEST_CYCLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from aiosipreg.engine.effects import TargetFailed
    from aiosipreg.engine.targets import Target, Transport
    from aiosipreg.engine.timers import RetryPolicy, SipTimers

__all__ = ["MOST_MARKS", "Marks", "Refusal"]

MOST_MARKS: Final = 4096
"""The oldest mark beyond this many is forgotten."""

_SHORTEST_SHUN: Final = 60.0
_LONGEST_SHUN: Final = 600.0
# To be refused costs next to nothing, but a hundred thousand at once are felt.
_ASKERS_A_SECOND: Final = 500

Item = TypeVar("Item")
# An address, whatever the name that led there (OVL-2).
_Key: TypeAlias = "tuple[str, int, Transport]"


class Refusal(NamedTuple):
    """Why nothing is to be sent to a target now.

    Attributes:
        row: The row of section 8 that says what other attempts met.
        cause: The same for people.
        until: When to ask again, which differs for each who asks.
    """

    row: str
    cause: str
    until: float


class _Mark(Generic[Item]):
    """What is held against one target."""

    __slots__ = (
        "asked_at", "blocked_until", "failed_at", "row", "shunned_until", "silent_to", "times", "turn", "turn_at",
        "waiting",
    )  # fmt: skip

    def __init__(self) -> None:
        # How often it failed.
        self.times = 0
        self.failed_at = self.shunned_until = self.blocked_until = self.asked_at = -math.inf
        # The account that it was silent to last, and how.
        self.silent_to: str | None = None
        self.row = ""
        # Once it is taken for dead: when the next probe begins, or the one that is running began, and whose it is.
        self.turn_at: float | None = None
        self.turn: Item | None = None
        self.waiting: dict[Item, None] = {}

    def shun(self, now: float, *, again: bool, wait: float | None) -> None:
        """Have it come after the others for ``wait`` seconds, without for 60 s that double up to 600 s."""
        self.times = max(self.times + again, 1)
        self.failed_at = now
        if wait is None:
            wait = min(_LONGEST_SHUN, _SHORTEST_SHUN * float(1 << min(self.times - 1, 4)))
        self.shunned_until = max(self.shunned_until, now + wait)


class Marks(Generic[Item]):
    """The marks on targets; an ``Item`` is whoever makes attempts.

    Attributes:
        held: What is held against which target; empty nearly always.

    Args:
        retry: Gives the intervals between the probes of a dead target.
        timers: Say how long a probe takes.
        random: Spreads those who wait.
    """

    __slots__ = ("_patience", "_random", "_retry", "_waiting", "held")

    def __init__(self, retry: RetryPolicy, timers: SipTimers, random: Random) -> None:
        self._retry = retry
        self._patience = timers.timer_f
        self._random = random
        self.held: dict[_Key, _Mark[Item]] = {}
        self._waiting: dict[Item, tuple[_Key, ...]] = {}

    def order(self, targets: Sequence[Target], now: float) -> Sequence[Target]:
        """The same targets, those that failed lately behind the others, the least recently failed first (DNS-16)."""

        def failed_at(target: Target) -> float:
            mark = self.held.get(_key(target))
            return mark.failed_at if mark is not None and now < mark.shunned_until else -math.inf

        return sorted(targets, key=failed_at) if self.held else targets

    def refusal(self, target: Target, who: Item, now: float, *, insist: bool = False) -> Refusal | None:
        """Why nothing is to be sent to a target now; ``None`` when it may be tried.

        Args:
            target: Where to.
            who: Who wants to; when the target is dead and it is time for a probe, this one makes it.
            now: The time.
            insist: The application asks for this attempt: that may probe at any time, once a second for each target.
        """
        key = _key(target)
        mark = self.held.get(key)
        blocked = mark is not None and now < mark.blocked_until
        if mark is None or (mark.turn_at is None and not blocked):
            return None
        turn_at = -math.inf if mark.turn_at is None else mark.turn_at
        late = now >= turn_at + (0.0 if mark.turn is None else self._patience)
        may_insist = insist and now >= mark.asked_at + SHORTEST_CYCLE
        if may_insist or (mark.turn is who and now >= turn_at) or (late and not blocked):
            mark.turn, mark.asked_at = who, now
            mark.turn_at = None if mark.turn_at is None else now
            self._wait(key, mark, who)
            return None
        jitter = self._random.uniform(0, max(NETWORK_JITTER, len(mark.waiting) / _ASKERS_A_SECOND))
        if blocked:
            return Refusal("DNS-17", "not tried: it told somebody when to come again", mark.blocked_until + jitter)
        # Whoever comes first is the next to probe; the others come when it is known what became of that.
        if mark.turn is None:
            mark.turn = who
        until = turn_at if mark.turn is who else turn_at + self._patience + jitter
        self._wait(key, mark, who)
        return Refusal(mark.row, "not tried: it is silent to others too, and one attempt is made for all", until)

    def failed(self, failure: TargetFailed, who: Item, account: str) -> None:
        """An attempt at a target came to nothing.

        Args:
            failure: What happened.
            who: Whose attempt it was.
            account: The account behind it: several attempts of one account prove nothing for the others.
        """
        if failure.row.then is not Then.NEXT_TARGET:
            return  # A certificate for another name is no fault of the address.
        key, now = _key(failure.target), failure.at
        mark = self.held[key] = self.held.pop(key, _Mark())
        if len(self.held) > MOST_MARKS:
            self._drop(next(iter(self.held)))
        dead, probed, others = mark.turn_at is not None, mark.turn is who, mark.silent_to not in (None, account)
        silent, wait = failure.row.silent, failure.retry_after
        # Attempts that ran side by side fail side by side, and count once.
        mark.shun(now, again=probed if dead and silent else now >= mark.shunned_until, wait=wait)
        if not silent:
            # Somebody is there, although others are to be preferred.
            mark.turn_at = mark.turn = mark.silent_to = None
            mark.blocked_until = max(mark.blocked_until, now + (wait or 0.0))
            return
        self._wait(key, mark, who)
        mark.silent_to, mark.row = account, failure.row.id
        if probed:
            mark.turn = None
        if probed if dead else others:
            mark.turn_at = now + self._retry.delay(mark.times, self._random)

    def answered(self, target: Target, now: float) -> Sequence[Item]:
        """A target answered, so that nothing is held against it any more; return who may have waited for this."""
        key = _key(target)
        return self._lift(key, now) if key in self.held else ()

    def network_changed(self, now: float) -> None:
        """What was silent in another network may answer in this one."""
        for key in tuple(self.held):
            self._lift(key, now)

    def forget(self, who: Item) -> None:
        """Somebody makes no more attempts."""
        for key in self._waiting.pop(who, ()):
            mark = self.held[key]
            del mark.waiting[who]
            if mark.turn is who:
                mark.turn = None

    def _lift(self, key: _Key, now: float) -> Sequence[Item]:
        """Hold nothing against a target any more, except what it asked for itself; return who waited."""
        mark = self._drop(key)
        if now < mark.blocked_until:
            left = self.held[key] = _Mark()
            left.failed_at = mark.failed_at
            left.blocked_until = left.shunned_until = mark.blocked_until
        return tuple(mark.waiting)

    def _wait(self, key: _Key, mark: _Mark[Item], who: Item) -> None:
        if who not in mark.waiting:
            mark.waiting[who] = None
            self._waiting[who] = (*self._waiting.get(who, ()), key)

    def _drop(self, key: _Key) -> _Mark[Item]:
        mark = self.held.pop(key)
        for who in mark.waiting:
            keys = tuple(other for other in self._waiting.pop(who) if other != key)
            if keys:
                self._waiting[who] = keys
        return mark


def _key(target: Target) -> _Key:
    return target.host, target.port, target.transport
