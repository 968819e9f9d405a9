"""What the tests of a whole core have in common: one user, one registrar, and what was told."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiosipreg import AuthInfo, Core, ProxyConfig, ProxyParams, RegistrationState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiosipreg import RegistrationEvent
    from aiosipreg.testing import Registrar

AOR = "sip:toto@sip.titi.com"
TOTO = AuthInfo("toto", password="secret")

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState


def account(registrar: Registrar, identity: str = AOR, **settings: Any) -> ProxyParams:
    """Settings of an account at this registrar."""
    return ProxyParams(identity, server=registrar.uri, **settings)


@asynccontextmanager
async def registered(registrar: Registrar, *, settings: Any = None, **core: Any) -> AsyncIterator[ProxyConfig]:
    """A core with one registered account."""
    async with Core(**{"auth": TOTO, **core}) as made:
        proxy = made.add_proxy_config(account(registrar, **(settings or {})))
        await proxy.registered(timeout=10)
        yield proxy


async def told(stream: AsyncIterator[RegistrationEvent]) -> list[str]:
    """The states of all events until the stream ends; each event goes on from the one before it."""
    events = [event async for event in stream]
    by_account: dict[ProxyConfig, RegistrationState] = {}
    for event in events:
        assert event.old is by_account.get(event.proxy_config, event.old)
        by_account[event.proxy_config] = event.state
    return [str(event.state) for event in events]


def methods(registrar: Registrar) -> list[int | None]:
    """What each REGISTER asked for, in seconds; retransmissions are left out."""
    return [packet.request.expires for packet in registrar.requests if not packet.retransmission]
