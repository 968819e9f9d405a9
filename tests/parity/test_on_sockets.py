"""A row that a virtual network cannot show: one socket for both address families."""

from __future__ import annotations

from aiosipreg import Core, ProxyParams
from aiosipreg.testing import Registrar
from tests.accounts import AOR, TOTO
from tests.parity.scene import host


async def test_refresher_19_register_udp_from_ipv6_to_ipv6_with_ipv4() -> None:
    async with Registrar(host="::") as registrar, Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(ProxyParams(AOR, server=f"sip:127.0.0.1:{registrar.port}"))
        await proxy.registered(timeout=5)
        assert registrar.requests[0].peer[0] == "::ffff:127.0.0.1"
        assert host(proxy.contact) == "127.0.0.1"
