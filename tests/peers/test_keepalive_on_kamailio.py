"""Keep-alives against Debian's Kamailio, which answers CRLF over TCP and STUN on its SIP port."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from aiosipreg import AuthInfo, Core, KeepAlive, ProxyParams, RegistrationState
from aiosipreg.engine.stun import binding_request, read_binding_response

if TYPE_CHECKING:
    from tests.peers.kamailio import Kamailio

TOTO = AuthInfo("toto", password="secret")


async def test_KA_5_kamailio_answers_pings(kamailio: Kamailio) -> None:
    params = ProxyParams("sip:toto@sip.titi.com", server=f"{kamailio.uri};transport=tcp")
    async with Core(auth=TOTO, keepalive=KeepAlive(interval=1.0, pongs=True)) as core:
        proxy = core.add_proxy_config(params)
        await proxy.registered(timeout=10)
        [runner] = proxy._runners
        assert not runner.machine.lease.proven
        async with asyncio.timeout(10):
            while not runner.machine.lease.proven:  # noqa: ASYNC110 - nothing tells of an answered ping
                await asyncio.sleep(0.1)
        assert proxy.state is RegistrationState.OK


async def test_KA_10_kamailio_answers_stun(kamailio: Kamailio) -> None:
    host, _, port = kamailio.uri.removeprefix("sip:").rpartition(":")
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        transaction = bytes(range(12))
        async with asyncio.timeout(5):
            await loop.sock_sendto(sock, binding_request(transaction), (host, int(port)))
            answer = read_binding_response(await loop.sock_recv(sock, 2048))
        assert answer is not None
        assert answer.transaction == transaction
        assert answer.mapped == sock.getsockname()
        assert (answer.error, answer.unknown) == (None, ())
