"""How the attempts of one registration begin and end, and what their outcomes mean (section 9 of the requirements).

`Course` has the state between attempts and what follows from each outcome; the inputs of the machine are those of its
subclass `engine.registration.Registration`, which decides what an input means where the account stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiosipreg.engine.contacts import Purpose
from aiosipreg.engine.cycle import Cycle, Step
from aiosipreg.engine.effects import CloseFlow
from aiosipreg.engine.lease import Intent, Lease, earliest
from aiosipreg.engine.outbound import alive, waits
from aiosipreg.engine.outcome import Outcome
from aiosipreg.engine.replies import TROUBLES, Then, wait_after
from aiosipreg.engine.session import Session
from aiosipreg.engine.timers import (
    CROWD_WAIT,
    LONGEST_RETRY_AFTER,
    NETWORK_JITTER,
    REMOVAL_DEADLINE,
    SHORTEST_CYCLE,
    refresh_delay,
)
from aiosipreg.states import Reason, RegistrationState

if TYPE_CHECKING:
    from aiosipreg.engine.effects import Effect
    from aiosipreg.engine.register import Grant
    from aiosipreg.engine.setup import Setup
    from aiosipreg.params import ProxyParams

__all__ = ["NO_ANSWER", "NO_NETWORK", "Course"]

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState

# A connection that carried a binding for less than this had not proved good (F-16).
_PROVEN = 30.0

_MAYBE_TAKEN = ("RSP-F0", "RSP-F1", "RSP-CLOSE")

NO_NETWORK = Outcome(TROUBLES["RSP-NET"])
NO_ANSWER = Outcome(TROUBLES["RSP-F0"], cause="no answer in time")


class Course:
    """What is kept between attempts, where the registration stands, and what is wanted."""

    __slots__ = (
        "_again", "_cured", "_cycle", "_everything", "_held", "_pending", "_removal_ends_at", "_then_register",
        "intent", "lease", "session",
    )  # fmt: skip

    def __init__(self, params: ProxyParams, setup: Setup, reg_id: int = 1) -> None:
        self.session = Session(params, setup, reg_id)
        self.lease = Lease(self.session)
        self.intent = Intent.IDLE
        self._cycle: Cycle | None = None
        self._removal_ends_at: float | None = None
        # What waits for the running cycle to end (REG-6): a refresh, changed settings, a registration (F-35).
        self._again = False
        self._cured: tuple[Reason, ...] = ()
        self._pending: ProxyParams | None = None
        self._then_register = False
        self._everything = False
        self._held = False

    @property
    def state(self) -> RegistrationState:
        """The public state."""
        return self.lease.state

    @property
    def trying(self) -> bool:
        """Whether an attempt is under way."""
        return self._cycle is not None

    # How an attempt begins and ends.

    def _begin(self, name: str, now: float) -> list[Effect]:
        """A first registration starts, or is held until there is a network (F-01, F-36 to F-38)."""
        lease = self.lease
        if name == "F-01" and waits(self):
            return []
        if name == "F-37" and lease.put_off(now):
            return []
        storming_until = lease.storming(now)
        if storming_until is not None and name in ("F-37", "F-40"):
            lease.retry_at = max(lease.retry_at or 0.0, storming_until)
            return [lease.move("SEC-27", Outcome(TROUBLES["SEC-27"]), wait=lease.retry_at - now)]
        self.intent = Intent.REGISTER
        lease.retry_at = None
        changed = lease.move(name)
        return [changed, *(self._failed(NO_NETWORK, now) if self._held else self._start(Purpose.REGISTER, now))]

    def _start(self, purpose: Purpose, now: float) -> list[Effect]:
        self._again, self._cured = False, ()
        self.lease.begin(now)
        cycle = self._cycle = Cycle(self.session, purpose, now)
        return self._follow(cycle, cycle.start(now), now)

    def _follow(self, cycle: Cycle, effects: list[Effect], now: float) -> list[Effect]:
        """Draw the consequences of what an input caused in the running cycle, if that was its end."""
        outcome = cycle.outcome
        if outcome is None:
            return effects
        self._cycle = None
        if outcome.row.id == "RSP-430" and cycle.flow is not None:
            # RFC 5626 11.5. The bindings of others hang on this flow too, and calls to them get lost like ours.
            effects = [*effects, CloseFlow(cycle.flow, outcome.row.advice)]
        grant = cycle.grant
        if self.intent is not Intent.UNREGISTER:
            ends = (
                self._failed(outcome, now, cycle.sent_at)
                if grant is None
                else self._granted(cycle, outcome, grant, now)
            )
            return effects + ends
        if cycle.purpose is Purpose.REGISTER or (self._everything and cycle.purpose is Purpose.REMOVE):
            return effects + self._overtaken(outcome, grant, now)
        return effects + (self._settled("F-34", now, outcome) if grant is None else self._removed(outcome, grant, now))

    def _granted(self, cycle: Cycle, outcome: Outcome, grant: Grant, now: float) -> list[Effect]:
        """A 2xx (F-05, F-25), which may still grant nothing (F-08)."""
        session, lease = self.session, self.lease
        if grant.binding is None or grant.binding.expires_at <= now:
            return self._failed(outcome._replace(row=TROUBLES["RSP-200C"]), now)
        if session.params.strict_binding and grant.doubt is Reason.CONTACT_MISMATCH:
            return self._failed(outcome._replace(row=TROUBLES["RSP-200A"]), now)
        # Not so refreshes: where these have to wait there are too many already, and early ones would be more.
        crowded = lease.state is PROGRESS and cycle.waited > CROWD_WAIT
        delay = refresh_delay(
            grant.binding.expires, session.lifetime, session.setup.random, timers=session.setup.timers,
            window=session.params.refresh_window, crowded=crowded,
        )  # fmt: skip
        refresh_at = max(cycle.sent_at + delay, now + SHORTEST_CYCLE)
        return [lease.grant(grant, outcome, now, refresh_at), *self._take_pending(now)]

    def _take_pending(self, now: float) -> list[Effect]:
        """What waited for the cycle to end goes out now, once (REG-6)."""
        # The attempt may have failed for want of credentials that came while it asked for some (F-38).
        if self._adopt_pending() or self.lease.failed_for(self._cured):
            self.lease.failures = 0
            return self._renew(now)
        if self._again and self.state is OK:
            return [self.lease.move("F-14"), *self._start(Purpose.REGISTER, now)]
        return []

    def _adopt_pending(self) -> bool:
        params, self._pending = self._pending, None
        if params is not None and self.session.adopt(params):
            # What may be left is the binding of another account.
            self.lease.residual_until = None
        return params is not None

    def _renew(self, now: float) -> list[Effect]:
        """Changed settings go out with a REGISTER of their own (F-01, F-15, F-31, F-38)."""
        if self.state is OK:
            return [self.lease.move("F-15"), *self._start(Purpose.REGISTER, now)]
        if self.state is REFRESHING:
            return [] if self._held else self._start(Purpose.REGISTER, now)
        return self._begin("F-38" if self.state is FAILED else "F-01", now)

    def _failed(self, outcome: Outcome, now: float, sent_at: float = 0.0) -> list[Effect]:
        """The attempt, whose last request was first sent then, came to nothing (F-06 to F-08, F-26 to F-28)."""
        row, session, lease = outcome.row, self.session, self.lease
        wait = None
        if not self._held:
            lease.failures += 1
            if row.id == "RSP-403" and session.params.retry_403:
                row = row._replace(then=Then.SLOW)
            setup = session.setup
            wait = wait_after(row, outcome.retry_after, lease.failures, setup.retry, setup.random, alive=alive(self))
            if wait is not None and outcome.until is not None:
                wait = max(outcome.until - now, SHORTEST_CYCLE)
                lease.hurried = False
        session.home = None  # What was known before a restart counts once.
        changed = lease.fail(outcome, now, wait, final=wait is None and not self._held)
        if row.id in _MAYBE_TAKEN and self.state is FAILED:
            # Only the answer may have been lost: unregister() asks to be sure (F-41).
            lease.residual_until = max(lease.residual_until or 0.0, sent_at + session.lifetime)
        if row.elsewhere and (outcome.response is None or not session.holds_on(session.flow, outcome.response)):
            session.leave(outcome.target)
        if row.new_call_id:
            session.renew()
        return [changed, *self._take_pending(now)]

    def _reconnect(self, cause: str, now: float) -> list[Effect]:
        """Register on another connection, spread out, because many accounts lose one at once (F-16)."""
        lease, session = self.lease, self.session
        wait = session.setup.random.uniform(0, NETWORK_JITTER)
        if not lease.proven or now < lease.flow_since + _PROVEN:
            # A server that agrees and hangs up, or never answers a keep-alive, must not become a loop (OUTB-16).
            lease.failures += 1
            wait = self.session.setup.retry.delay(lease.failures, session.setup.random, alive=alive(self))
        # Never after the refresh that was due: a brief binding must not run out meanwhile.
        lease.retry_at = max(now, min(now + wait, lease.refresh_at or now + wait))
        lease.refresh_at = None
        return [lease.move("F-16", Outcome(TROUBLES["RSP-KA"], cause=cause), wait=lease.retry_at - now)]

    def _begin_anew(self, now: float) -> list[Effect]:
        """The registrar dropped the binding and wants another, which has nothing of the old one (F-19)."""
        self.lease.drop()
        self.session.unbind()
        self.session.renew()
        return [self.lease.move("F-19"), *self._start(Purpose.REGISTER, now)]

    def _removed_by_registrar(self, name: str, retry_after: float | None, now: float) -> Effect:
        """The binding is gone, and another is not wanted yet, or not at all (F-20 to F-22)."""
        row, lease = TROUBLES[name], self.lease
        lease.drop()
        self.session.unbind()
        asked = None if retry_after is None else min(retry_after, LONGEST_RETRY_AFTER)
        wait = wait_after(row, asked, lease.failures + 1, self.session.setup.retry, self.session.setup.random)
        lease.retry_at = None if wait is None else now + wait
        return lease.move(name, Outcome(row), wait=wait)

    def _expire(self, now: float) -> list[Effect]:
        """The binding ran out (F-24, F-29)."""
        self.lease.drop()
        self.session.unbind()
        if self._cycle is not None:
            return [self.lease.move("F-29")]
        if not self._held:
            # After a suspend the next attempt may be overdue; no event promises one for a time that has passed.
            self.lease.retry_at = max(self.lease.retry_at or now, now)
        return [self.lease.move("F-24", reason=Reason.EXPIRED)]

    def _resume(self, now: float) -> None:
        """The network is back: try again, spread out (REG-35, F-39)."""
        if self.intent is Intent.REGISTER and not self.lease.stopped:
            self.lease.retry_at = now + self.session.setup.random.uniform(0, NETWORK_JITTER)

    def _hurry(self, now: float) -> None:
        """A server answers again: who found nobody there tries now, spread out (OVL-7)."""
        lease = self.lease
        # Once: a server that ignores this account alone answers others all the time (OUTB-14).
        if lease.retry_at is not None and lease.cause is not None and lease.cause.silent and not lease.hurried:
            lease.hurried = True
            lease.retry_at = min(lease.retry_at, now + self.session.setup.random.uniform(0, NETWORK_JITTER))

    def _let_go(self, *, linger: bool) -> None:
        """Stop everything that is under way, and want nothing more."""
        out = self._cycle is not None and self._cycle.binds
        self._abandon()
        self.lease.drop(linger=linger, out_until=self.lease.started_at + self.session.lifetime if out else None)
        self.lease.retry_at = self._removal_ends_at = None
        self.intent = Intent.IDLE

    def _abandon(self) -> None:
        if self._cycle is not None:
            self._cycle.abandon()
            self._cycle = None

    # How a removal begins and ends.

    def _withdraw(self, now: float, within: float | None, *, everything: bool = False) -> list[Effect]:
        ends_at = None if within is None else now + within
        if self.intent is Intent.UNREGISTER:
            self._removal_ends_at = earliest(self._removal_ends_at, ends_at)
            self._everything |= everything
            return []
        state, cycle = self.state, self._cycle
        if not everything and not self.lease.engaged(now):
            return self._settled("F-42", now) if state is FAILED else []
        self.intent = Intent.UNREGISTER
        self._everything = everything
        self._removal_ends_at = ends_at
        self.lease.refresh_at = self.lease.retry_at = None
        if state is PROGRESS and cycle is not None and not everything:
            # Nothing was sent, or the last answer was a refusal that waits for credentials: nothing can be bound.
            nothing_sent = cycle.requests == 0
            if (nothing_sent or cycle.step is Step.ASKING) and not self._may_be_held(now):
                return self._settled("F-09" if nothing_sent else "F-11", now)
        name = {OK: "F-23", REFRESHING: "F-32", FAILED: "F-41"}.get(state, "F-04")
        changed: list[Effect] = [] if state is PROGRESS else [self.lease.move(name)]
        if cycle is not None and cycle.step is Step.TRYING:
            # The registrar must not see two REGISTERs of ours at once (REG-6).
            cycle.finish()
            return changed
        return changed + self._remove(now)

    def _remove(self, now: float) -> list[Effect]:
        self._abandon()
        if self._held:
            return self._settled("F-34", now, NO_NETWORK)
        if self._removal_ends_at is None:
            self._removal_ends_at = now + REMOVAL_DEADLINE
        return self._start(Purpose.CLEAR if self._everything else Purpose.REMOVE, now)

    def _may_be_held(self, now: float) -> bool:
        """Whether the registrar may hold a binding from before the running attempt."""
        return self.session.bound is not None or self.lease.lingers(now)

    def _overtaken(self, outcome: Outcome, grant: Grant | None, now: float) -> list[Effect]:
        """What ended was not what is wanted by now (F-10, F-11, F-32)."""
        if grant is not None and grant.binding is not None:
            self.lease.store(grant, now)
        elif outcome.response is not None and not self._everything and not self._may_be_held(now):
            return self._settled("F-11", now)
        return self._remove(now)

    def _removed(self, outcome: Outcome, grant: Grant, now: float) -> list[Effect]:
        """The registrar agreed; if it still lists us, that is reported and nothing more is done (F-33, REG-24)."""
        remains = grant.listed and grant.binding is not None
        self.lease.residual_until = None
        if remains:
            self.lease.store(grant, now)
        return self._settled("F-33", now, outcome, reason=Reason.UNCONFIRMED if remains else Reason.NONE)

    def _settled(
        self, name: str, now: float, outcome: Outcome | None = None, *, reason: Reason | None = None
    ) -> list[Effect]:
        """The removal is over (F-33), or the binding is left to run out (F-34); now comes what waited for it (F-35)."""
        self._let_go(linger=name == "F-34" or reason is Reason.UNCONFIRMED)
        self._everything = False
        self.session.release(confirmed=name == "F-33" and reason is not Reason.UNCONFIRMED)
        changed = self.lease.move(name, outcome, reason=reason)
        self._adopt_pending()
        again, self._then_register = self._then_register, False
        if not again:
            return [changed]
        self.lease.failures = 0
        return [changed, *self._begin("F-01", now)]
