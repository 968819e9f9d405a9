"""Follow what happens to several accounts in one stream: states, reasons, sentences, and when it is tried again.

The registrar in this process knows two of the three users, and answers the first request with 503.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from aiosipreg import AuthInfo, Core, ProxyParams, Reason, RegistrationState
from aiosipreg.testing import Registrar


async def main() -> None:
    users = {"alice": "secret", "bob": "secret", "carol": "secret"}
    credentials = [AuthInfo(user, password=password) for user, password in users.items()]
    users.pop("carol")
    async with Registrar(users=users) as registrar, Core(auth=credentials) as core:
        loop = asyncio.get_running_loop()
        registrar.answer_next(503, headers=[("Retry-After", "60")])
        async with aclosing(core.events()) as events:
            for user in ("alice", "bob", "carol"):
                core.add_proxy_config(ProxyParams(f"sip:{user}@example.org", server=registrar.uri))
            decided = 0
            async for event in events:
                print(f"{event.identity}: {event.old} -> {event.state}: {event.message}")
                if event.reason is not Reason.NONE:
                    again = "not by itself" if event.retry_at is None else f"in {event.retry_at - loop.time():.0f} s"
                    print(f"    reason {event.reason.value}, status {event.status}, tried again {again}")
                decided += event.state in (RegistrationState.OK, RegistrationState.FAILED)
                if decided == 3:
                    break
        print("at the registrar:", ", ".join(registrar.bindings))


if __name__ == "__main__":
    asyncio.run(main())
