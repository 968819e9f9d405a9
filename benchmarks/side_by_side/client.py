"""One account of ours: the counterpart of ``linphone_client.c``, and used in the same way.

``python -m benchmarks.side_by_side.client SERVER IDENTITY USER EXPIRES``, with the password in the environment as
``SIP_PASSWORD``. It writes a line of JSON when it begins and for every event, with the time of the monotonic clock. The
word "unregister" on standard input switches registration off; the end of standard input ends it without a removal.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from aiosipreg import AuthInfo, Core, ProxyParams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiosipreg import RegistrationEvent


def say(**told: object) -> None:
    print(json.dumps(told), flush=True)


async def report(events: AsyncIterator[RegistrationEvent]) -> None:
    async for event in events:
        say(at=event.at, state=str(event.state), reason=event.reason.name, retry_at=event.retry_at)


async def words() -> AsyncIterator[str]:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


async def main(server: str, identity: str, user: str, expires: str) -> None:
    secret = AuthInfo(user, password=os.environ["SIP_PASSWORD"])
    settings = ProxyParams(identity, server=server, expires=int(expires), unregister_at_stop=False)
    async with asyncio.TaskGroup() as group, Core(auth=secret) as core:
        group.create_task(report(core.events()))
        say(at=asyncio.get_running_loop().time(), client=f"aiosipreg {version('aiosipreg')}")
        proxy = core.add_proxy_config(settings)
        async for _ in words():
            with proxy.edit() as draft:
                draft.register = False


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
