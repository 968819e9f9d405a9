"""The life of one registration: section 9 of the requirements as a machine without I/O.

Every input takes ``now`` and returns the effects it causes; ``deadline`` says when `tick` is wanted next. An attempt is
a `Cycle`; here is decided when one begins and what its outcome means. The state itself is written by `Lease.move`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aiosipreg.engine.cycle import Cycle, Step
from aiosipreg.engine.edits import Edit, compare
from aiosipreg.engine.lease import Intent, Lease, earliest
from aiosipreg.engine.outcome import Outcome
from aiosipreg.engine.register import Purpose
from aiosipreg.engine.replies import TROUBLES, Then, wait_after
from aiosipreg.engine.session import Session
from aiosipreg.engine.timers import NETWORK_JITTER, REMOVAL_DEADLINE, SHORTEST_CYCLE, refresh_delay
from aiosipreg.states import Reason, RegistrationState

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from aiosipreg.engine.digest import DigestPolicy
    from aiosipreg.engine.effects import Answer, Effect
    from aiosipreg.engine.timers import RetryPolicy, SipTimers
    from aiosipreg.params import ProxyParams
    from aiosipreg.wire import Response

__all__ = ["Registration"]

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState

_NO_NETWORK = Outcome(TROUBLES["RSP-NET"])
_NO_ANSWER = Outcome(TROUBLES["RSP-F0"], cause="no answer in time")
_CRASH = Outcome(TROUBLES["INTERNAL"])


class Registration:
    """One registration on one flow: what is kept between attempts, where it stands, and what is wanted."""

    __slots__ = (
        "_again", "_cycle", "_everything", "_held", "_pending", "_removal_ends_at", "_retry", "_secrets_changed",
        "_then_register", "intent", "lease", "session",
    )  # fmt: skip

    def __init__(
        self,
        params: ProxyParams,
        *,
        policy: DigestPolicy,
        random: Random,
        timers: SipTimers,
        retry: RetryPolicy,
        user_agent: str | None = None,
    ) -> None:
        self.session = Session(params, timers=timers, policy=policy, random=random, user_agent=user_agent)
        self.lease = Lease(self.session)
        self.intent = Intent.IDLE
        self._retry = retry
        self._cycle: Cycle | None = None
        self._removal_ends_at: float | None = None
        # What waits for the running cycle to end (REG-6): a refresh, changed settings, a registration (F-35).
        self._again = self._secrets_changed = False
        self._pending: ProxyParams | None = None
        self._then_register = False
        self._everything = False
        self._held = False

    @property
    def state(self) -> RegistrationState:
        """The public state."""
        return self.lease.state

    @property
    def deadline(self) -> float | None:
        """When `tick` is wanted next; ``None`` when nothing is due by itself."""
        cycle_at = self._cycle.deadline if self._cycle is not None else None
        return earliest(cycle_at, self._removal_ends_at, self.lease.deadline)

    @property
    def branch(self) -> str | None:
        """The branch whose answer is awaited."""
        return self._cycle.branch if self._cycle is not None else None

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
        if self.state is FAILED:
            return self._begin("F-37", now)
        if self.state is REFRESHING and self.lease.put_off(now):
            return []
        changed = [self.lease.move("F-14")] if self.state is OK else []
        return [*changed, *self._start(Purpose.REGISTER, now)]

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

    def credentials_changed(self, now: float) -> list[Effect]:
        """Credentials were added or taken away: an account that failed for want of them tries again (F-38)."""
        self.session.authenticator.forget()
        self._secrets_changed = self._cycle is not None
        if not self.lease.wants_credentials or self._cycle is not None or self.intent is not Intent.REGISTER:
            return []
        self.lease.failures = 0
        return self._renew(now)

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
            return self._settled("F-34", now, _NO_NETWORK)
        if self.state is OK:
            return [self.lease.move("F-17", _NO_NETWORK)]
        if running or self.state is REFRESHING:
            return self._failed(_NO_NETWORK, now)
        self.lease.retry_at = None
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
        return self._feed(now, lambda cycle: cycle.take(answer, now))

    def failed(self, cause: str, now: float) -> list[Effect]:
        """The transport lost the request."""
        return self._feed(now, lambda cycle: cycle.failed(cause, now))

    def received(self, response: Response, now: float) -> list[Effect]:
        """An answer to the request with our `branch`."""
        return self._feed(now, lambda cycle: cycle.received(response, now))

    def tick(self, now: float) -> list[Effect]:
        """Let time pass. Expiry comes first, so that a long sleep is seen as what it is (F-44)."""
        lease = self.lease
        effects: list[Effect] = []
        if lease.binding is not None and not lease.alive(now) and self.state is not PROGRESS:
            effects = self._expire(now)
        if self._removal_ends_at is not None and now >= self._removal_ends_at:
            return [*effects, *self._settled("F-34", now, _NO_ANSWER)]
        if self._cycle is not None:
            return [*effects, *self._feed(now, lambda cycle: cycle.tick(now))]
        if lease.refresh_at is not None and now >= lease.refresh_at:
            return [*effects, *self.refresh(now)]
        if lease.retry_at is not None and now >= lease.retry_at:
            effects += self._begin("F-36", now) if self.state is FAILED else self._start(Purpose.REGISTER, now)
        return effects

    # How an attempt begins and ends.

    def _begin(self, name: str, now: float) -> list[Effect]:
        """A first registration starts, or is held until there is a network (F-01, F-36 to F-38)."""
        if name == "F-37" and self.lease.put_off(now):
            return []
        self.intent = Intent.REGISTER
        self.lease.retry_at = None
        changed = self.lease.move(name)
        return [changed, *(self._failed(_NO_NETWORK, now) if self._held else self._start(Purpose.REGISTER, now))]

    def _start(self, purpose: Purpose, now: float) -> list[Effect]:
        self.lease.refresh_at = self.lease.retry_at = None
        self._again = self._secrets_changed = False
        self.lease.started_at = now
        self._cycle = Cycle(self.session, purpose, now)
        return self._feed(now, lambda cycle: cycle.start(now))

    def _feed(self, now: float, enter: Callable[[Cycle], list[Effect]]) -> list[Effect]:
        """Give the running cycle its input, and draw the consequences when it ends with that."""
        cycle = self._cycle
        if cycle is None:
            return []
        effects = enter(cycle)
        outcome = cycle.outcome
        if outcome is None:
            return effects
        self._cycle = None
        granted = outcome.grant is not None
        if self.intent is not Intent.UNREGISTER:
            return effects + (self._granted(outcome, now) if granted else self._failed(outcome, now))
        if cycle.purpose is Purpose.REGISTER or (self._everything and cycle.purpose is Purpose.REMOVE):
            return effects + self._overtaken(outcome, now)
        return effects + (self._removed(outcome, now) if granted else self._settled("F-34", now, outcome))

    def _granted(self, outcome: Outcome, now: float) -> list[Effect]:
        """A 2xx (F-05, F-25), which may still grant nothing (F-08)."""
        grant, session, lease = outcome.grant, self.session, self.lease
        if grant is None or grant.binding is None or grant.binding.expires_at <= now:
            return self._failed(replace(outcome, row=TROUBLES["RSP-200C"], grant=None), now)
        if session.params.strict_binding and grant.doubt is not Reason.NONE:
            return self._failed(replace(outcome, row=TROUBLES["RSP-200A"], grant=None), now)
        window = session.params.refresh_window
        delay = refresh_delay(
            grant.binding.expires, session.lifetime, session.random, timers=session.timers, window=window
        )
        refresh_at = max(outcome.sent_at + delay, now + SHORTEST_CYCLE)
        return [lease.grant(grant, outcome, refresh_at), *self._take_pending(now)]

    def _take_pending(self, now: float) -> list[Effect]:
        """What waited for the cycle to end goes out now, once (REG-6)."""
        # The attempt may have failed for want of credentials that came while it asked for some (F-38).
        if self._adopt_pending() or (self._secrets_changed and self.lease.wants_credentials):
            self.lease.failures = 0
            return self._renew(now)
        return self.refresh(now) if self._again and self.state is OK else []

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

    def _failed(self, outcome: Outcome, now: float) -> list[Effect]:
        """The attempt came to nothing (F-06 to F-08, F-26 to F-28)."""
        row, session, lease = outcome.row, self.session, self.lease
        wait = None
        if not self._held:
            lease.failures += 1
            if row.id == "RSP-403" and session.params.retry_403:
                row = replace(row, then=Then.SLOW)
            wait = wait_after(row, outcome.retry_after, lease.failures, self._retry, session.random)
        changed = lease.fail(outcome, now, wait, final=wait is None and not self._held)
        if row.elsewhere:
            session.leave(outcome.target)
        if row.new_call_id:
            session.renew()
        return [changed, *self._take_pending(now)]

    def _expire(self, now: float) -> list[Effect]:
        """The binding ran out (F-24, F-29)."""
        self.lease.drop()
        self.session.bound = None
        if self._cycle is not None:
            return [self.lease.move("F-29")]
        if self.lease.retry_at is None and not self._held:
            self.lease.retry_at = now
        return [self.lease.move("F-24", reason=Reason.EXPIRED)]

    def _resume(self, now: float) -> None:
        """The network is back: try again, spread out (REG-35, F-39)."""
        if self.intent is Intent.REGISTER and not self.lease.stopped:
            self.lease.retry_at = now + self.session.random.uniform(0, NETWORK_JITTER)

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
            if nothing_sent or (cycle.step is Step.ASKING and self.session.bound is None):
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
            return self._settled("F-34", now, _NO_NETWORK)
        if self._removal_ends_at is None:
            self._removal_ends_at = now + REMOVAL_DEADLINE
        return self._start(Purpose.CLEAR if self._everything else Purpose.REMOVE, now)

    def _overtaken(self, outcome: Outcome, now: float) -> list[Effect]:
        """What ended was not what is wanted by now (F-10, F-11, F-32)."""
        if outcome.grant is not None and outcome.grant.binding is not None:
            self.lease.store(outcome.grant)
        elif outcome.response is not None and self.session.bound is None and not self._everything:
            return self._settled("F-11", now)
        return self._remove(now)

    def _removed(self, outcome: Outcome, now: float) -> list[Effect]:
        """The registrar agreed; if it still lists us, that is reported and nothing more is done (F-33, REG-24)."""
        grant = outcome.grant
        remains = grant is not None and grant.listed and grant.binding is not None
        self.lease.residual_until = None
        if grant is not None and remains:
            self.lease.store(grant)
        return self._settled("F-33", now, outcome, reason=Reason.UNCONFIRMED if remains else Reason.NONE)

    def _settled(
        self, name: str, now: float, outcome: Outcome | None = None, *, reason: Reason | None = None
    ) -> list[Effect]:
        """The removal is over (F-33), or the binding is left to run out (F-34); now comes what waited for it (F-35)."""
        self._let_go(linger=name == "F-34" or reason is Reason.UNCONFIRMED)
        self._everything = False
        self.session.bound = None
        changed = self.lease.move(name, outcome, reason=reason)
        self._adopt_pending()
        again, self._then_register = self._then_register, False
        return [changed, *(self.register(now) if again else [])]
