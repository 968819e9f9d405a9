"""What a STUN server that knows nothing of SIP says to our keep-alives: Debian's coturn."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from aiosipreg.engine.stun import binding_request, read_binding_response
from tests.free_ports import free_port
from tests.peers import require, running

if TYPE_CHECKING:
    from pathlib import Path

TRANSACTION = bytes(range(12))


async def test_KA_10_coturn_tells_where_a_request_came_from(tmp_path: Path) -> None:
    port = free_port()
    command = [
        *(
            require("turnserver", "coturn"),
            "-n",
            "--stun-only",
            "--no-tls",
            "--no-dtls",
            "--no-cli",
            "--no-software-attribute",
        ),
        *("--listening-ip=127.0.0.1", f"--listening-port={port}", "--log-file=stdout"),
        *(f"--pidfile={tmp_path}/pid", f"--userdb={tmp_path}/users"),
    ]
    loop = asyncio.get_running_loop()
    with running(command, tmp_path / "coturn.log"), socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        request = binding_request(TRANSACTION)

        async def ask() -> bytes:
            """It needs a moment to open its port; what came before is lost, as on any network."""
            while True:
                await loop.sock_sendto(sock, request, ("127.0.0.1", port))
                try:
                    async with asyncio.timeout(0.2):
                        return await loop.sock_recv(sock, 2048)
                except TimeoutError:
                    continue

        async with asyncio.timeout(10):
            answer = read_binding_response(await ask())
        assert answer is not None
        assert answer.transaction == TRANSACTION
        assert answer.mapped == sock.getsockname()
        assert (answer.error, answer.unknown) == (None, ())
