"""The flows of one account (floor 4): one runner for each, and what their changes mean for the account (RFC 5626).

Nearly every account has one flow, and then all that happens to it happens to the account. With several, the state of
the account is the best of theirs (F-50 to F-54), and each change of a flow is an event of the account, also when the
state of the account stays what it was.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from aiosipreg.credentials import client_tls, inquire
from aiosipreg.engine.change import Changed
from aiosipreg.engine.credentials import shared_credentials
from aiosipreg.engine.edits import Edit, plan
from aiosipreg.engine.lease import earliest
from aiosipreg.engine.outbound import join, review
from aiosipreg.engine.transitions import combined
from aiosipreg.errors import ConfigError
from aiosipreg.runner import Runner
from aiosipreg.states import RegistrationState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from aiosipreg.auth import AuthInfo
    from aiosipreg.engine.effects import Answer, Ask, Concluded, Connect, Effect
    from aiosipreg.engine.registration import Registration
    from aiosipreg.params import ProxyParams
    from aiosipreg.ports import Applicant
    from aiosipreg.settings import TlsParams
    from aiosipreg.states import RegistrationEvent

__all__ = ["Flows", "check_outbound"]

_SETTLED = (RegistrationState.NONE, RegistrationState.CLEARED, RegistrationState.FAILED)


class Flows:
    """The runners of one account, and what they ask of it.

    While a binding is removed the settings in force are those under which it was made (REG-38), so each runner brings
    its own.

    Args:
        params: The account's settings.
        account: Takes each change, and words a question for the auth provider.

    Attributes:
        first: The runner of the first flow, or of the only one.
        changed: What happened to the account last, ``None`` before anything did. It is kept here because the account is
            guarded against being set.
        changed_at: When that was.
        event: The same as an event, ``None`` until somebody wants to see it.

    Raises:
        ConfigError: Outbound without an instance-id.
    """

    __slots__ = ("_account", "_company", "changed", "changed_at", "event", "first")

    def __init__(self, params: ProxyParams, account: Applicant) -> None:
        check_outbound(params)
        self._account = account
        self.changed: Changed | None = None
        self.changed_at = 0.0
        self.event: RegistrationEvent | None = None
        # What there is besides the first flow; for nearly every account nothing.
        self._company: _Company | None = None
        own, *others = params.flows()
        self.first = self._runner(own, 1)
        if others:
            self._have([self._runner(other, number) for number, other in enumerate(others, 2)], ())

    @property
    def runners(self) -> tuple[Runner[Registration], ...]:
        """In the order of their reg-ids."""
        return (self.first,) if self._company is None else (self.first, *self._company.runners)

    @property
    def state(self) -> RegistrationState:
        """The best of their states."""
        if self._company is None:
            return self.first.machine.state
        return combined([runner.machine.state for runner in self.runners])

    @property
    def best(self) -> Registration:
        """The machine that is in that state."""
        if self._company is None:
            return self.first.machine
        state = self.state
        return next(runner.machine for runner in self.runners if runner.machine.state is state)

    @property
    def machines(self) -> tuple[Registration, ...]:
        """All machines, those that are leaving too."""
        return tuple(runner.machine for runner in (*self.runners, *self._leaving))

    @property
    def trying(self) -> bool:
        """Whether another flow may still bring what one of several did not."""
        return self._company is not None and any(runner.machine.trying for runner in self.runners)

    @property
    def retry_at(self) -> float | None:
        """When the first of those that failed tries again."""
        return reduce(earliest, (runner.machine.lease.retry_at for runner in self.runners), None)

    def enter(self, make: Callable[[Registration, float], list[Effect]], *, insist: bool = False) -> None:
        """Give every machine of the account an input; see `Runner.enter`."""
        company = self._company
        if company is None:
            self.first.enter(make, insist=insist)
            return
        company.gathering = True
        for runner in self.runners:
            runner.enter(make, insist=insist)
        self._settle(company)

    def edit(self, old: ProxyParams, new: ProxyParams) -> None:
        """Commit changed settings: flows come, go, or change."""
        before, after = old.flows(), new.flows()
        if self._company is None and len(after) == 1:
            _commit(self.first, after[0], plan(before[0], after[0]))
            return
        company = self._company = self._company or _Company(self.state)
        company.gathering = True
        there = self.runners
        known = {runner.machine.session.reg_id: runner for runner in (*company.runners, *company.leaving)}
        others = [
            known.pop(number) if number in known else self._runner(own, number)
            for number, own in enumerate(after[1:], 2)
        ]
        self._have(others, known.values())
        for number, (runner, own) in enumerate(zip(self.runners, after, strict=True)):
            # One that was about to leave comes back: its reg-id must not be bound anew before it is removed.
            begins = Edit.START if own.register else Edit.NOTHING
            _commit(runner, own, plan(before[number], own) if runner in there else begins)
        for runner in self._leaving:
            if runner in there:
                _commit(runner, runner.machine.session.params, Edit.STOP)
        self._settle(company)

    def close(self) -> None:
        """Let go of everything that outlives a call."""
        for runner in (*self.runners, *self._leaving):
            runner.close()

    # For the runners.

    def report(self, machine: Registration, changed: Changed | Concluded, now: float) -> None:
        """A machine changed: so did the account, or it has to be seen what that means for it."""
        assert isinstance(changed, Changed)  # noqa: S101 - only queries conclude
        company = self._company
        if company is None:
            self._tell(changed, now)
            return
        company.reports.append((machine, changed, now))
        if not company.gathering:
            company.gathering = True
            self._settle(company)

    def tls(self, params: ProxyParams, connect: Connect) -> TlsParams:
        """Whom the account trusts on the way to a target, and how it proves who it is."""
        core = self._account._core
        if not connect.target.transport.secure:
            return params.tls or core._tls
        return client_tls(params, core._keyring, core._tls, foreign=connect.foreign)

    def known(self, params: ProxyParams, ask: Ask) -> AuthInfo | None:
        """What the core has at hand; nothing while a provider of the account's own is to be asked before that."""
        if callable(params.auth) and not ask.foreign:
            return None
        return shared_credentials(params, self._account._core._keyring.infos, ask.realm, foreign=ask.foreign)

    def inquiry(self, params: ProxyParams, ask: Ask) -> Coroutine[None, None, Answer] | None:
        """The question to the auth provider, not yet asked; ``None`` when nobody is to be asked."""
        core = self._account._core
        provider = params.auth if callable(params.auth) else core._keyring.provider
        if provider is None or ask.foreign:
            return None
        challenge = self._account._challenge(params, ask)
        otherwise = shared_credentials(params, core._keyring.infos, ask.realm, foreign=ask.foreign)
        return inquire(provider, challenge, ask.token, core._auth_timeout, otherwise=otherwise)

    # How it is done.

    def _runner(self, params: ProxyParams, reg_id: int) -> Runner[Registration]:
        core = self._account._core
        machine = core._start_registration(params, reg_id)
        core._keeper.add(machine)
        return Runner(machine, self, self._account._host)

    @property
    def _leaving(self) -> tuple[Runner[Registration], ...]:
        return () if self._company is None else self._company.leaving

    def _have(self, others: Iterable[Runner[Registration]], leaving: Iterable[Runner[Registration]]) -> None:
        """Have these flows besides the first."""
        runners, gone = tuple(others), tuple(leaving)
        if runners or gone:
            company = self._company = self._company or _Company(self.state)
            company.runners, company.leaving = runners, gone
        else:
            self._company = None
        join((self.first.machine, *(runner.machine for runner in runners)), [runner.machine for runner in gone])

    def _settle(self, company: _Company) -> None:
        """After all that an input caused: let other flows begin or end, then tell what happened to each."""
        self._review()
        reports, company.reports = company.reports, []
        company.gathering = False
        self._dismiss(company)
        for machine, changed, now in reports:
            old, company.state = company.state, self.state
            self._tell(self._public(changed, old, machine.session.reg_id), now)

    def _tell(self, changed: Changed, now: float) -> None:
        self.changed, self.changed_at, self.event = changed, now, None
        self._account._tell(changed)

    def _review(self) -> None:
        # Each round begins or ends a flow, and one that ended begins no more while another one stays plain.
        for _ in range(2 * len(self.runners)):
            begin, end = review(tuple(runner.machine for runner in self.runners))
            if not begin and not end:
                return
            for runner in self.runners:
                if runner.machine in begin:
                    runner.enter(lambda machine, now: machine.register(now))
                elif runner.machine in end:
                    runner.enter(lambda machine, now: machine.unregister(now))

    def _dismiss(self, company: _Company) -> None:
        """Let those go that were leaving and are done."""
        gone = [runner for runner in company.leaving if runner.machine.state in _SETTLED]
        self._have(company.runners, [runner for runner in company.leaving if runner not in gone])
        for runner in gone:
            runner.close()
            self._account._core._keeper.drop(runner.machine)

    def _public(self, changed: Changed, old: RegistrationState, reg_id: int) -> Changed:
        """What the change of a flow is to the account."""
        lease = self.best.lease
        retry_at = None if lease.paused else self.retry_at
        return changed._replace(old=old, state=self.state, binding=lease.binding, retry_at=retry_at, flow=reg_id)


class _Company:
    """What an account with several flows has besides the first.

    Attributes:
        runners: The other flows, in the order of their reg-ids.
        leaving: Flows to proxies that were taken out of the settings, until their bindings are removed.
        reports: What is to be told when all have got the input that is being given.
        gathering: An input is being given.
        state: The state of the account that was told last.
    """

    __slots__ = ("gathering", "leaving", "reports", "runners", "state")

    def __init__(self, state: RegistrationState) -> None:
        self.runners: tuple[Runner[Registration], ...] = ()
        self.leaving: tuple[Runner[Registration], ...] = ()
        self.reports: list[tuple[Registration, Changed, float]] = []
        self.gathering = False
        self.state = state


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
