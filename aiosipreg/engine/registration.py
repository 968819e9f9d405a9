"""The life of one registration: section 9 of the requirements as a machine without I/O.

Every input takes ``now`` and returns the effects it causes; ``deadline`` says when `tick` is wanted next. An attempt is
a `Cycle`; here is decided when one begins and what its outcome means. The state itself is written by `Lease.move`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiosipreg.engine.contacts import Purpose
from aiosipreg.engine.course import NO_ANSWER, NO_NETWORK, Course
from aiosipreg.engine.edits import Edit, compare
from aiosipreg.engine.lease import FOR_WANT_OF_A_CERTIFICATE, FOR_WANT_OF_CREDENTIALS, Intent, earliest
from aiosipreg.engine.outcome import Outcome
from aiosipreg.engine.regevent import ContactEvent
from aiosipreg.engine.replies import TROUBLES
from aiosipreg.states import RegistrationState

if TYPE_CHECKING:
    from aiosipreg.engine.agreement import Upkeep
    from aiosipreg.engine.effects import Answer, Effect, Flow
    from aiosipreg.engine.regevent import Notice
    from aiosipreg.params import ProxyParams
    from aiosipreg.wire import Response

__all__ = ["Registration"]

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState

# F-40: a phone that is woken by every packet must not knock at the registrar with each.
_WAKES_APART = 30.0

_REMOVALS = {ContactEvent.PROBATION: "F-20", ContactEvent.REJECTED: "F-21", ContactEvent.UNREGISTERED: "F-22"}

_CRASH = Outcome(TROUBLES["INTERNAL"])


class Registration(Course):
    """One registration on one flow: what may happen to it, and what that means where it stands."""

    __slots__ = ()

    @property
    def deadline(self) -> float | None:
        """When `tick` is wanted next; ``None`` when nothing is due by itself."""
        due_at = self.lease.deadline
        if self._cycle is not None:
            due_at = earliest(due_at, self._cycle.deadline)
        return due_at if self._removal_ends_at is None else earliest(due_at, self._removal_ends_at)

    @property
    def branch(self) -> str | None:
        """The branch whose answer is awaited."""
        return self._cycle.branch if self._cycle is not None else None

    @property
    def question(self) -> int | None:
        """The token of the question that was put last, ``None`` when no answer is of interest any more."""
        return self._cycle.token if self._cycle is not None else None

    @property
    def flow(self) -> Flow | None:
        """The flow that carries the binding, ``None`` without one."""
        return self.lease.flow

    @property
    def upkeep(self) -> Upkeep | None:
        """How that flow is to be kept alive, ``None`` when nothing is to be done, or not any more."""
        return self.lease.upkeep if self.intent is Intent.REGISTER else None

    # What the application wants.

    def register(self, now: float) -> list[Effect]:
        """Have the account registered (F-01, F-31, F-35, F-37)."""
        if self.intent is Intent.UNREGISTER:
            self._then_register = True
            return []
        if self.state in (NONE, CLEARED):
            self.lease.failures = 0
            return self._begin("F-01", now)
        if self.state is FAILED:
            return self._begin("F-37", now)
        return self.refresh(now) if self.state is REFRESHING else []

    def refresh(self, now: float) -> list[Effect]:
        """Renew the binding now (F-12, F-14, F-31, F-37)."""
        if self.intent is not Intent.REGISTER or self._held:
            return []
        if self._cycle is not None:
            self._again = True
            return []
        state = self.state
        if state is FAILED:
            return self._begin("F-37", now)
        if state is REFRESHING and self.lease.put_off(now):
            return []
        changed = [self.lease.move("F-14")] if state is OK else []
        return [*changed, *self._start(Purpose.REGISTER, now)]

    def wake(self, now: float) -> list[Effect]:
        """Be reachable now: a push came, or the application was asleep (F-12, F-14, F-31, F-40)."""
        if self.state is not FAILED:
            return self.refresh(now)
        lease = self.lease
        if lease.retry_at is None or self._held or now < lease.woken_at + _WAKES_APART:
            return []
        lease.woken_at = now
        return self._begin("F-40", now)

    def pause(self) -> list[Effect]:
        """Begin nothing by itself any more; a binding runs out (liblinphone's pause_register)."""
        self.lease.paused = True
        return []

    def resume(self, now: float) -> list[Effect]:
        """Go on; what became due meanwhile begins now."""
        self.lease.paused = False
        return self.tick(now) if self._cycle is None else []

    def unregister(self, now: float, *, within: float | None = None, everything: bool = False) -> list[Effect]:
        """Have the binding removed, with ``everything`` those of all user agents (F-03, F-04, F-09 to F-11, F-23 ...).

        It is given up ``within`` so many seconds; without, the time of REG-25 begins when the removal is sent.
        """
        self._then_register = False
        return self._withdraw(now, within, everything=everything)

    def edit(self, params: ProxyParams, edit: Edit, now: float) -> list[Effect]:
        """Take new settings; ``edit`` says what they mean on the wire."""
        if self.intent is Intent.UNREGISTER:
            self._pending = params
            self._then_register = edit is Edit.START or (self._then_register and edit is not Edit.STOP)
            return []
        if self.intent is Intent.REGISTER and edit in (Edit.START, Edit.NOTHING):
            # A call may have registered an account whose settings do not ask for it.
            edit = compare(self._pending or self.session.params, params)
        if edit in (Edit.MOVE, Edit.STOP) and self.lease.engaged(now):
            self._pending = params
            self._then_register = edit is Edit.MOVE and self.intent is Intent.REGISTER
            return self._withdraw(now, None)
        if self._cycle is not None and (edit is Edit.REFRESH or self._pending is not None):
            self._pending = params
            return []
        self.session.adopt(params)
        if edit is Edit.STOP:
            return self.unregister(now)
        if edit is Edit.NOTHING or (self.intent is Intent.IDLE and edit is not Edit.START):
            return []
        self.lease.failures = 0
        return self._renew(now)

    def credentials_changed(self, now: float, *, certificate: bool = False) -> list[Effect]:
        """Credentials were added: an account that failed for want of them tries again (F-38).

        Args:
            now: The time.
            certificate: The one that is shown over TLS is another: what is registered registers anew, as after a change
                of `TlsParams`, and what no server was reached for tries again.
        """
        self.session.authenticator.forget()
        cured = FOR_WANT_OF_CREDENTIALS + (FOR_WANT_OF_A_CERTIFICATE if certificate else ())
        if self._cycle is not None:
            self._cured, self._again = max(self._cured, cured, key=len), self._again or certificate
            return []
        registered = certificate and self.state is OK
        if self.intent is not Intent.REGISTER or not (registered or self.lease.failed_for(cured)):
            return []
        self.lease.failures = 0
        return self._renew(now)

    def credentials_removed(self, _now: float) -> list[Effect]:
        """Credentials were taken away: they answer no more challenges. There is nothing new to try."""
        self.session.authenticator.forget()
        return []

    def network(self, now: float, *, reachable: bool) -> list[Effect]:
        """The network went away, or came back (RSP-NET, F-17, F-39)."""
        if reachable is not self._held:
            return []
        self._held = not reachable
        if reachable:
            self._resume(now)
            return []
        running = self._cycle is not None
        self._abandon()
        self.session.leave(None)
        self.lease.refresh_at = None
        if self.intent is Intent.UNREGISTER:
            return self._settled("F-34", now, NO_NETWORK)
        if self.state is OK:
            return [self.lease.move("F-17", NO_NETWORK)]
        if running or self.state is REFRESHING:
            return self._failed(NO_NETWORK, now)
        self.lease.retry_at = None
        return []

    def network_changed(self, now: float) -> list[Effect]:
        """Our address, or the way to the server, is another one (REG-35; F-13, F-17, F-31, F-39)."""
        cycle = self._cycle
        if self._held or self.intent is Intent.UNREGISTER:
            # A removal is as good from the old address; without a network there is nothing to do it with.
            return []
        self.session.leave(None)
        if cycle is not None:
            return self._follow(cycle, cycle.flow_lost(cycle.flow, "the network changed", now), now)
        self.lease.refresh_at = None
        self._resume(now)
        return [self.lease.move("F-17")] if self.state is OK else []

    def notified(self, notice: Notice, now: float) -> list[Effect]:
        """The registrar told what became of our Contact (F-18 to F-22, F-45)."""
        if self.intent is not Intent.REGISTER or self.state not in (OK, REFRESHING):
            return []
        if notice.event is ContactEvent.SHORTENED:
            if self.state is OK:
                self.lease.shorten(notice.expires, now)
            return self.tick(now)
        if not notice.trusted:
            # SEC-32: a refresh tells whether it is true, and mends what a forger broke.
            return self.refresh(now)
        if notice.event in (ContactEvent.DEACTIVATED, ContactEvent.EXPIRED):
            return self._begin_anew(now) if self.state is OK else []
        self._abandon()
        return [self._removed_by_registrar(_REMOVALS[notice.event], notice.retry_after, now)]

    def recovered(self, now: float) -> list[Effect]:
        """A server that had answered nobody answers again."""
        self._hurry(now)
        return []

    def close(self) -> list[Effect]:
        """End without a removal (F-43)."""
        self._let_go(linger=True)
        return [self.lease.move("F-43")] if self.state not in (NONE, CLEARED) else []

    def crash(self) -> list[Effect]:
        """An input raised what it must not raise: give up visibly rather than go on in an unknown state."""
        self._let_go(linger=True)
        changed = self.lease.move("INTERNAL", _CRASH)
        self._then_register = False
        self._adopt_pending()
        return [changed]

    # What the outside world answers.

    def take(self, answer: Answer, now: float) -> list[Effect]:
        """The answer to a question."""
        cycle = self._cycle
        return self._follow(cycle, cycle.take(answer, now), now) if cycle is not None else []

    def failed(self, cause: str, now: float, row: str = "RSP-REF") -> list[Effect]:
        """The transport lost the request; ``row`` of section 8 says how."""
        cycle = self._cycle
        return self._follow(cycle, cycle.failed(cause, now, row), now) if cycle is not None else []

    def flow_lost(self, flow: Flow, cause: str, now: float) -> list[Effect]:
        """A connection is gone, with the request on it (TRA-13), or while it only carried the binding (F-16)."""
        cycle = self._cycle
        effects = self._follow(cycle, cycle.flow_lost(flow, cause, now), now) if cycle is not None else []
        if self.lease.flow == flow:
            self.lease.lose()
        if self.session.flow != flow:
            return effects
        self.session.leave(None)
        # An attempt that waits for its time goes on waiting: no storm on a server that refuses and hangs up (REG-36).
        return self._reconnect(cause, now) if self.state is OK else effects

    def proved(self) -> list[Effect]:
        """A keep-alive was answered on the flow that carries the binding (OUTB-16)."""
        self.lease.prove()
        return []

    def received(self, response: Response, now: float) -> list[Effect]:
        """An answer to the request with our `branch`."""
        cycle = self._cycle
        return self._follow(cycle, cycle.received(response, now), now) if cycle is not None else []

    def tick(self, now: float) -> list[Effect]:
        """Let time pass. Expiry comes first, so that a long sleep is seen as what it is (F-44)."""
        lease = self.lease
        effects: list[Effect] = []
        if lease.binding is not None and not lease.alive(now) and self.state is not PROGRESS:
            effects = self._expire(now)
        if self._removal_ends_at is not None and now >= self._removal_ends_at:
            return [*effects, *self._settled("F-34", now, NO_ANSWER)]
        cycle = self._cycle
        if cycle is not None:
            return [*effects, *self._follow(cycle, cycle.tick(now), now)]
        if lease.paused:
            return effects
        if lease.refresh_at is not None and now >= lease.refresh_at:
            return [*effects, *self.refresh(now)]
        if lease.retry_at is not None and now >= lease.retry_at:
            effects += self._begin("F-36", now) if self.state is FAILED else self._start(Purpose.REGISTER, now)
        return effects
