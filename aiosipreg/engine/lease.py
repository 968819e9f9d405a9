"""Where a registration stands: its state, its binding and its times, with the one writer of the state."""

from __future__ import annotations

import enum
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from aiosipreg.engine.agreement import upkeep
from aiosipreg.engine.change import Changed
from aiosipreg.engine.gruu import NO_GRUUS
from aiosipreg.engine.outcome import NOTHING_TRIED
from aiosipreg.engine.register import NOTHING_FURTHER
from aiosipreg.engine.replies import Then
from aiosipreg.engine.timers import SHORTEST_CYCLE
from aiosipreg.engine.transitions import TRANSITIONS
from aiosipreg.states import Reason, RegistrationState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiosipreg.engine.agreement import Upkeep
    from aiosipreg.engine.binding import Binding
    from aiosipreg.engine.effects import Flow
    from aiosipreg.engine.outcome import Outcome
    from aiosipreg.engine.register import Grant
    from aiosipreg.engine.replies import Row
    from aiosipreg.engine.session import Session

__all__ = ["FOR_WANT_OF_A_CERTIFICATE", "FOR_WANT_OF_CREDENTIALS", "Intent", "Lease", "earliest"]

FOR_WANT_OF_CREDENTIALS = (
    Reason.UNAUTHORIZED, Reason.AUTH_UNAVAILABLE, Reason.AUTH_PROVIDER_FAILED, Reason.REALM_MISMATCH
)  # fmt: skip
# With TLS 1.3 a server that wants a certificate hangs up when the handshake is over.
FOR_WANT_OF_A_CERTIFICATE = (Reason.TLS_ERROR, Reason.IO_ERROR)
_LONG_AGO = -math.inf
_HOUR = 3600.0
_MOST_ATTEMPTS = 60
_ENGAGED = (RegistrationState.PROGRESS, RegistrationState.OK, RegistrationState.REFRESHING)


class Intent(enum.Enum):
    """What the account wants, whatever its state."""

    IDLE = "idle"
    REGISTER = "register"
    UNREGISTER = "unregister"


class Lease:
    """What is held from the registrar, and until when.

    Attributes:
        state: The public state; written by `move` alone.
        binding: The binding in place, ``None`` without one.
        flow: The flow that carries the binding; ``None`` when it is lost.
        flow_since: When the 2xx came that first bound to it (F-16).
        proven: Keep-alives on it were answered, or nobody expects answers (OUTB-16).
        upkeep: How it is to be kept alive, ``None`` when nothing is to be done.
        further: What the registrar said besides, as long as the binding lives.
        refresh_at: When the binding is renewed.
        retry_at: When a failed attempt is repeated; ``None`` when it is not.
        residual_until: Until then the registrar may still hold a binding whose removal was not confirmed.
        started_at: When the last attempt began.
        woken_at: When an attempt began early because the account was woken (F-40).
        paused: Nothing begins by itself.
        failures: Consecutive failures (OUTB-14).
        hurried: The next attempt was brought forward once, because the server answered others (OVL-7).
    """

    __slots__ = (
        "_attempts", "_failure", "_listed", "_session", "_window_at", "binding", "failures", "flow", "flow_since",
        "further", "hurried", "paused", "proven", "refresh_at", "residual_until", "retry_at", "started_at", "state",
        "upkeep", "woken_at",
    )  # fmt: skip

    def __init__(self, session: Session) -> None:
        self._session = session
        self.state = RegistrationState.NONE
        self.binding: Binding | None = None
        # ``None`` where that is our own binding and no other, as it is nearly everywhere.
        self._listed: tuple[Binding, ...] | None = None
        self.flow: Flow | None = None
        self.flow_since = _LONG_AGO
        self.proven = True
        self.upkeep: Upkeep | None = None
        self.further = NOTHING_FURTHER
        self.refresh_at: float | None = None
        self.retry_at: float | None = None
        self.residual_until: float | None = None
        self.started_at = self.woken_at = self._window_at = _LONG_AGO
        self.paused = self.hurried = False
        self._attempts = 0
        self.failures = 0
        self._failure: Outcome | None = None

    @property
    def cause(self) -> Row | None:
        """The row that decided the last failure, ``None`` after a success."""
        return self._failure.row if self._failure is not None else None

    @property
    def tried(self) -> Mapping[str, str]:
        """What failed in the attempt that came to nothing last, by target; nothing after a success."""
        return self._failure.tried if self._failure is not None else NOTHING_TRIED

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All that the registrar listed last."""
        if self._listed is not None:
            return self._listed
        return () if self.binding is None else (self.binding,)

    @property
    def expires_at(self) -> float | None:
        """End of the binding."""
        return self.binding.expires_at if self.binding is not None else None

    @property
    def bound_at(self) -> float:
        """When the request that brought the binding was sent; long ago without one."""
        return _LONG_AGO if self.binding is None else self.binding.expires_at - self.binding.expires

    @property
    def deadline(self) -> float | None:
        """When something is due: the refresh, the next attempt, the end of the binding."""
        # While a binding is being removed its end is of no interest any more.
        binding = None if self.state is RegistrationState.PROGRESS else self.binding
        expires_at = binding.expires_at if binding is not None else None
        return expires_at if self.paused else earliest(earliest(expires_at, self.refresh_at), self.retry_at)

    def failed_for(self, reasons: tuple[Reason, ...]) -> bool:
        """Whether the last attempt failed for one of these reasons."""
        cause = self.cause
        return cause is not None and cause.reason in reasons

    @property
    def stopped(self) -> bool:
        """Whether the last failure is final, a changed network included."""
        cause = self.cause
        final = cause is not None and cause.then is Then.STOP and not cause.on_network_change
        return final and self.state is RegistrationState.FAILED

    def alive(self, now: float) -> bool:
        """Whether there is a binding that has not run out."""
        return self.binding is not None and now < self.binding.expires_at

    def lingers(self, now: float) -> bool:
        """Whether the registrar may hold a binding that we gave up."""
        return self.residual_until is not None and now < self.residual_until

    def engaged(self, now: float) -> bool:
        """Whether the registrar holds, or may hold, a binding of ours."""
        return self.state in _ENGAGED or self.lingers(now)

    def put_off(self, now: float) -> bool:
        """Whether an attempt would be too soon: then it is made when it is not (SEC-27).

        An application that calls register() in a loop must not become a storm.
        """
        earliest_at = self.started_at + SHORTEST_CYCLE
        if now < earliest_at:
            self.retry_at = earliest_at
        return now < earliest_at

    def begin(self, now: float) -> None:
        """An attempt begins; what is due is due no more."""
        renewal = self.state is RegistrationState.REFRESHING and self.failures == 0
        if now >= self._window_at + _HOUR:
            self._window_at, self._attempts = now, 0
        # A registrar that grants a second at a time is renewed every second: that is its own wish.
        self._attempts += not renewal
        self.started_at = now
        self.refresh_at = self.retry_at = None

    def storming(self, now: float) -> float | None:
        """Until when attempts are too many (SEC-27), ``None`` when they are not."""
        ends_at = self._window_at + _HOUR
        return ends_at if self._attempts >= _MOST_ATTEMPTS and now < ends_at else None

    def shorten(self, expires: float, now: float) -> None:
        """The registrar cut the binding down to so many seconds from now (F-18, EVT-11)."""
        binding = self.binding
        assert binding is not None  # noqa: S101
        expires_at = min(binding.expires_at, now + expires)
        self.binding = replace(binding, expires=expires_at - self.bound_at, expires_at=expires_at)
        self.refresh_at = earliest(self.refresh_at, now + (expires_at - now) / 2)

    def store(self, grant: Grant, now: float) -> None:
        """Take what a 2xx granted."""
        session, before = self._session, self.flow
        self.binding = grant.binding
        alone = len(grant.bindings) == 1 and grant.bindings[0] is grant.binding
        self._listed = None if alone else grant.bindings
        self.further = grant.further
        self.residual_until = None
        self.flow = session.flow
        self.upkeep = upkeep(session.flow, session.answer, session.setup.keepalive)
        if self.flow != before:
            # What proved good stays so; another flow has to prove it anew.
            self.flow_since, self.proven = now, False
        self.proven = self.proven or self.upkeep is None or not self.upkeep.answered

    def prove(self) -> None:
        """A keep-alive was answered: what failed before is forgotten (OUTB-16)."""
        self.proven = True
        self.failures = 0

    def lose(self) -> None:
        """The flow is gone, while the binding runs on (F-16)."""
        self.flow = self.upkeep = None

    def drop(self, *, linger: bool = False, out_until: float | None = None) -> None:
        """Give the binding up.

        Args:
            linger: The registrar was not told, or did not confirm.
            out_until: The end of a binding that a request asked for whose answer may have been lost.
        """
        if linger:
            self.residual_until = self.expires_at or out_until or self.residual_until
        self.binding = None
        self._listed = None
        self.further = NOTHING_FURTHER
        self.refresh_at = None
        self.lose()
        session = self._session
        if all(flow.lease.binding is None for flow in session.flows):
            session.share(NO_GRUUS)

    def grant(self, grant: Grant, outcome: Outcome, now: float, refresh_at: float) -> Changed:
        """An attempt brought a binding (F-05, F-25)."""
        self.hurried = False
        self.refresh_at = refresh_at
        self.store(grant, now)
        if self.proven:
            self.failures = 0
        assert grant.binding is not None  # noqa: S101
        name = "F-05" if self.state is RegistrationState.PROGRESS else "F-25"
        return self.move(name, outcome, reason=grant.doubt, wait=grant.binding.expires)

    def fail(self, outcome: Outcome, now: float, wait: float | None, *, final: bool) -> Changed:
        """An attempt came to nothing (F-06 to F-08, F-26 to F-28).

        Args:
            outcome: What ended it.
            now: The time.
            wait: Seconds until the next attempt, ``None`` when there is none.
            final: Nor will there be one when the network is back.
        """
        self.retry_at = None if wait is None else now + wait
        if self.state is RegistrationState.PROGRESS:
            name = "F-07" if final else "F-08" if outcome.row.id == "RSP-200C" else "F-06"
        else:
            name = "F-28" if final else "F-26" if self.alive(now) else "F-27"
        if name != "F-26":
            self.drop(linger=final)
        elif outcome.response is not None:
            self.further = self.further._replace(service_route=())  # RTE-4: a refused refresh discards it.
        # Retry-After, retry_403 or max_attempts may have decided otherwise than the row does by itself, and where
        # anybody could have sent this answer, another network may tell the truth (SEC-17).
        row = outcome.row
        unverified = final and row.then is Then.STOP and outcome.unprotected
        row = row._replace(
            then=Then.STOP if final else Then.BACK_OFF,
            on_network_change=row.on_network_change or unverified,
        )
        return self.move(name, outcome._replace(row=row), wait=wait)

    def move(
        self,
        name: str,
        outcome: Outcome | None = None,
        *,
        reason: Reason | None = None,
        wait: float | None = None,
    ) -> Changed:
        """Change the state by a row of the table, and report it (REG-40).

        Args:
            name: The row, such as ``F-05``.
            outcome: What ended the attempt, if that is what happened.
            reason: Instead of the reason of the outcome.
            wait: Seconds that the report names: until the next attempt, or the lifetime that was granted.

        Raises:
            AssertionError: The row does not start in the present state: an error in the machine.
        """
        transition = TRANSITIONS[name]
        if self.state not in transition.sources:
            raise AssertionError(f"{name} does not start in {self.state}")
        old, self.state = self.state, transition.target
        row = response = sent_to = None
        cause = ""
        if outcome is not None:
            row, response, cause, sent_to = outcome.row, outcome.response, outcome.cause, outcome.target
            self._failure = None if row.then is Then.SUCCEED else outcome
        if reason is None:
            reason = row.reason if row is not None else Reason.NONE
        retry_at = None if self.paused else self.retry_at
        return Changed(
            self._session.params,
            transition,
            old,
            self.state,
            reason,
            self.binding,
            retry_at,
            wait,
            self.paused,
            row,
            response,
            cause,
            sent_to,
        )


def earliest(one: float | None, other: float | None) -> float | None:
    """The first of two times, ``None`` if there is none."""
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
