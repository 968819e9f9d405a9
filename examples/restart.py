"""Kill a program in the middle of its work and start it again: it goes on with the binding that it had.

Without arguments it does that to itself, with a registrar in this process; or give it a file and a server, kill it
yourself, and start it again::

    AIOSIPREG_PASSWORD=... python examples/restart.py accounts.db sip:192.0.2.1:5060
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from aiosipreg import AuthInfo, Core, FileStore, ProxyParams
from aiosipreg.testing import Registrar

AOR = "sip:toto@sip.titi.com"


async def work(path: str, server: str, password: str) -> None:
    """The program: stays registered until somebody stops it."""
    async with Core(auth=AuthInfo("toto", password=password), store=FileStore(path)) as core:
        proxy = core.add_proxy_config(ProxyParams(AOR, server=server, id="toto"))
        binding = await proxy.registered(timeout=10)
        await asyncio.sleep(0.4)
        print("registered with", core.stats.sent, "requests as", binding.instance_id, flush=True)
        await asyncio.Event().wait()


async def demo() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "accounts.db")
        async with Registrar(users={"toto": "secret"}) as registrar:
            # A challenge and its answer; after the restart the nonce is still known.
            for requests in (2, 3):
                process = await asyncio.create_subprocess_exec(
                    sys.executable, __file__, path, registrar.uri,
                    env=os.environ | {"AIOSIPREG_PASSWORD": "secret"}, stdout=asyncio.subprocess.PIPE,
                )  # fmt: skip
                await registrar.wait_for_request(requests, timeout=10)
                await asyncio.sleep(1)
                process.kill()
                output, _ = await process.communicate()
                print(output.decode(), end="")
                for binding in registrar.bindings[AOR]:
                    print("  killed; bound is", binding.contact.uri, "with CSeq", binding.cseq, "of", binding.call_id)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(work(sys.argv[1], sys.argv[2], os.environ["AIOSIPREG_PASSWORD"]))
    else:
        asyncio.run(demo())
