"""From target to target within one attempt (RFC 3263 4.3): which is next, and what became of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiosipreg.engine.lease import earliest
from aiosipreg.engine.outcome import NOTHING_TRIED, Outcome
from aiosipreg.engine.replies import TROUBLES
from aiosipreg.engine.size import stream_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiosipreg.engine.replies import Row
    from aiosipreg.engine.targets import Target
    from aiosipreg.params import ProxyParams
    from aiosipreg.wire import Response, SipUri

__all__ = ["Walk"]

# DNS-19; the time limit of an attempt is kept by the cycle.
_MOST_TARGETS: Final = 8

_NOBODY: Final[tuple[Row, Response | None]] = TROUBLES["RSP-REF"], None


class Walk:
    """The targets of one attempt.

    Attributes:
        tried: Those that failed, and names that led to none, with the cause.
        why: The row of section 8, and the answer if there was one, that sent us on last; they decide when no target is
            left.
        widened: Those where TCP was tried for the size of a request.
        until: When the first target that was left alone for another account's sake may be asked; ``None`` once one has
            failed by itself.
    """

    __slots__ = ("_failed", "_left", "tried", "until", "why", "widened")

    def __init__(self) -> None:
        self.tried: dict[Target | SipUri, str] = {}
        self.widened: tuple[Target, ...] = ()
        self.why = _NOBODY
        self.until: float | None = None
        self._left: list[Target] | None = None
        self._failed = False

    @property
    def listed(self) -> bool:
        """Whether there was a list of targets to choose from, not only the one of the binding."""
        return self._left is not None

    def offer(
        self,
        targets: Sequence[Target],
        reluctance: Callable[[Target], tuple[bool, ...]],
        allows: Callable[[Target], bool],
    ) -> None:
        """Take the targets that a name leads to.

        Args:
            targets: In the order in which to try them.
            reluctance: Those of which it says more come later.
            allows: Whether one may be used.
        """
        for target in targets:
            if not allows(target):
                self.tried.setdefault(target, "no redirect may lead there")
        usable = [target for target in targets if target not in self.tried]
        if len(usable) > 1:
            usable.sort(key=reluctance)
        self._left = usable[: max(0, _MOST_TARGETS - len(self.tried))]

    def next(self) -> Target | None:
        """The target to try now, ``None`` when none is left."""
        return self._left.pop(0) if self._left else None

    def widen(self, target: Target, hop: SipUri, params: ProxyParams) -> Target | None:
        """Where a request goes that is too large for a datagram, once; see `stream_for`."""
        stream = stream_for(target, hop, params)
        if stream is None or target in self.widened:
            return None
        self.widened = (*self.widened, target)
        return stream

    def leave(self, target: Target, row: Row, cause: str, response: Response | None, until: float | None) -> None:
        """Note that a target is no good.

        Args:
            target: Which.
            row: What happened.
            cause: The same for people.
            response: The answer, if that is what happened.
            until: It was left alone until then, because of what became of another account's attempt.
        """
        self.tried[target] = cause
        if until is None:
            self._failed, self.until = True, None
        elif self._failed:
            # What this account met itself decides about it.
            return
        else:
            self.until = earliest(self.until, until)
        if row.id == "TLS-1" and len(self.tried) > 1 and self.why[0].id != row.id:
            # Only when no target at all is the right one is there nothing to wait for.
            row = TROUBLES["RSP-TLS"]
        self.why = row, response

    def unlocated(self, uri: SipUri, cause: str) -> str:
        """Note that a name leads to no target; return what became of all, in words."""
        self.tried[uri] = cause
        return cause if len(self.tried) == 1 else self.summary()

    def turn(self, row: Row, response: Response | None) -> None:
        """Go on elsewhere, where a redirect led; ``row`` and ``response`` decide if there is no target."""
        self.why = row, response
        self._left, self.until, self._failed = None, None, False

    def summary(self, response: Response | None = None) -> str:
        """What became of the targets, unless there was one and its answer says so itself."""
        if response is not None and [*self.tried.values()] == [str(response.status)]:
            return ""
        return ", ".join(f"{target}: {cause}" for target, cause in self.tried.items())

    def outcome(self, row: Row, response: Response | None, cause: str, target: Target | None) -> Outcome:
        """How the attempt ends, with what was met on the way; see `Outcome`."""
        tried = {str(place): why for place, why in self.tried.items()} if self.tried else NOTHING_TRIED
        return Outcome(row, response, cause, target, tried, self.until if row is self.why[0] else None)
