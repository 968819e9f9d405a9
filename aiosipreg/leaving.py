"""How accounts leave a core (floor 4)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiosipreg.errors import CoreClosedError
from aiosipreg.states import RegistrationState

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

    from aiosipreg.dependents import Dependents
    from aiosipreg.proxy import ProxyConfig

__all__ = ["SETTLED", "withdraw"]

logger = logging.getLogger("aiosipreg.core")

SETTLED: Final = (RegistrationState.NONE, RegistrationState.CLEARED, RegistrationState.FAILED)
"""Where an account has nothing under way."""

_LONGEST_REMOVAL: Final = 32.0

# Toward one server: their answers have room in the receive buffer of a UDP socket. Of each server so many, because one
# that is dead would hold up those of all others.
_MOST_AT_ONCE: Final = 200


async def withdraw(leaving: Collection[ProxyConfig], dependents: Dependents, timeout: float) -> None:
    """Remove these bindings, 200 at once from each server; returns when all are decided, at the latest in ``timeout``.

    What could not begin by then is left as it is.
    """
    ends_at = asyncio.get_running_loop().time() + timeout
    queues: dict[Hashable, deque[ProxyConfig]] = {}
    for proxy in leaving:
        proxy._leave()
        dependents.leave(proxy)
        if proxy.state is RegistrationState.PROGRESS:
            # Most of these wait for their turn to register (OVL-8) and need no removal; it must not come meanwhile.
            _begin(proxy, timeout)
        queues.setdefault(_server(proxy), deque()).append(proxy)
    work = [
        asyncio.ensure_future(_withdraw_in_turn(queue, ends_at))
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


async def _withdraw_in_turn(queue: deque[ProxyConfig], ends_at: float) -> None:
    """Remove one binding after the other until none or no time is left; one is tried in any case."""
    now = asyncio.get_running_loop().time
    while queue:
        proxy = queue.popleft()
        _begin(proxy, ends_at - now())
        if proxy.state not in SETTLED:
            # By now somebody else may have removed the account.
            with suppress(CoreClosedError):
                await proxy.wait_for(*SETTLED)
        if now() >= ends_at:
            return
        # Those that need no answer must not keep the event loop to themselves.
        await asyncio.sleep(0)


def _begin(proxy: ProxyConfig, seconds: float) -> None:
    within = min(max(seconds, 0.0), _LONGEST_REMOVAL)
    proxy._enter(lambda machine, now: machine.unregister(now, within=within))


def _server(proxy: ProxyConfig) -> Hashable:
    """Who has the binding, or would get it."""
    flow = proxy._lease.flow
    return proxy.params.registrar if flow is None else flow.target
