"""`ProxyConfig`: one account of a running core, as the application sees it (floor 4)."""

from __future__ import annotations

import enum
import logging
from functools import partial
from typing import TYPE_CHECKING

from aiosipreg.auth import AuthChallenge
from aiosipreg.credentials import caution
from aiosipreg.draft import Draft
from aiosipreg.errors import ConfigError, CoreClosedError, RegistrationTimeout
from aiosipreg.fetch import Fetch
from aiosipreg.flows import Flows, check_outbound
from aiosipreg.outcomes import Waiters, decided, error_of, event_about, final
from aiosipreg.standing import Standing
from aiosipreg.states import Reason, RegistrationEvent, RegistrationState
from aiosipreg.streams import Broadcast

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from aiosipreg.engine.binding import Binding
    from aiosipreg.engine.effects import Ask, Changed, Effect
    from aiosipreg.engine.registration import Registration
    from aiosipreg.params import ProxyParams
    from aiosipreg.ports import Host, Owner

__all__ = ["ProxyConfig"]

logger = logging.getLogger("aiosipreg.proxy")

OK, REFRESHING, FAILED = RegistrationState.OK, RegistrationState.REFRESHING, RegistrationState.FAILED
_GONE = (RegistrationState.NONE, RegistrationState.CLEARED)


class _Phase(enum.Enum):
    """What may still be asked of an account."""

    OPEN = "open"
    LEAVING = "is being removed"
    ENDED = "was removed"


class ProxyConfig(Standing):
    """One account: liblinphone's proxy configuration.

    Made by ``core.add_proxy_config``. Everything shown is read only; settings are changed through `edit`.
    """

    __slots__ = ("__weakref__", "_broadcast", "_cautioned", "_fetches", "_phase", "_waiters")

    _broadcast: Broadcast | None
    _cautioned: bool
    _fetches: tuple[Fetch, ...]
    _phase: _Phase
    _waiters: Waiters | None

    def __init__(self, params: ProxyParams, id_: str, core: Owner, host: Host) -> None:
        # Many are made at once, and what guards the settings costs more than the rest.
        put = partial(object.__setattr__, self)
        put("_params", params)
        put("_id", id_)
        put("_core", core)
        put("_host", host)
        put("_phase", _Phase.OPEN)
        put("_cautioned", False)
        put("_broadcast", None)
        put("_waiters", None)
        put("_fetches", ())
        put("_flows", Flows(params, self))

    def events(self, buffer: int = 1024) -> AsyncGenerator[RegistrationEvent, None]:
        """Subscribe, now, to what happens to this account.

        The stream begins with the newest event, if there was one, and ends when the account is removed or the core
        stops. It is an async generator: after ``break`` close it, or use ``contextlib.aclosing``.

        Args:
            buffer: How many events the reader may fall behind before they are folded into the newest.
        """
        if self._broadcast is None:
            self._broadcast = Broadcast()
            if self._phase is _Phase.ENDED:
                self._broadcast.close()
        newest = self.last_event
        return self._broadcast.subscribe([newest] if newest is not None else [], buffer)

    def pause(self) -> None:
        """Begin nothing by itself any more: no refresh, no further attempt. The binding stays until it runs out.

        What is under way ends, and calls are carried out. liblinphone's ``pause_register``.
        """
        self._enter(lambda machine, _: machine.pause())

    def resume(self) -> None:
        """Go on after `pause`; what became due meanwhile begins now."""
        self._enter(lambda machine, now: machine.resume(now))

    def wake(self) -> None:
        """Be reachable now, because a push came or the application was asleep (RFC 8599 4.1.3).

        A binding is renewed at once, and an account that waits after a failure tries again, at most once in 30 seconds.
        """
        self._enter(lambda machine, now: machine.wake(now))

    def edit(self) -> Draft:
        """Open an edit session."""
        return Draft(lambda: self._params, self._commit)

    async def register(self, timeout: float | None = None) -> Binding:
        """Have the account registered, and wait for how this attempt ends.

        Cancelling the wait does not cancel the registration.

        Args:
            timeout: Seconds to wait.

        Raises:
            RegistrationError: The attempt failed; ``.event`` says why and when it is repeated.
            RegistrationTimeout: Nothing was decided in time.
            CoreClosedError: The core or the account is gone.
        """
        self._ask_for(register=True)
        return await self._outcome(lambda machine, now: machine.register(now), timeout)

    async def refresh(self, timeout: float | None = None) -> Binding:
        """Renew the binding now, and wait for how that ends; see `register`."""
        if self.state in _GONE:
            raise error_of(self._standing, {})
        self._check(_Phase.OPEN)
        return await self._outcome(lambda machine, now: machine.refresh(now), timeout)

    async def registered(self, timeout: float | None = None) -> Binding:
        """Wait until there is a binding, through as many attempts as that takes.

        Raises:
            RegistrationError: The account failed and is not tried again by itself.
            RegistrationTimeout: There was no binding within ``timeout`` seconds.
            CoreClosedError: The core or the account is gone.
        """
        binding, event = self._lease.binding, self.last_event
        if binding is not None and self.state in (OK, REFRESHING):
            return binding
        if event is None or not final(event):
            event = await self._wait(lambda event: event.state is OK or final(event), timeout)
        return self._binding_or_raise(event)

    async def unregister(self, timeout: float | None = None) -> None:
        """Have the binding removed, and wait for the registrar's word.

        Like `register` it sets ``register`` of the settings, so that a draft shows what the account does.

        Raises:
            RegistrationError: The registrar did not confirm; the binding runs out by itself.
            RegistrationTimeout: Nothing was decided within ``timeout`` seconds.
            CoreClosedError: The core or the account is gone.
        """
        await self._withdrawn(timeout, everything=False)

    async def clear_bindings(self, timeout: float | None = None) -> None:
        """Remove every binding of the address-of-record, those of other user agents too; see `unregister`."""
        await self._withdrawn(timeout, everything=True)

    async def fetch_bindings(self, timeout: float | None = None) -> tuple[Binding, ...]:
        """Ask the registrar for all bindings of the address-of-record; nothing is changed.

        Raises:
            RegistrationError: The registrar refused, or could not be reached.
            TimeoutError: It did not answer within ``timeout`` seconds.
            CoreClosedError: The core or the account is gone.
        """
        self._check(_Phase.OPEN)
        machine = self._core._start_registration(self._params.flows()[0])
        fetch = Fetch(self._flows, machine.session, self._host)
        self._fetches = (*self._fetches, fetch)
        try:
            concluded = await fetch.run(timeout)
        finally:
            self._fetches = tuple(other for other in self._fetches if other is not fetch)
        outcome = concluded.outcome
        if concluded.bindings is None:
            raise error_of(event_about(self._standing, outcome), outcome.tried)
        return concluded.bindings

    async def wait_for(self, *states: RegistrationState, timeout: float | None = None) -> RegistrationEvent:
        """Wait until the account is in one of these states; if it is in one now, return its newest event at once.

        Raises:
            RegistrationTimeout: It did not get there within ``timeout`` seconds.
            CoreClosedError: The core or the account is gone.
        """
        event = self.last_event
        if event is not None and self.state in states:
            return event
        return await self._wait(lambda event: event.state in states, timeout)

    # What the core does with its accounts: private to the package.

    def _enter(self, make: Callable[[Registration, float], list[Effect]], *, insist: bool = False) -> None:
        """Give every machine of the account an input; see `Runner.enter`."""
        self._flows.enter(make, insist=insist)

    def _leave(self) -> None:
        """The account is going to be removed: it takes no more wishes (called by the core)."""
        self._phase = _Phase.LEAVING

    def _end(self) -> None:
        """The account is removed: streams end, whoever waits is told (called by the core)."""
        self._phase = _Phase.ENDED
        self._flows.close()
        for fetch in self._fetches:
            fetch.end()
        if self._broadcast is not None:
            self._broadcast.close()
        if self._waiters is not None:
            self._waiters.close(CoreClosedError(f"{self.identity} was removed while somebody waited for it"))

    # How it is done.

    def _tell(self, changed: Changed) -> None:
        """Report a change to whoever listens."""
        if changed.state is OK and not self._cautioned:
            best = self._flows.best
            if caution(changed.params, best.session.authenticator, best.lease.flow):
                self._cautioned = True
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s: %s -> %s: %s", changed.identity, changed.old, changed.state, changed.message)
        waiters = self._waiters
        # The event is made for those who want to see it, before others do anything because of it.
        event = self.last_event if waiters is not None or self._broadcast is not None else None
        if event is not None and self._broadcast is not None:
            self._broadcast.publish(event)
        self._core._publish(self)
        if event is not None and waiters is not None:
            waiters.tell(event)

    def _challenge(self, params: ProxyParams, ask: Ask) -> AuthChallenge:
        who = params.sender
        return AuthChallenge(
            proxy_config=self,
            username=who.user or "",
            realm=ask.realm,
            domain=who.host,
            algorithms=ask.algorithms,
            attempt=ask.attempt,
            secure=ask.target.transport.secure,
            stale=ask.stale,
            server=str(ask.target),
        )

    def _check(self, *phases: _Phase) -> None:
        if self._phase not in phases:
            raise CoreClosedError(f"{self.identity} {self._phase.value}")

    def _ask_for(self, *, register: bool) -> None:
        # What a draft shows is what the account does, so that setting `register` there always means something.
        self._check(_Phase.OPEN, *(() if register else (_Phase.LEAVING,)))
        if self._params.register is not register:
            self._params = self._params.replace(register=register)

    def _commit(self, params: ProxyParams) -> None:
        old = self._params
        self._check(_Phase.OPEN)
        check_outbound(params)
        for name in ("id", "depends_on"):
            if getattr(params, name) != getattr(old, name):
                raise ConfigError(name, getattr(params, name), "what the account was added with")
        self._params = params
        self._core._users.remove(old.aor.user)
        self._core._users.add(params.aor.user)
        self._flows.edit(old, params)

    async def _outcome(self, make: Callable[[Registration, float], list[Effect]], timeout: float | None) -> Binding:
        before = self.last_event
        self._enter(make, insist=True)
        event = self.last_event
        # Without a network the attempt is over before the call returns.
        over = event is not None and event is not before and self._has_decided(event)
        if not over and self.state is not OK:
            event = await self._wait(self._has_decided, timeout)
        return self._binding_or_raise(event)

    def _has_decided(self, event: RegistrationEvent) -> bool:
        # A registration that was asked for while a removal ran begins when that is over (F-35).
        begins = event.state in _GONE and self.state not in _GONE
        # Of several flows one may have failed and the next be on its way.
        tries = event.state is not OK and self._flows.trying
        return decided(event) and not begins and not tries

    async def _withdrawn(self, timeout: float | None, *, everything: bool) -> None:
        self._ask_for(register=False)
        before = self.last_event
        self._enter(lambda machine, now: machine.unregister(now, everything=everything), insist=True)
        event = self.last_event
        if self.state not in _GONE:
            event = await self._wait(lambda event: event.state in (*_GONE, FAILED), timeout)
        elif event is before:
            return  # There was nothing to remove (F-03).
        if event is not None and event.reason is not Reason.NONE and event.state is not RegistrationState.CLEARED:
            raise error_of(event, self._lease.tried)

    def _binding_or_raise(self, event: RegistrationEvent | None) -> Binding:
        binding = self._lease.binding
        if binding is not None and (event is None or event.state is OK or not decided(event)):
            return binding
        raise error_of(event or self._standing, self._lease.tried)

    async def _wait(self, wanted: Callable[[RegistrationEvent], bool], timeout: float | None) -> RegistrationEvent:
        self._check(_Phase.OPEN, _Phase.LEAVING)
        waiters = self._waiters = self._waiters or Waiters()
        try:
            return await waiters.wait(wanted, timeout)
        except TimeoutError:
            event = self._standing
            text = f"{self.identity} is {self.state} after {timeout:g} s: {event.message}"
            raise RegistrationTimeout(text, event) from None
        finally:
            if not waiters.heard:
                self._waiters = None
