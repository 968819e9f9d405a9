"""aiosipreg/testing/listeners.py: ports, and connections that come and go."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import ConfigError
from aiosipreg.testing.breakage import StreamFaults
from aiosipreg.testing.flow import TRANSPORTS
from aiosipreg.testing.registrar import Registrar
from tests.testing.certificates import server_context
from tests.testing.requests import AOR, Client
from tests.testing.stream_client import connected

if TYPE_CHECKING:
    from aiosipreg.testing.flow import Transport


def full() -> Registrar:
    """A registrar that listens on everything."""
    return Registrar(None, transports=TRANSPORTS, tls=server_context())


async def test_every_transport_has_its_port_and_its_uri() -> None:
    registrar = full()
    assert dict(registrar.ports) == {}
    async with registrar:
        ports = registrar.ports
        assert list(ports) == ["udp", "tcp", "tls", "ws", "wss"]
        assert ports["udp"] == ports["tcp"] == registrar.port
        assert len(set(ports.values())) == 4
        assert registrar.uri == registrar.uri_of("udp") == f"sip:127.0.0.1:{ports['udp']}"
        for transport in ("tcp", "tls", "ws", "wss"):
            assert registrar.uri_of(transport) == f"sip:127.0.0.1:{ports[transport]};transport={transport}"


async def test_one_account_may_come_over_all_of_them() -> None:
    async with full() as registrar:
        udp = await Client.connect(registrar.host, registrar.port)
        async with connected(registrar, "tcp") as tcp, connected(registrar, "wss") as wss:
            for cseq, client in enumerate((tcp, wss), 1):
                await client.ask(client.register(contact=f"<sip:toto@127.0.0.{cseq}>", cseq=cseq))
            await udp.ask(tcp.register(contact="<sip:toto@127.0.0.3>", cseq=3))
            assert [binding.flow.transport for binding in registrar.bindings[AOR]] == ["tcp", "wss", "udp"]
        udp.close()
        await asyncio.sleep(0)


async def test_the_first_transport_is_the_one_of_uri_and_port() -> None:
    registrar = Registrar(None, transports=["tls", "tcp", "tls"], tls=server_context())
    async with registrar:
        assert list(registrar.ports) == ["tls", "tcp"]
        assert registrar.port == registrar.ports["tls"]
        assert registrar.uri == f"sip:127.0.0.1:{registrar.port};transport=tls"
        with pytest.raises(LookupError, match="does not listen on udp"):
            registrar.uri_of("udp")


async def test_it_comes_back_on_the_same_ports() -> None:
    registrar = full()
    async with registrar:
        ports = dict(registrar.ports)
    async with registrar, connected(registrar, "tcp") as client:
        assert dict(registrar.ports) == ports
        assert (await client.ask(client.register())).status == 200


async def test_a_port_that_is_asked_for_is_shared_by_udp_and_tcp() -> None:
    async with Registrar(None, transports=["udp", "tcp"]) as first:
        port = first.port
    async with Registrar(None, transports=["tcp", "udp", "ws"], port=port) as registrar:
        assert registrar.ports["tcp"] == registrar.ports["udp"] == port
        assert registrar.ports["ws"] != port
        second = Registrar(None, transports=["tcp", "udp"], port=port)
        with pytest.raises(OSError, match="in use") as caught:
            await second.__aenter__()
        assert caught.value.errno == errno.EADDRINUSE
        assert (second.port, dict(second.ports)) == (port, {"tcp": port})


async def test_a_number_that_is_taken_over_tcp_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    create_server = loop.create_server
    refused: list[int] = []

    async def taken_once(factory: Any, host: str, port: int) -> asyncio.Server:
        if not refused:
            refused.append(port)
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        return await create_server(factory, host, port)

    monkeypatch.setattr(loop, "create_server", taken_once)
    async with Registrar(None, transports=["udp", "tcp"]) as registrar:
        assert refused
        assert registrar.ports["udp"] == registrar.ports["tcp"]


@pytest.mark.parametrize("error", [errno.EADDRINUSE, errno.EACCES])
async def test_it_does_not_try_for_ever(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    tries = []

    async def refuse(factory: Any, host: str, port: int) -> asyncio.Server:
        tries.append(port)
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(asyncio.get_running_loop(), "create_server", refuse)
    with pytest.raises(OSError, match=os.strerror(error)):
        await Registrar(None, transports=["udp", "tcp"]).__aenter__()
    assert len(tries) == (20 if error == errno.EADDRINUSE else 1)


@pytest.mark.parametrize("transports", [(), ("udp", "sctp")])
def test_transports_that_there_are_not_are_refused(transports: tuple[Transport, ...]) -> None:
    with pytest.raises(ConfigError, match="transports"):
        Registrar(transports=transports)


@pytest.mark.parametrize("transport", ["tls", "wss"])
def test_tls_needs_a_context(transport: Transport) -> None:
    with pytest.raises(ConfigError, match=r"ssl\.SSLContext"):
        Registrar(transports=[transport])


async def test_kill_connections_resets_them_all() -> None:
    async with full() as registrar, connected(registrar, "tcp") as tcp, connected(registrar, "wss") as wss:
        for cseq, client in enumerate((tcp, wss), 1):
            await client.ask(client.register(cseq=cseq))
        registrar.kill_connections()
        assert registrar.connections == ()
        for client in (tcp, wss):
            with pytest.raises(ConnectionResetError):
                await client.message()


async def test_options_to_a_binding_of_udp_need_udp() -> None:
    registrar = Registrar(None, transports=["tcp"])
    async with registrar, connected(registrar, "tcp") as client:
        registrar.receive(client.register(), ("127.0.0.1", 5062), asyncio.get_running_loop().time())
        with pytest.raises(LookupError, match="does not listen on udp"):
            await registrar.options(AOR)


async def test_a_peer_that_does_not_read_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiosipreg.testing.listeners._GOODBYE", 0.02)
    registrar = Registrar(None, transports=["tcp"], headers=[("X-Filler", "x" * 60_000)])
    async with registrar, connected(registrar, "tcp") as client:
        requests = [client.register(cseq=cseq) for cseq in range(1, 201)]
        client.send(*requests)
        await registrar.wait_for_request(len(requests))
        await registrar.__aexit__(None, None, None)
        assert registrar.connections == ()


async def test_stalled_connections_end_with_the_registrar() -> None:
    registrar = Registrar(None, transports=["tcp"], stream_faults=StreamFaults(stall="accept"))
    async with registrar, connected(registrar, "tcp") as client:
        client.send(client.register())
        with pytest.raises(TimeoutError):
            await client.message(timeout=0.01)
        await registrar.__aexit__(None, None, None)
        with pytest.raises(ConnectionError):
            await client.message()
