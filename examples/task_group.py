"""Give each account a task of its own in a TaskGroup: what one of them raises ends them all, in good order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiosipreg import AuthInfo, Core, ProxyParams, RegistrationError, RegistrationState
from aiosipreg.testing import Registrar

if TYPE_CHECKING:
    from aiosipreg import ProxyConfig


async def serve(proxy: ProxyConfig) -> None:
    """Work for as long as the account is there; raises when it is lost for good."""
    binding = await proxy.registered(timeout=10)
    print(proxy.identity, "is reachable at", binding.contact.uri)
    async for event in proxy.events():
        if event.state is RegistrationState.FAILED and event.retry_at is None:
            raise RegistrationError(event.message, event)


async def main() -> None:
    users = {"alice": "secret", "bob": "secret"}
    credentials = [AuthInfo(user, password=password) for user, password in users.items()]
    async with Registrar(users=users) as registrar:
        try:
            async with Core(auth=credentials) as core, asyncio.TaskGroup() as group:
                accounts = [
                    core.add_proxy_config(ProxyParams(f"sip:{user}@example.org", server=registrar.uri))
                    for user in users
                ]
                for proxy in accounts:
                    group.create_task(serve(proxy))
                await asyncio.gather(*(proxy.registered(timeout=10) for proxy in accounts))
                registrar.answer_next(403)
                await core.refresh_registers()
        except* RegistrationError as errors:
            for error in errors.exceptions:
                print("lost:", error)
        print("bindings left at the registrar:", len(registrar.bindings))


if __name__ == "__main__":
    asyncio.run(main())
