"""Change and unregister a running account between edit() and done(), and print its states.

Without arguments it registers at a registrar in this process; or tell it where::

    AIOSIPREG_PASSWORD=... python examples/unregistration.py alice example.org sip:192.0.2.1:5060
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from aiosipreg import AuthInfo, Core, ProxyParams, RegistrationState
from aiosipreg.testing import Registrar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiosipreg import RegistrationEvent


async def report(events: AsyncIterator[RegistrationEvent]) -> None:
    async for event in events:
        print("New registration state", event.state, "for", event.identity, "at proxy", event.server)


async def main(user: str, domain: str, server: str, password: str) -> None:
    credentials = AuthInfo(user, password=password)
    async with asyncio.TaskGroup() as group, Core(auth=credentials) as core:
        group.create_task(report(core.events()))
        proxy = core.add_proxy_config(ProxyParams(f"sip:{user}@{domain}", server=server))
        await proxy.registered(timeout=10)

        with proxy.edit() as draft:  # leaving the block is done()
            draft.expires = 300
        await proxy.wait_for(RegistrationState.OK, timeout=10)

        draft = proxy.edit()
        draft.register = False
        draft.done()  # sends the REGISTER that removes the binding
        await proxy.wait_for(RegistrationState.CLEARED, timeout=10)


async def demo() -> None:
    async with Registrar(users={"toto": "secret"}) as registrar:
        await main("toto", "sip.titi.com", registrar.uri, "secret")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        _, user, domain, server = sys.argv
        asyncio.run(main(user, domain, server, os.environ["AIOSIPREG_PASSWORD"]))
    else:
        asyncio.run(demo())
