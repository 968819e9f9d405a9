"""The flows of one account (floor 4): one runner for each, and what their changes mean for the account (RFC 5626).

Nearly every account has one flow, and then all that happens to it happens to the account. With several, the state of
the account is the best of theirs (F-50 to F-54), and each change of a flow is an event of the account, also when the
state of the account stays what it was.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from aiosipreg.desk import Desk
from aiosipreg.engine.edits import Edit, plan
from aiosipreg.engine.lease import earliest
from aiosipreg.engine.outbound import FlowSet
from aiosipreg.engine.transitions import combined
from aiosipreg.errors import ConfigError
from aiosipreg.runner import Runner
from aiosipreg.states import RegistrationState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiosipreg.auth import AuthChallenge
    from aiosipreg.engine.effects import Ask, Changed, Effect
    from aiosipreg.engine.registration import Registration
    from aiosipreg.params import ProxyParams
    from aiosipreg.ports import Applicant, Host, Owner

__all__ = ["Flows", "check_outbound"]

_SETTLED = (RegistrationState.NONE, RegistrationState.CLEARED, RegistrationState.FAILED)


class Flows:
    """The runners of one account.

    Args:
        params: The account's settings.
        owner: The core.
        host: What runners need of it.
        account: Takes each change, and words a question for the auth provider.

    Attributes:
        runners: In the order of their reg-ids.
        several: Whether there is more than one, those that are leaving included.

    Raises:
        ConfigError: Outbound without an instance-id.
    """

    __slots__ = (
        "_account", "_gathering", "_host", "_leaving", "_owner", "_reports", "_set", "_state", "runners",
        "several",
    )  # fmt: skip

    def __init__(self, params: ProxyParams, owner: Owner, host: Host, account: Applicant) -> None:
        self._owner = owner
        self._host = host
        self._account = account
        self._set = FlowSet()
        self._reports: tuple[tuple[Registration, Changed, float], ...] = ()
        self._gathering = False
        self._state = RegistrationState.NONE
        check_outbound(params)
        self._have([self._runner(own, number) for number, own in enumerate(params.flows(), 1)], [])

    @property
    def state(self) -> RegistrationState:
        """The best of their states."""
        runners = self.runners
        return runners[0].machine.state if len(runners) == 1 else combined([one.machine.state for one in runners])

    @property
    def best(self) -> Registration:
        """The machine that is in that state."""
        if len(self.runners) == 1:
            return self.runners[0].machine
        state = self.state
        return next(runner.machine for runner in self.runners if runner.machine.state is state)

    @property
    def machines(self) -> tuple[Registration, ...]:
        """All machines, those that are leaving too."""
        return tuple(runner.machine for runner in (*self.runners, *self._leaving))

    @property
    def trying(self) -> bool:
        """Whether another flow may still bring what one of several did not."""
        return self.several and any(runner.machine.trying for runner in self.runners)

    @property
    def retry_at(self) -> float | None:
        """When the first of those that failed tries again."""
        return reduce(earliest, (runner.machine.lease.retry_at for runner in self.runners), None)

    def desk(self, machine: Registration) -> Desk:
        """What stands between a machine's runner and the account."""
        return Desk(self._owner, machine, self)

    def challenge(self, params: ProxyParams, ask: Ask) -> AuthChallenge:
        """A question for the auth provider, in words."""
        return self._account._challenge(params, ask)

    def enter(self, make: Callable[[Registration, float], list[Effect]], *, insist: bool = False) -> None:
        """Give every machine of the account an input; see `Runner.enter`."""
        if not self.several:
            self.runners[0].enter(make, insist=insist)
            return
        self._gathering = True
        for runner in self.runners:
            runner.enter(make, insist=insist)
        self._settle()

    def edit(self, old: ProxyParams, new: ProxyParams) -> None:
        """Commit changed settings: flows come, go, or change."""
        before, after = old.flows(), new.flows()
        self._gathering = True
        there = self.runners
        known = {runner.machine.session.reg_id: runner for runner in (*there, *self._leaving)}
        runners = [
            known.pop(number) if number in known else self._runner(own, number) for number, own in enumerate(after, 1)
        ]
        self._have(runners, known.values())
        for number, (runner, own) in enumerate(zip(self.runners, after, strict=True)):
            # One that was about to leave comes back: its reg-id must not be bound anew before it is removed.
            begins = Edit.START if own.register else Edit.NOTHING
            _commit(runner, own, plan(before[number], own) if runner in there else begins)
        for runner in self._leaving:
            if runner in there:
                _commit(runner, runner.machine.session.params, Edit.STOP)
        self._settle()

    def close(self) -> None:
        """Let go of everything that outlives a call."""
        for runner in (*self.runners, *self._leaving):
            runner.close()

    # How it is done.

    def _runner(self, params: ProxyParams, reg_id: int) -> Runner[Registration]:
        machine = self._owner._start_registration(params, self._set, reg_id)
        self._owner._keeper.add(machine)
        return Runner(machine, self.desk(machine), self._host)

    def _have(self, runners: Iterable[Runner[Registration]], leaving: Iterable[Runner[Registration]]) -> None:
        self.runners = tuple(runners)
        # Flows to proxies that were taken out of the settings, until their bindings are removed.
        self._leaving = tuple(leaving)
        self.several = len(self.runners) + len(self._leaving) > 1
        self._set.flows = tuple([runner.machine for runner in self.runners])

    def report(self, machine: Registration, changed: Changed, now: float) -> None:
        """A machine changed: so did the account, or it has to be seen what that means for it."""
        if not self.several:
            self._state = changed.state
            self._account._tell(changed, now)
            return
        self._reports = (*self._reports, (machine, changed, now))
        if not self._gathering:
            self._gathering = True
            self._settle()

    def _settle(self) -> None:
        """After all that an input caused: let other flows begin or end, then tell what happened to each."""
        self._review()
        reports, self._reports = self._reports, ()
        self._gathering = False
        self._dismiss()
        for machine, changed, now in reports:
            old, self._state = self._state, self.state
            self._account._tell(self._public(changed, old, machine.session.reg_id), now)

    def _review(self) -> None:
        # Each round begins or ends a flow, and one that ended begins no more while another one stays plain.
        for _ in range(2 * len(self.runners)):
            begin, end = self._set.review()
            if not begin and not end:
                return
            for runner in self.runners:
                if runner.machine in begin:
                    runner.enter(lambda machine, now: machine.register(now))
                elif runner.machine in end:
                    runner.enter(lambda machine, now: machine.unregister(now))

    def _dismiss(self) -> None:
        """Let those go that were leaving and are done."""
        gone = [runner for runner in self._leaving if runner.machine.state in _SETTLED]
        self._have(self.runners, [runner for runner in self._leaving if runner not in gone])
        for runner in gone:
            runner.close()
            self._owner._keeper.drop(runner.machine)

    def _public(self, changed: Changed, old: RegistrationState, reg_id: int) -> Changed:
        """What the change of a flow is to the account."""
        lease = self.best.lease
        retry_at = None if lease.paused else self.retry_at
        return changed._replace(old=old, state=self._state, binding=lease.binding, retry_at=retry_at, flow=reg_id)


def _commit(runner: Runner[Registration], params: ProxyParams, edit: Edit) -> None:
    runner.enter(lambda machine, now: machine.edit(params, edit, now))


def check_outbound(params: ProxyParams) -> None:
    """Whether an account has what outbound needs.

    Raises:
        ConfigError: There is no instance-id (RFC 5626 4.1).
    """
    if (params.outbound or params.outbound_proxies) and params.instance_id is None:
        expected = 'a URN such as "urn:uuid:...", which outbound needs; with Core(store=...) one is made and kept'
        raise ConfigError("instance_id", None, expected)
