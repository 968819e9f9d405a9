"""Check many accounts at once: register each, note how that went, remove the bindings.

The registrar in this process knows all users but two.
"""

from __future__ import annotations

import asyncio

from aiosipreg import AuthInfo, Core, ProxyParams, RegistrationError
from aiosipreg.testing import Registrar


async def check(core: Core, user: str, password: str, server: str) -> bool:
    credentials = AuthInfo(user, password=password)
    proxy = core.add_proxy_config(ProxyParams(f"sip:{user}@example.org", server=server, auth=credentials))
    try:
        await proxy.registered(timeout=20)
    except RegistrationError as error:
        print(error)
        return False
    return True


async def main() -> None:
    users = {f"user{number:03}": "secret" for number in range(100)}
    known = {user: password for user, password in users.items() if user not in ("user013", "user042")}
    async with Registrar(users=known) as registrar, Core() as core:
        checks = [check(core, user, password, registrar.uri) for user, password in users.items()]
        results = await asyncio.gather(*checks)
        print(sum(results), "of", len(users), "accounts can register")


if __name__ == "__main__":
    asyncio.run(main())
