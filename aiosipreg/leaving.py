"""How accounts leave a core (floor 4)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiosipreg.states import RegistrationState

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiosipreg.dependents import Dependents
    from aiosipreg.proxy import ProxyConfig

__all__ = ["SETTLED", "withdraw"]

SETTLED: Final = (RegistrationState.NONE, RegistrationState.CLEARED, RegistrationState.FAILED)
"""Where an account has nothing under way."""

_LONGEST_REMOVAL: Final = 32.0


async def withdraw(leaving: Collection[ProxyConfig], dependents: Dependents, timeout: float) -> None:
    """Remove these bindings, all at once; returns when all are decided, at the latest after ``timeout``."""
    within = min(timeout, _LONGEST_REMOVAL)
    for proxy in leaving:
        proxy._leave()
        dependents.leave(proxy)
        proxy._enter(lambda machine, now: machine.unregister(now, within=within))
    waits = [asyncio.ensure_future(proxy.wait_for(*SETTLED)) for proxy in leaving if proxy.state not in SETTLED]
    if waits:
        try:
            await asyncio.wait(waits, timeout=timeout + 1)
        finally:
            for wait in waits:
                wait.cancel()
