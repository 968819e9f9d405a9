"""How accounts leave a core (floor 4)."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Final

from aiosipreg.states import RegistrationState

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

    from aiosipreg.dependents import Dependents
    from aiosipreg.proxy import ProxyConfig

__all__ = ["SETTLED", "Departures"]

logger = logging.getLogger("aiosipreg.core")

SETTLED: Final = (RegistrationState.NONE, RegistrationState.CLEARED, RegistrationState.FAILED)
"""Where an account has nothing under way."""

_LONGEST_REMOVAL: Final = 32.0

# Toward one server: their answers have room in the receive buffer of a UDP socket. Of each server so many, because one
# that is dead would hold up those of all others.
_MOST_AT_ONCE: Final = 200


class Departures:
    """How the accounts of a core leave.

    Args:
        dependents: Who leaves follows nobody any more.

    Attributes:
        awaited: Who waits until nothing of an account is under way; a future and not an event for each, which nobody
            would read.
    """

    def __init__(self, dependents: Dependents) -> None:
        self._dependents = dependents
        self.awaited: dict[ProxyConfig, list[asyncio.Future[None]]] = {}

    def follow(self, proxy: ProxyConfig) -> None:
        """The state of an account changed."""
        if proxy.state in SETTLED:
            for future in self.awaited.pop(proxy, ()):
                if not future.done():
                    future.set_result(None)

    async def withdraw(self, leaving: Collection[ProxyConfig], timeout: float) -> None:
        """Remove these bindings, 200 at once from each server; returns when all are decided, or after ``timeout``.

        What could not begin by then is left as it is.
        """
        ends_at = asyncio.get_running_loop().time() + timeout
        queues: defaultdict[Hashable, deque[ProxyConfig]] = defaultdict(deque)
        for proxy in leaving:
            proxy._leave()
            self._dependents.leave(proxy)
            if proxy.state is RegistrationState.PROGRESS:
                # Most of these wait for their turn to register (OVL-8) and need no removal; it must not come meanwhile.
                _begin(proxy, timeout)
            queues[_server(proxy)].append(proxy)
        work = [
            asyncio.ensure_future(self._withdraw_in_turn(queue, ends_at))
            for queue in queues.values()
            for _ in range(min(_MOST_AT_ONCE, len(queue)))
        ]
        if work:
            try:
                await asyncio.wait(work, timeout=timeout + 1)
            finally:
                for task in work:
                    task.cancel()
        left = sum(map(len, queues.values()))
        if left:
            logger.warning("%d accounts were not unregistered within %g s; their bindings run out", left, timeout)

    async def _withdraw_in_turn(self, queue: deque[ProxyConfig], ends_at: float) -> None:
        """Remove one binding after the other until none or no time is left; one is tried in any case."""
        loop = asyncio.get_running_loop()
        while queue:
            proxy = queue.popleft()
            _begin(proxy, ends_at - loop.time())
            if proxy.state not in SETTLED:
                decided = loop.create_future()
                self.awaited.setdefault(proxy, []).append(decided)
                await decided
            else:
                # Those that need no answer must not keep the event loop to themselves.
                await asyncio.sleep(0)
            if loop.time() >= ends_at:
                return


def _begin(proxy: ProxyConfig, seconds: float) -> None:
    within = min(max(seconds, 0.0), _LONGEST_REMOVAL)
    proxy._enter(lambda machine, now: machine.unregister(now, within=within))


def _server(proxy: ProxyConfig) -> Hashable:
    """Who has the binding, or would get it."""
    flow = proxy._lease.flow
    return proxy.params.registrar if flow is None else flow.target
