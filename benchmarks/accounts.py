"""Many accounts on one core, for the processes that are measured; so many of them are under way at once."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from aiosipreg import AuthInfo, ProxyParams, RegistrationState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aiosipreg import Core, ProxyConfig

__all__ = ["PATIENCE", "WINDOW", "bind", "loop_factory", "refreshed", "registered", "settings", "started"]

WINDOW = 64
"""Requests under way at once, so that no socket buffer overflows."""

PATIENCE = 300.0

_CHUNK = 50


def bind(cpu: int) -> None:
    """Stay on this CPU; -1 is any."""
    if cpu >= 0:
        os.sched_setaffinity(0, {cpu})


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes an event loop of asyncio or uvloop."""
    if name == "uvloop":
        import uvloop

        return uvloop.new_event_loop
    return asyncio.SelectorEventLoop


def settings(
    port: int, numbers: Iterable[int], *, transport: str = "udp", unregister: bool = False
) -> Iterator[ProxyParams]:
    """Accounts of a registrar on 127.0.0.1.

    Args:
        port: Its port.
        numbers: One number for each account.
        transport: ``udp``, ``tcp`` or ``tls``.
        unregister: Whether they unregister when the core stops.
    """
    server = f"sip:127.0.0.1:{port};transport={transport}"
    for number in numbers:
        yield ProxyParams(
            f"sip:user{number}@sip.titi.com",
            server=server,
            auth=AuthInfo(f"user{number}", password="secret"),
            unregister_at_stop=unregister,
        )


async def registered(core: Core, accounts: Iterable[ProxyParams]) -> list[ProxyConfig]:
    """Add accounts, and wait until all are registered."""
    proxies: list[ProxyConfig] = []
    for params in accounts:
        await _leave_room(proxies, len(proxies))
        proxies.append(core.add_proxy_config(params))
    await _all_ok(proxies)
    return proxies


async def started(core: Core, accounts: Iterable[ProxyParams]) -> None:
    """Add accounts as fast as that goes, and wait until all are registered."""
    for number, params in enumerate(accounts):
        core.add_proxy_config(params)
        if number % _CHUNK == 0:
            # Answers are read meanwhile.
            await asyncio.sleep(0)
    await _all_ok(core.proxy_configs)


async def refreshed(proxies: Sequence[ProxyConfig]) -> None:
    """Renew the bindings of accounts, and wait until all are renewed."""
    for number, proxy in enumerate(proxies):
        await _leave_room(proxies, number)
        proxy._enter(lambda machine, now: machine.refresh(now))
    await _all_ok(proxies)


async def _leave_room(proxies: Sequence[ProxyConfig], number: int) -> None:
    """Before the next half of a window begins, wait for the end of the one before."""
    half = WINDOW // 2
    if number >= WINDOW and number % half == 0:
        await _ok(proxies[number - half - 1])


async def _all_ok(proxies: Iterable[ProxyConfig]) -> None:
    for proxy in proxies:
        if proxy.state is not RegistrationState.OK:
            await _ok(proxy)


async def _ok(proxy: ProxyConfig) -> None:
    await proxy.wait_for(RegistrationState.OK, timeout=PATIENCE)
