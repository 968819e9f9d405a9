"""aiosipreg/testing/registrar.py, on real loopback and on the virtual network."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from aiosipreg.testing.clock import run
from aiosipreg.testing.link import Faults
from aiosipreg.testing.network import VirtualNetwork
from aiosipreg.testing.registrar import Registrar
from tests.testing.requests import AOR, Client, register

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def connected(registrar: Registrar) -> AsyncIterator[Client]:
    """The registrar running, and a client of it."""
    async with registrar:
        client = await Client.connect(registrar.host, registrar.port)
        try:
            yield client
        finally:
            client.close()
            await asyncio.sleep(0)


async def test_register_over_real_loopback() -> None:
    registrar = Registrar(None)
    async with connected(registrar) as client:
        assert registrar.uri == f"sip:127.0.0.1:{registrar.port}"
        assert registrar.port > 0
        answer = await client.ask(register(rows=("Expires: 600",)))
        assert answer.status == 200
        assert answer.via is not None
        assert answer.via.rport == client.transport.get_extra_info("sockname")[1]
        assert len(registrar.bindings[AOR]) == 1
        assert len(registrar.requests) == 1
    assert len(registrar.bindings[AOR]) == 1


def test_register_over_the_virtual_network() -> None:
    async def main() -> None:
        registrar = Registrar(None)
        async with connected(registrar) as client:
            answer = await client.ask(register(rows=("Expires: 600",)))
            assert answer.status == 200
            await asyncio.sleep(599.9)
            assert registrar.bindings[AOR]
            await asyncio.sleep(0.2)
            assert registrar.bindings == {}

    run(main())


async def test_ipv6_loopback() -> None:
    registrar = Registrar(None, host="::1")
    async with connected(registrar) as client:
        assert registrar.uri == f"sip:[::1]:{registrar.port}"
        answer = await client.ask(register(via="SIP/2.0/UDP [::1]:5062;rport"))
        assert answer.status == 200
        assert answer.via is not None
        assert answer.via.received == "::1"


async def test_it_listens_once_at_a_time_and_again_on_the_same_port() -> None:
    registrar = Registrar(None)
    async with connected(registrar) as client:
        port = registrar.port
        assert (await client.ask(register())).status == 200
        with pytest.raises(RuntimeError, match="already"):
            await registrar.__aenter__()
    async with connected(registrar) as client:
        assert registrar.port == port
        assert registrar.bindings[AOR]
        assert (await client.ask(register(cseq=2))).status == 200


async def test_leaving_twice_is_harmless() -> None:
    registrar = Registrar(None)
    async with registrar:
        pass
    await registrar.__aexit__(None, None, None)


def test_waiting_for_requests() -> None:
    async def main() -> None:
        registrar = Registrar(None)
        async with connected(registrar) as client:
            client.send(register(cseq=1))
            assert (await registrar.wait_for_request()).request.cseq
            second = asyncio.create_task(registrar.wait_for_request(2))
            removal = asyncio.create_task(registrar.wait_for_request(lambda packet: packet.request.expires == 0))
            await asyncio.sleep(1.0)
            client.send(register(cseq=2))
            await asyncio.sleep(1.0)
            assert second.done()
            assert not removal.done()
            client.send(register(cseq=3, rows=("Expires: 0",)))
            assert (await removal).at == 2.0
            assert (await second).at == 1.0
            assert (await registrar.wait_for_request(lambda packet: packet.request.expires == 0)).at == 2.0

    run(main())


def test_waiting_has_an_end_and_says_what_came() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        registrar = Registrar(None)
        async with connected(registrar) as client:
            client.send(register())
            with pytest.raises(TimeoutError, match=r"within 5\.0 s; 1 came"):
                await registrar.wait_for_request(2)
            assert loop.time() == 5.0

    run(main())


def test_what_needs_a_running_registrar_says_so() -> None:
    async def main() -> None:
        registrar = Registrar(None)
        with pytest.raises(RuntimeError, match="context manager"):
            await registrar.wait_for_request()
        with pytest.raises(RuntimeError, match="context manager"):
            await registrar.options(AOR)
        assert registrar.bindings == {}

    run(main())


def test_leaving_ends_every_wait() -> None:
    async def main() -> None:
        registrar = Registrar(None)
        async with registrar:
            waiting = asyncio.create_task(registrar.wait_for_request(timeout=None))
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(main())


def test_leaving_ends_questions_too() -> None:
    async def main() -> None:
        registrar = Registrar(None)
        async with connected(registrar) as client:
            await client.ask(register())
            asking = asyncio.create_task(registrar.options(AOR))
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await asking

    run(main())


def test_waiting_among_what_came_already() -> None:
    async def main() -> None:
        registrar = Registrar(None)
        async with connected(registrar) as client:
            for cseq in (1, 2, 3):
                await client.ask(register(cseq=cseq))
            found = await registrar.wait_for_request(lambda packet: packet.request.cseq.number == 2)  # type: ignore[union-attr]
            assert found == registrar.requests[1]
            assert await registrar.wait_for_request(3) == registrar.requests[2]

    run(main())


def test_silence_and_its_end() -> None:
    async def main() -> None:
        registrar = Registrar(None, faults=Faults(silence=True))
        async with connected(registrar) as client:
            with pytest.raises(TimeoutError):
                await client.ask(register())
            assert registrar.requests == ()
            registrar.faults = Faults()
            assert (await client.ask(register())).status == 200

    run(main())


def test_answers_may_be_lost_alone() -> None:
    async def main() -> None:
        registrar = Registrar(None, faults_out=Faults(silence=True))
        async with connected(registrar) as client:
            data = register()
            with pytest.raises(TimeoutError):
                await client.ask(data)
            assert registrar.bindings[AOR]
            registrar.faults_out = None
            assert (await client.ask(data)).status == 200
            assert [packet.retransmission for packet in registrar.requests] == [False, True]

    run(main())


def test_delay_counts_in_both_directions() -> None:
    async def main() -> float:
        registrar = Registrar(None, faults=Faults(delay=0.25))
        async with connected(registrar) as client:
            await client.ask(register())
            assert registrar.requests[0].at == 0.25
            return asyncio.get_running_loop().time()

    assert run(main()) == 0.5


def test_datagrams_under_way_do_not_outlive_the_registrar() -> None:
    async def main() -> None:
        registrar = Registrar(None, faults=Faults(delay=10.0))
        async with connected(registrar) as client:
            client.send(register())
            await asyncio.sleep(1.0)
        await asyncio.sleep(60.0)
        assert registrar.requests == ()

    run(main())


def test_options_are_asked_and_answered() -> None:
    async def main() -> None:
        registrar = Registrar(None, faults=Faults(loss=0.5), seed=3)
        async with connected(registrar) as client:
            registrar.faults = Faults()
            await client.ask(register())
            registrar.faults = Faults(loss=0.5)
            with pytest.raises(LookupError):
                await registrar.options("sip:nobody@sip.titi.com")
            asking = asyncio.create_task(registrar.options(AOR))
            while not asking.done():
                question = await client.received.get()
                client.send(b"SIP/2.0 100 Trying\r\n" + question.partition(b"\r\n")[2])
                client.send(b"SIP/2.0 200 Fine\r\n" + question.partition(b"\r\n")[2])
                await asyncio.sleep(0.1)
            assert asking.result().reason == "Fine"

    run(main())


def test_provisional_answers_are_not_final() -> None:
    async def main() -> None:
        registrar = Registrar(None)
        async with connected(registrar) as client:
            await client.ask(register())
            asking = asyncio.create_task(registrar.options(AOR))
            question = (await client.received.get()).partition(b"\r\n")[2]
            client.send(b"SIP/2.0 100 Trying\r\n" + question)
            await asyncio.sleep(0.1)
            assert not asking.done()
            client.send(b"SIP/2.0 486 Busy\r\n" + question)
            assert (await asking).status == 486

    run(main())


def test_options_repeat_like_rfc3261_and_give_up() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        registrar = Registrar(None)
        async with connected(registrar) as client:
            await client.ask(register())
            with pytest.raises(TimeoutError):
                await registrar.options(AOR)
            assert loop.time() == 32.0
            assert client.received.qsize() == 11

    run(main())


def test_late_and_foreign_answers_harm_nobody() -> None:
    async def main() -> None:
        registrar = Registrar(None)
        async with connected(registrar) as client:
            client.send(b"SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n")
            await asyncio.sleep(1.0)
            assert len(registrar.answers) == 1

    run(main())


def test_loss_reorder_and_duplicates_end_in_the_right_binding() -> None:
    network = VirtualNetwork(loss=0.3, delay=(0.01, 0.05), reorder=0.1, duplicate=0.1, seed=5)

    async def main() -> Registrar:
        registrar = Registrar(None, default_expires=60)
        async with connected(registrar) as client:
            for cseq in range(1, 201):
                data = register(cseq=cseq)
                while True:
                    try:
                        answer = await client.ask(data, timeout=0.5)
                    except TimeoutError:
                        continue
                    if answer.cseq is not None and answer.cseq.number == cseq:
                        break
                assert answer.status == 200
                await asyncio.sleep(30.0)
            return registrar

    registrar = run(main(), network=network)
    assert registrar.bindings_at(0.0)[AOR][0].cseq == 200
    assert any(packet.retransmission for packet in registrar.requests)
