"""Accounts register anew when the machine's way to their servers changes (floor 4; REG-35)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiosipreg.net.monitor import AWAY, NetworkMonitor, way_to
from aiosipreg.states import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiosipreg.engine.registration import Registration
    from aiosipreg.engine.session import Session
    from aiosipreg.engine.targets import Target
    from aiosipreg.hub import Hub
    from aiosipreg.runner import Runner
    from aiosipreg.settings import TransportParams

__all__ = ["Roaming"]

logger = logging.getLogger("aiosipreg.core")


class Roaming:
    """Watches the network for as long as a core runs.

    Args:
        hub: Forgets what was true in the network that we were in.
        transports: Local addresses that are used whatever the network is.
        runners: Gives the runners of all accounts.
    """

    def __init__(
        self, hub: Hub, transports: TransportParams, runners: Callable[[], Iterable[Runner[Registration]]]
    ) -> None:
        self._hub = hub
        self._transports = transports
        self._runners = runners
        self._seen = self._look()
        self._monitor = NetworkMonitor(self._changed)

    def close(self) -> None:
        """Watch no more."""
        self._monitor.close()

    def _changed(self) -> None:
        # Interfaces of containers come and go all day; only where we are seen from elsewhere counts.
        seen, self._seen = self._seen, self._look()
        runners = [runner for runner in self._runners() if self._has_moved(runner.machine, seen)]
        if not runners:
            return
        logger.info("the network changed, %d registrations are made anew", len(runners))
        self._hub.network_changed()
        for runner in runners:
            runner.enter(lambda machine, now: machine.network_changed(now))

    def _look(self) -> dict[str, str | None]:
        """Where the system would send from, toward each server and toward the world."""
        targets = (_server(runner.session) for runner in self._runners())
        hosts = dict.fromkeys([*AWAY, *(target.host for target in targets if target is not None)])
        return {host: self._transports.local_address(6 if ":" in host else 4) or way_to(host) for host in hosts}

    def _has_moved(self, machine: Registration, seen: dict[str, str | None]) -> bool:
        # While there is no way at all a binding may live on; a new way is told when it comes.
        flow, server = machine.session.flow, _server(machine.session)
        if flow is not None:
            return self._seen[flow.target.host] not in (None, flow.address)
        # Nobody was reached yet: another way into the world, or to the server, may lead there (F-39).
        if server is not None and server.host not in seen:
            cause = machine.lease.cause
            return cause is not None and cause.reason is Reason.IO_ERROR and self._seen[server.host] is not None
        hosts = AWAY if server is None else (*AWAY, server.host)
        return any(self._seen[host] not in (None, seen[host]) for host in hosts)


def _server(session: Session) -> Target | None:
    """The server that has the binding, or failed last."""
    return session.flow.target if session.flow is not None else session.avoid
