"""The suite "Register" of belle-sip, the SIP stack below liblinphone, without what is about connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import pytest

from aiosipreg import Core, ProxyParams, Reason, ServerUnreachable
from aiosipreg.engine.targets import Located, Target, Transport
from aiosipreg.net.resolver import Resolver
from aiosipreg.testing import Faults, Registrar
from tests.accounts import AOR, OK, TOTO, account, methods, registered
from tests.parity.scene import TRUSTING, answers, failing_sends, now, requests, secured

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.virtual_clock(delay=0.01)

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


async def test_belle_register_01_stateful_udp() -> None:
    async with Registrar(users=None) as registrar, registered(registrar) as proxy:
        assert AOR in registrar.bindings
        await proxy.unregister(timeout=5)
        assert registrar.bindings == {}
        assert methods(registrar) == [3600, 0]


async def test_belle_register_07_stateful_udp_with_keep_alive() -> None:
    async with Registrar(users=None, flow_timer=30) as registrar, Core() as core:
        proxy = core.add_proxy_config(account(registrar, instance_id=INSTANCE, outbound=True))
        await proxy.registered(timeout=5)
        await asyncio.sleep(300)
        assert len(registrar.pings) >= 10
        assert methods(registrar) == [3600]


async def test_belle_register_08_stateful_udp_with_network_delay() -> None:
    async with Registrar(users=None, faults=Faults(delay=1.5)) as registrar, Core() as core:
        proxy = core.add_proxy_config(account(registrar))
        await proxy.registered(timeout=5)
        # RFC 3261 17.1.2.2: copies after 0.5 and 1.5 s, the answer came after 3.
        assert [packet.at for packet in registrar.requests] == pytest.approx([1.51, 2.01, 3.01], abs=0.02)
        assert len({packet.data for packet in registrar.requests}) == 1
        assert proxy.state is OK


async def test_belle_register_09_stateful_udp_with_outbound_proxy() -> None:
    """Better: liblinphone has a next hop and no Route; here the REGISTER says which way it goes (RFC 3261 8.1.2)."""
    async with Registrar(users=None) as registrar, Core() as core:
        proxy = core.add_proxy_config(ProxyParams(AOR, server="sip:home.invalid", routes=(registrar.uri,)))
        await proxy.registered(timeout=5)
        (request,) = requests(registrar)
        assert (str(request.uri), request.headers.get("Route")) == ("sip:home.invalid", f"<{registrar.uri};lr>")


async def test_belle_register_10_stateful_udp_with_send_error(
    sip_registrar: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_sends(monkeypatch)
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(account(sip_registrar))
        with pytest.raises(ServerUnreachable, match="Network is unreachable") as caught:
            await proxy.register(timeout=5)
        assert caught.value.event is not None
        assert caught.value.event.reason is Reason.IO_ERROR
        assert caught.value.event.retry_at is not None
        monkeypatch.undo()
        await proxy.registered(timeout=60)


async def moves_on(registrar: Registrar, transport: Transport, after: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first server of a domain is dead; the second one takes the binding, and keeps it."""

    async def locate(*_: object) -> Located:
        dead = Target("127.0.0.99", 5060, transport, "titi.com")
        alive = Target(registrar.host, registrar.port, transport, "titi.com")
        return Located((dead, alive), 60.0)

    monkeypatch.setattr(Resolver, "locate", locate)
    async with Core(tls=TRUSTING) as core:
        proxy = core.add_proxy_config("sip:toto@titi.com")
        began = now()
        binding = await proxy.registered(timeout=60)
        assert now() - began == pytest.approx(after, abs=0.2)
        assert proxy.last_event is not None
        assert proxy.last_event.target == f"{transport.value.lower()}:127.0.0.1:{registrar.port}"
        # Refreshes go where the binding is, and do not wait for the dead one again (REG-20).
        began = now()
        assert (await proxy.refresh(timeout=5)).contact == binding.contact
        assert now() - began < 0.1


@pytest.mark.parametrize(("transport", "after"), [("udp", 32), ("tcp", 0)])
async def test_belle_register_26_register_with_dns_srv_failover(
    transport: Literal["udp", "tcp"], after: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Registrar(users=None, transports=[transport]) as registrar:
        await moves_on(registrar, Transport[transport.upper()], after, monkeypatch)


async def test_belle_register_27_register_with_dns_srv_failover_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with secured(tmp_path, ["titi.com"]) as registrar:
        await moves_on(registrar, Transport.TLS, 0, monkeypatch)


async def test_belle_register_30_nonce_reutilization() -> None:
    async with Core(auth=TOTO) as core:
        async with Registrar(realm="one") as first:
            proxy = core.add_proxy_config(account(first))
            await proxy.registered(timeout=5)
            for count in (2, 3):
                await proxy.refresh(timeout=5)
                assert answers(first)[-1].params["nc"] == f"{count:08x}"
            assert methods(first) == [3600] * 4
        # Another realm on the same port: it does not know that nonce, and asks.
        async with Registrar(realm="other", port=first.port) as second:
            await proxy.refresh(timeout=5)
            assert methods(second) == [3600, 3600]
            assert answers(second)[-1].realm == "other"
            await core.remove_proxy_config(proxy)


async def test_belle_register_31_next_nonce() -> None:
    async with Registrar(next_nonce=True, one_time_nonce=True) as registrar, registered(registrar) as proxy:
        for _ in range(3):
            await proxy.refresh(timeout=5)
        # One challenge in all, although each nonce serves once.
        assert methods(registrar) == [3600] * 5
        assert len({answer.nonce for answer in answers(registrar)}) == 4
