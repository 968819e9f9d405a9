"""A program that is killed and started again, on Debian's Kamailio: what that holds before, during and after."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import pytest

from aiosipreg import AuthInfo, Core, FileStore, ProxyParams, TransportParams
from tests.free_ports import free_port
from tests.peers.kamailio import Options

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.kamailio import Kamailio

PROGRAM = """
import asyncio, sys
from aiosipreg import AuthInfo, Core, FileStore, ProxyParams, TransportParams

async def main():
    _, path, server, port = sys.argv
    core = Core(
        auth=AuthInfo("toto", password="secret"), store=FileStore(path), transports=TransportParams(udp=int(port))
    )
    async with core:
        proxy = core.add_proxy_config(ProxyParams("sip:toto@sip.titi.com", server=server, id="toto"))
        await proxy.registered(timeout=10)
        await proxy.refresh(timeout=10)
        while core._keeper._writer is not None:
            await asyncio.sleep(0.01)
        print(core.stats.sent - core.stats.retransmitted, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("kamailio", "transport"), [(Options(), "udp"), (Options(qop=False), "tcp")], indirect=["kamailio"],
    ids=["UDP on the same port, counted nonces", "TCP, plain nonces"],
)  # fmt: skip
async def test_N4_kill_9_adds_no_binding(kamailio: Kamailio, tmp_path: Path, transport: str) -> None:
    path, port = tmp_path / "accounts.db", free_port()
    # The Contact of a connection has the connection's port, so it is another one after each restart.
    server = f"{kamailio.uri};transport={transport}"
    numbers = []
    for run in range(2):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, str(path), server, str(port), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        sent = int(await process.stdout.readline())
        # AUTH-28: Kamailio takes the nonce of the first run with the next count, so the second needs no challenge.
        assert sent == (3 if run == 0 else 2)
        [during] = await kamailio.bindings("toto")
        numbers.append((during.call_id, during.cseq))
        process.kill()
        await process.communicate()
        assert len(await kamailio.bindings("toto")) == 1
    (first_id, first), (second_id, second) = numbers
    assert first_id == second_id
    assert first < second
    transports = TransportParams(udp=port)
    async with Core(auth=AuthInfo("toto", password="secret"), store=FileStore(path), transports=transports) as core:
        proxy = core.add_proxy_config(ProxyParams("sip:toto@sip.titi.com", server=server, id="toto"))
        binding = await proxy.registered(timeout=10)
        [stored] = await kamailio.bindings("toto")
        assert stored.contact == str(binding.contact.uri)
        assert stored.instance_id == f"<{proxy.params.instance_id}>"
        assert stored.call_id == first_id
    assert await kamailio.bindings() == ()
