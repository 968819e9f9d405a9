"""`Core`: the host of any number of accounts (floor 5)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Self

from aiosipreg.chance import Chance
from aiosipreg.checks import positive
from aiosipreg.credentials import Keyring
from aiosipreg.dependents import Dependents
from aiosipreg.engine.keepalive import KeepAlive
from aiosipreg.engine.pacing import Pacing
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.engine.registration import Registration
from aiosipreg.engine.setup import Setup
from aiosipreg.engine.timers import RetryPolicy, SipTimers
from aiosipreg.errors import ConfigError, CoreClosedError
from aiosipreg.hub import Hub
from aiosipreg.keeping import Keeper
from aiosipreg.leaving import SETTLED, Departures
from aiosipreg.net.stats import Stats
from aiosipreg.params import ProxyParams, auth_source
from aiosipreg.proxy import ProxyConfig
from aiosipreg.roaming import Roaming
from aiosipreg.settings import DnsParams, TlsParams, TransportParams
from aiosipreg.states import RegistrationState
from aiosipreg.streams import Broadcast
from aiosipreg.users import Users

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from aiosipreg.auth import AuthInfo
    from aiosipreg.engine.effects import Effect
    from aiosipreg.hub import RequestHandler
    from aiosipreg.params import AuthSource
    from aiosipreg.runner import Runner
    from aiosipreg.states import RegistrationEvent
    from aiosipreg.store import Store

__all__ = ["Core"]

_DEFAULT_PACING = Pacing()


class Core:
    """Keeps accounts registered for as long as it runs.

    Use it as ``async with Core() as core``, or call `start` and `stop`. Its tasks belong to a group in a task of its
    own, so an exception of the body leaves the block as it is.

    Args:
        auth: Credentials for all accounts: one `AuthInfo`, several, or one ``async`` callable that is asked when a
            server challenges.
        user_agent: The User-Agent header; ``None`` leaves it out.
        transports: Local sockets, and which transports are used.
        tls: Whom accounts trust that have no ``tls`` of their own.
        dns: How names are resolved.
        timers: SIP timers.
        retry: When failed registrations are tried again.
        digest: Which challenges are answered.
        keepalive: How flows are kept alive.
        store: Keeps the accounts from one run of the program to the next: ``FileStore(path)``, ``None`` for nowhere.
        auth_timeout: Seconds that an auth provider may take.
        shutdown_timeout: Seconds that `stop` and the removal of an account may take.
        on_request: ``async`` callable that gets each request from the network as `IncomingRequest`; what it answers
            with ``None`` gets the default answer.
        pacing: How many registrations may begin per second and wait for an answer, toward each target; ``None`` for as
            fast as answers come, with 200 or so under way. Removals are not paced, and 200 under way likewise.

    Raises:
        ConfigError: A value is out of range.
        TypeError: ``auth`` or ``on_request`` is a plain function, or ``store`` a path.
    """

    def __init__(
        self,
        *,
        auth: AuthSource = None,
        user_agent: str | None = "aiosipreg",
        transports: TransportParams | None = None,
        tls: TlsParams | None = None,
        dns: DnsParams | None = None,
        timers: SipTimers | None = None,
        retry: RetryPolicy | None = None,
        digest: DigestPolicy | None = None,
        keepalive: KeepAlive | None = None,
        store: Store | None = None,
        auth_timeout: float = 10.0,
        shutdown_timeout: float = 5.0,
        on_request: RequestHandler | None = None,
        pacing: Pacing | None = _DEFAULT_PACING,
    ) -> None:
        self._keyring = Keyring(auth_source("auth", auth))
        if user_agent is not None and not user_agent.isprintable():
            raise ConfigError("user_agent", user_agent, "text without control characters")
        if on_request is not None and not iscoroutinefunction(on_request):
            raise TypeError("on_request: expected an `async` function")
        self._on_request, self._pacing = on_request, pacing
        self._transports = transports or TransportParams()
        self._tls = tls or TlsParams()
        self._dns = dns or DnsParams()
        self._auth_timeout = positive("auth_timeout", auth_timeout)
        self._stop_timeout = self._shutdown_timeout = positive("shutdown_timeout", shutdown_timeout)
        # RFC 3261 19.3, SEC-14: branches, tags and Call-IDs must not be guessed.
        random = Chance()
        self._setup = Setup(
            random=random, timers=timers or SipTimers(), retry=retry or RetryPolicy(), digest=digest or DigestPolicy(),
            keepalive=keepalive or KeepAlive(), user_agent=user_agent,
        )  # fmt: skip
        self._keeper = Keeper(store, random)
        self._proxies: dict[str, ProxyConfig] = {}
        self._users = Users(lambda: (proxy.params.aor.user for proxy in self._proxies.values()))
        self._dependents = Dependents()
        self._departures = Departures(self._dependents)
        self._default: ProxyConfig | None = None
        self._broadcast = Broadcast()
        self._reachable = True
        self._hub: Hub | None = None
        self._stats = Stats()
        self._host: asyncio.Task[None] | None = None
        self._ready, self._stopping = asyncio.Event(), asyncio.Event()

    # Life cycle.

    async def start(self) -> None:
        """Start; a second call does nothing.

        Raises:
            CoreClosedError: The core was stopped before; make another one.
            ConfigError: The store is in use by another program.
            OSError: The store cannot be opened.
        """
        if self._stopping.is_set():
            raise CoreClosedError("this core was stopped; make another one")
        if self._host is not None:
            await self._ready.wait()
            self._running()
            return
        self._host = asyncio.create_task(self._run(), name="aiosipreg core")
        try:
            await self._ready.wait()
        except asyncio.CancelledError:
            # `async with` does not leave what it could not enter, so nobody else would stop it.
            await self.stop()
            raise
        if self._hub is None:
            await self._host

    async def stop(self, timeout: float | None = None) -> None:
        """Unregister every account and close; a second call waits for the first.

        Args:
            timeout: Seconds for the removals, instead of ``shutdown_timeout``; what is not confirmed by then is left to
                run out. Cancelling the wait ends the core at once, without waiting for the removals.
        """
        if timeout is not None:
            self._stop_timeout = max(timeout, 0.0)
        self._stopping.set()
        if self._host is None:
            self._broadcast.close()
            return
        try:
            await asyncio.wait((self._host,))
        except asyncio.CancelledError:
            self._host.cancel()
            await asyncio.wait((self._host,))
            raise
        error = None if self._host.cancelled() else self._host.exception()
        if error is not None and self._hub is not None:
            raise error  # What kept the core from starting was told by `start`.

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    # Accounts.

    def add_proxy_config(self, params: ProxyParams | str) -> ProxyConfig:
        """Take an account; if it is to register, it begins at once.

        Args:
            params: The settings, or just the identity.

        Raises:
            ConfigError: There is an account with this id, or with a store one without id that nothing tells apart.
            CoreClosedError: The core does not run.
        """
        hub = self._running()
        if isinstance(params, str):
            params = ProxyParams(params)
        id_ = params.id or f"proxy_config_{self._setup.random.randbytes(8).hex()}"
        if id_ in self._proxies:
            raise ConfigError("id", id_, "an id that no other account has")
        params = self._keeper.look_up(params)
        proxy = self._proxies[id_] = ProxyConfig(params, id_, self, hub)
        self._users.add(params.aor.user)
        if not self._reachable:
            proxy._enter(lambda machine, now: machine.network(now, reachable=False))
        master = params.depends_on
        if (master is None or self._dependents.add(proxy, self._proxies.get(master))) and params.register:
            proxy._enter(Registration.register)
        return proxy

    async def remove_proxy_config(self, proxy: ProxyConfig) -> None:
        """Remove the binding, then the account; bounded by ``shutdown_timeout``. One that is not there is no error."""
        if self._proxies.get(proxy.id) is not proxy:
            return
        try:
            await self._departures.withdraw((proxy,), self._shutdown_timeout)
        finally:
            self._keeper.drop(*proxy._flows.machines)
            for orphan in self._forget(proxy):
                self._dependents.free(orphan)

    async def clear_proxy_configs(self) -> None:
        """Remove all accounts, see `remove_proxy_config`."""
        proxies = self.proxy_configs
        try:
            await self._departures.withdraw(proxies, self._shutdown_timeout)
        finally:
            for proxy in proxies:
                self._keeper.drop(*proxy._flows.machines)
                self._forget(proxy)

    @property
    def proxy_configs(self) -> tuple[ProxyConfig, ...]:
        """All accounts, in the order in which they were added."""
        return tuple(self._proxies.values())

    def proxy_config(self, id_: str) -> ProxyConfig | None:
        """The account with this id, ``None`` if there is none."""
        return self._proxies.get(id_)

    @property
    def default_proxy_config(self) -> ProxyConfig | None:
        """The account to use when nothing else is said: the first added, until it is set; ``None`` without accounts.

        Raises:
            ConfigError: What is set is no account of this core.
        """
        # Looked up when asked for: accounts that leave in their order need not hand the role on one by one.
        return self._default or next(iter(self._proxies.values()), None)

    @default_proxy_config.setter
    def default_proxy_config(self, proxy: ProxyConfig) -> None:
        if proxy not in self._proxies.values():
            raise ConfigError("default_proxy_config", proxy, "an account of this core")
        self._default = proxy

    async def refresh_registers(self) -> None:
        """Renew every registration now; what becomes of it is told by events."""
        self._running()
        self._enter_all(Registration.refresh, insist=True)

    # Credentials.

    @property
    def auth_infos(self) -> tuple[AuthInfo, ...]:
        """The credentials for all accounts."""
        return self._keyring.infos

    def add_auth_info(self, info: AuthInfo) -> None:
        """Add credentials; they replace an entry for the same user, realm and domain, and wake who waits for some.

        Accounts that show another certificate because of that register anew at once.
        """
        shows_other = self._keyring.add(info)
        for proxy in self.proxy_configs:
            other = shows_other(proxy.params)
            proxy._enter(partial(Registration.credentials_changed, certificate=other), insist=other)

    def remove_auth_info(self, info: AuthInfo) -> None:
        """Take credentials away; an entry that is not there is no error."""
        if self._keyring.remove(info):
            self._enter_all(Registration.credentials_removed)

    def clear_auth_infos(self) -> None:
        """Take all credentials away."""
        self._keyring.clear()
        self._enter_all(Registration.credentials_removed)

    # What is seen from outside.

    def events(self, buffer: int = 1024) -> AsyncGenerator[RegistrationEvent, None]:
        """Subscribe, now, to what happens to all accounts.

        The stream begins with the newest event of each account and ends when the core has stopped. It is an async
        generator: after ``break`` close it, or use ``contextlib.aclosing``.

        Args:
            buffer: How many events the reader may fall behind before they are folded to the newest of each account.
        """
        return self._broadcast.subscribe([event for proxy in self.proxy_configs if (event := proxy.last_event)], buffer)

    @property
    def network_reachable(self) -> bool:
        """Whether there is a network: ``False`` holds every REGISTER, ``True`` registers again, spread over 2 s."""
        return self._reachable

    @network_reachable.setter
    def network_reachable(self, reachable: bool) -> None:
        if self._hub is not None and bool(reachable) is not self._reachable:
            self._hub.network_changed()
        self._reachable = bool(reachable)
        self._enter_all(lambda machine, now: machine.network(now, reachable=self._reachable))

    @property
    def stats(self) -> Stats:
        """A copy of the counters."""
        return self._stats.copy()

    # For the accounts: private to the package.

    def _start_registration(self, params: ProxyParams, reg_id: int = 1) -> Registration:
        """A new machine with this core's timers and policies."""
        return Registration(params, self._setup, reg_id)

    def _publish(self, proxy: ProxyConfig) -> None:
        """Tell the readers, the store, those that depend on the account and who waits for it to be gone."""
        if self._broadcast.readers and (event := proxy.last_event) is not None:
            self._broadcast.publish(event)
        if self._keeper.stores:
            self._keeper.touch(proxy)
        if self._dependents.followers:
            self._dependents.follow(proxy)
        if self._departures.awaited:
            self._departures.follow(proxy)

    # How it is done.

    async def _run(self) -> None:
        """The task that holds the group, from start to stop."""
        try:
            await self._keeper.open()
        finally:
            self._ready.set()
        setup = self._setup
        async with asyncio.TaskGroup() as group:
            self._hub = Hub(
                group, stats=self._stats, transports=self._transports, dns=self._dns, timers=setup.timers,
                retry=setup.retry, random=setup.random, is_ours=self._users.__contains__,
                accounts=lambda: len(self._proxies), on_request=self._on_request, pacing=self._pacing,
                keep=self._keeper.keep, keepalive=setup.keepalive,
            )  # fmt: skip
            self._setup = replace(setup, at_once=self._hub.at_once, way=self._hub.way)
            roaming = Roaming(self._hub, self._transports, self._runners)
            try:
                await self._stopping.wait()
                leaving = [proxy for proxy in self.proxy_configs if proxy.params.unregister_at_stop]
                await self._departures.withdraw(leaving, self._stop_timeout)
            finally:
                # Within the group: it ends when its last task has ended, and these are what keeps tasks busy.
                self._stopping.set()
                roaming.close()
                self._close()
                await self._hub.close()
                await self._keeper.close()

    def _close(self) -> None:
        self._dependents.followers.clear()
        for proxy in self.proxy_configs:
            if proxy.state is RegistrationState.FAILED:
                proxy._enter(lambda machine, _: machine.close())
            self._forget(proxy)
        self._broadcast.close()

    def _forget(self, proxy: ProxyConfig) -> tuple[ProxyConfig, ...]:
        """Let an account go; return those that depended on it."""
        if self._proxies.get(proxy.id) is not proxy:
            return ()  # Removed twice at once; another account may have its id by now.
        del self._proxies[proxy.id]
        self._users.remove(proxy.params.aor.user)
        if proxy.state not in SETTLED:
            proxy._enter(lambda machine, _: machine.close())
        proxy._end()
        if self._default is proxy:
            self._default = None
        return self._dependents.remove(proxy)

    def _enter_all(self, make: Callable[[Registration, float], list[Effect]], *, insist: bool = False) -> None:
        for proxy in self.proxy_configs:
            proxy._enter(make, insist=insist)

    def _runners(self) -> Iterator[Runner[Registration]]:
        return (runner for proxy in self._proxies.values() for runner in proxy._runners)

    def _running(self) -> Hub:
        if self._hub is None or self._stopping.is_set():
            raise CoreClosedError("the core does not run: use `async with Core()`, or start it")
        return self._hub
