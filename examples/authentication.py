"""Register an account whose credentials are looked up when the server asks for them, and print its states.

Without arguments it registers at a registrar in this process; or tell it where::

    AIOSIPREG_PASSWORD=... python examples/authentication.py alice example.org sip:192.0.2.1:5060
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from aiosipreg import AuthInfo, Core, ProxyParams
from aiosipreg.testing import Registrar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiosipreg import AuthChallenge, RegistrationEvent


async def report(events: AsyncIterator[RegistrationEvent]) -> None:
    async for event in events:
        print("New registration state", event.state, "for", event.identity, "at proxy", event.server)


async def main(user: str, domain: str, server: str, password: str) -> None:
    async def ask(challenge: AuthChallenge) -> AuthInfo | None:
        print("The server asks for", challenge.username, "of realm", challenge.realm, "- attempt", challenge.attempt)
        await asyncio.sleep(0.1)  # a vault, a database, a person
        return AuthInfo(challenge.username, password=password) if challenge.attempt == 1 else None

    async with asyncio.TaskGroup() as group, Core(auth=ask) as core:
        group.create_task(report(core.events()))
        proxy = core.add_proxy_config(ProxyParams(f"sip:{user}@{domain}", server=server))
        await proxy.registered(timeout=10)
        await proxy.refresh(timeout=10)  # answers from what it knows now


async def demo() -> None:
    async with Registrar(users={"toto": "secret"}) as registrar:
        await main("toto", "sip.titi.com", registrar.uri, "secret")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        _, user, domain, server = sys.argv
        asyncio.run(main(user, domain, server, os.environ["AIOSIPREG_PASSWORD"]))
    else:
        asyncio.run(demo())
