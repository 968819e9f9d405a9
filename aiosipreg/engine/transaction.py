"""The non-INVITE client transaction (RFC 3261 17.1.2, RFC 4320, RFC 6026) and the table that matches answers to it."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from random import Random

    from aiosipreg.engine.timers import SipTimers

__all__ = ["ClientTransaction", "TransactionState", "TransactionTable", "new_branch"]

Owner = TypeVar("Owner")


_COOKIE: Final = "z9hG4bK"
_MOST_CLOSED: Final = 32 * 1024


def new_branch(random: Random) -> str:
    """A branch that was never used before: the cookie and 64 random bits in lower case (TXN-11, GRM-17)."""
    return _COOKIE + random.randbytes(8).hex()


def _as_written(branch: str) -> str:
    """A branch in our letters, whatever a server made of them (GRM-17)."""
    cookie, rest = branch[: len(_COOKIE)], branch[len(_COOKIE) :]
    return _COOKIE + rest.lower() if cookie.lower() == _COOKIE.lower() else branch


class TransactionState(enum.Enum):
    """The states of RFC 3261 figure 6; Completed with its Timer K is kept by `TransactionTable`."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TIMED_OUT = "timed out"
    """Timer F fired and nothing was ever heard (RSP-F0)."""
    TIMED_OUT_PROCEEDING = "timed out after a provisional answer"
    """Timer F fired, but the server lives (RSP-F1)."""


_RUNNING = (TransactionState.TRYING, TransactionState.PROCEEDING)


class ClientTransaction:
    """One request, its retransmissions and its final answer.

    The caller sends ``data`` when the transaction is made, and again whenever `tick` says so. Once it is over nothing
    changes it any more.

    Attributes:
        branch: Identifies the transaction, together with the method.
        data: The request as sent; a retransmission is identical to the octet (TXN-3).
        state: One of `TransactionState`.
        deadline: When `tick` is wanted next, while the transaction runs.
    """

    __slots__ = ("_interval", "_timers", "_times_out_at", "branch", "data", "deadline", "state")

    def __init__(self, branch: str, data: bytes, *, reliable: bool, timers: SipTimers, now: float) -> None:
        self.branch = branch
        self.data = data
        self.state = TransactionState.TRYING
        self._timers = timers
        self._times_out_at = now + timers.timer_f
        self._interval = timers.t1
        # A reliable transport never retransmits (TXN-4).
        self.deadline = self._times_out_at if reliable else now + timers.t1

    def received(self, status: int) -> bool:
        """Take the status of an answer; return whether it is the final one, the first of them (TXN-6)."""
        if self.state not in _RUNNING:
            return False
        if status >= 200:
            self.state = TransactionState.COMPLETED
            return True
        # RFC 3261 17.1.2.2: the running Timer E is left alone, every later one is T2 (TXN-5).
        self.state = TransactionState.PROCEEDING
        self._interval = self._timers.t2
        return False

    def tick(self, now: float) -> bool:
        """Let time pass; return whether ``data`` is to be sent again. Timer F changes ``state``."""
        if self.state not in _RUNNING:
            return False
        if now >= self._times_out_at:
            heard = self.state is TransactionState.PROCEEDING
            self.state = TransactionState.TIMED_OUT_PROCEEDING if heard else TransactionState.TIMED_OUT
            return False
        if now < self.deadline:
            return False
        self._interval = min(2 * self._interval, self._timers.t2)
        resend_at = self.deadline + self._interval
        if resend_at <= now:
            # After a suspend the copies that were missed are not sent in a burst.
            resend_at = now + self._interval
        self.deadline = min(resend_at, self._times_out_at)
        return True


class TransactionTable(Generic[Owner]):
    """Which owner waits for which answer: branch and method, nothing weaker (TXN-9). All requests are REGISTERs.

    A transaction that got its final answer stays known for Timer K at least, and hardly longer than twice that, so that
    repeats are told apart from strangers (TXN-6). Two lists that take turns do that without a timer or a time for each.
    They are text that is searched: repeats are rare, and branches would take four times the room as strings. Where
    there are hundreds a second they take turns earlier, so that a flood of strangers is not searched for at length.
    """

    def __init__(self, timers: SipTimers) -> None:
        self._timers = timers
        # By branches as we wrote them.
        self._open: dict[str, Owner] = {}
        # With a blank before and after each.
        self._closed = self._closed_before = bytearray()
        self._turn_at = -math.inf

    def __len__(self) -> int:
        return len(self._open)

    def open(self, branch: str, owner: Owner) -> None:
        """Expect answers to the request with this branch."""
        self._open[branch] = owner

    def close(self, branch: str, now: float) -> None:
        """The final answer came, or the transaction was given up: absorb what still arrives, for Timer K."""
        if self._open.pop(branch, None) is None:
            return
        if now >= self._turn_at or len(self._closed) > _MOST_CLOSED:
            long_ago = now >= self._turn_at + self._timers.timer_k
            self._closed_before = bytearray() if long_ago else self._closed
            self._closed = bytearray(b" ")
            self._turn_at = now + self._timers.timer_k
        self._closed += b"%b " % branch.encode()

    def match(self, branch: str, method: str) -> Owner | None:
        """The owner of the transaction that an answer belongs to, ``None`` if there is none."""
        if method != "REGISTER":
            return None
        owner = self._open.get(branch)
        return self._open.get(_as_written(branch)) if owner is None else owner

    def is_repeat(self, branch: str) -> bool:
        """Whether an answer without owner repeats one that was already taken."""
        key = b" %b " % _as_written(branch).encode("ascii", "backslashreplace")
        return key in self._closed or key in self._closed_before
