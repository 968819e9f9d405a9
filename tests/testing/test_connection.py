"""aiosipreg/testing/connection.py: registrations and faults on real connections over loopback."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from aiosipreg.testing.breakage import StreamFaults
from aiosipreg.testing.registrar import Registrar
from tests.testing.certificates import server_context
from tests.testing.requests import AOR
from tests.testing.stream_client import WebSocketClient, connected, dialled

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.testing.flow import Transport

STREAMS: tuple[Transport, ...] = ("tcp", "tls", "ws", "wss")


def serving(*transports: Transport, **options: object) -> Registrar:
    """A registrar without passwords."""
    return Registrar(None, transports=transports or ("tcp",), tls=server_context(), **options)  # type: ignore[arg-type]


async def until(true: Callable[[], object]) -> None:
    """Let the loop turn until something is true."""
    async with asyncio.timeout(5.0):
        while not true():  # noqa: ASYNC110 - nobody tells when it becomes true
            await asyncio.sleep(0)


@pytest.mark.parametrize("transport", STREAMS)
async def test_register_over_each(transport: Transport) -> None:
    async with serving(transport) as registrar, connected(registrar, transport) as client:
        answer = await client.ask(client.register())
        assert answer.status == 200
        (binding,) = registrar.bindings[AOR]
        (packet,) = registrar.requests
        assert binding.flow == packet.flow == registrar.responses[0].flow
        assert (packet.flow.transport, packet.flow.connection) == (transport, 1)
        assert packet.peer == client.writer.get_extra_info("sockname")
        assert packet.request.via is not None
        assert packet.request.via.transport == transport.upper()
        assert [connection.flow for connection in registrar.connections] == [packet.flow]
    assert registrar.connections == ()


@pytest.mark.parametrize("transport", STREAMS)
async def test_requests_may_come_in_one_write_or_octet_by_octet(transport: Transport) -> None:
    async with serving(transport) as registrar, connected(registrar, transport) as client:
        client.send(client.register(cseq=1), client.register(cseq=2))
        assert [(await client.response()).cseq.number for _ in range(2)] == [1, 2]  # type: ignore[union-attr]
        for octet in client.wrap(client.register(cseq=3)):
            client.writer.write(bytes([octet]))
            await asyncio.sleep(0)
        assert (await client.response()).status == 200


async def test_connections_are_told_apart() -> None:
    async with (
        serving("tcp") as registrar,
        connected(registrar, "tcp") as one,
        connected(registrar, "tcp") as other,
    ):
        await other.ask(other.register())
        await one.ask(one.register(cseq=2))
        numbers = [packet.flow.connection for packet in registrar.requests]
        assert sorted(numbers) == [1, 2]
        assert [packet.flow.connection for packet in registrar.responses] == numbers
        assert registrar.requests[0].peer == other.writer.get_extra_info("sockname")


@pytest.mark.parametrize("transport", STREAMS)
async def test_pings_are_answered_unless_that_is_switched_off(transport: Transport) -> None:
    async with serving(transport) as registrar, connected(registrar, transport) as client:
        client.send(b"\r\n\r\n")
        assert await client.message() == b"\r\n"
        registrar.pongs = False
        client.send(b"\r\n\r\n", client.register())
        assert (await client.response()).status == 200
        assert [(packet.flow.transport, packet.data) for packet in registrar.pings] == [(transport, b"\r\n\r\n")] * 2


@pytest.mark.parametrize("transport", STREAMS)
async def test_octets_that_are_no_sip_end_a_connection_and_are_counted(transport: Transport) -> None:
    async with serving(transport) as registrar, connected(registrar, transport) as client:
        client.send(b"HELO example.org\r\n\r\n")
        with pytest.raises(ConnectionAbortedError):
            await client.message()
        assert registrar.ignored == 1
        assert registrar.connections == ()


@pytest.mark.parametrize("transport", STREAMS)
async def test_options_reach_a_client_over_its_connection(transport: Transport) -> None:
    async with serving(transport) as registrar, connected(registrar, transport) as client:
        await client.ask(client.register())
        asking = asyncio.create_task(registrar.options(AOR))
        question = await client.message()
        assert question.startswith(b"OPTIONS ")
        client.send(b"SIP/2.0 200 Fine\r\n" + question.partition(b"\r\n")[2])
        assert (await asking).reason == "Fine"
        assert registrar.answers[0].flow == registrar.requests[0].flow


async def test_options_need_the_connection_of_the_binding() -> None:
    async with serving("tcp") as registrar:
        async with connected(registrar, "tcp") as client:
            await client.ask(client.register())
            (connection,) = registrar.connections
        await connection.lost()
        with pytest.raises(LookupError, match=r"connection 1 with 127\.0\.0\.1:\d+ is gone"):
            await registrar.options(AOR)


@pytest.mark.parametrize("transport", ["tcp", "ws"])
async def test_reset_on_accept(transport: Transport) -> None:
    async with serving(transport, stream_faults=StreamFaults(reset="accept")) as registrar:
        with pytest.raises(ConnectionResetError):
            async with connected(registrar, transport) as client:
                await client.message()
        assert registrar.requests == ()


@pytest.mark.parametrize("transport", ["tls", "wss"])
async def test_reset_on_accept_before_the_handshake_of_tls(transport: Transport) -> None:
    async with serving(transport, stream_faults=StreamFaults(reset="accept")) as registrar:
        with pytest.raises(ConnectionResetError):
            async with dialled(registrar, transport):
                pass


@pytest.mark.parametrize("transport", STREAMS)
async def test_reset_after_a_request_loses_the_answer_only(transport: Transport) -> None:
    async with serving(transport, stream_faults=StreamFaults(reset="request")) as registrar:
        async with connected(registrar, transport) as client:
            client.send(client.register())
            with pytest.raises(ConnectionResetError):
                await client.message()
        assert len(registrar.bindings[AOR]) == 1


@pytest.mark.parametrize("transport", STREAMS)
async def test_reset_after_the_answer(transport: Transport) -> None:
    async with (
        serving(transport, stream_faults=StreamFaults(reset="answer")) as registrar,
        connected(registrar, transport) as client,
    ):
        assert (await client.ask(client.register())).status == 200
        with pytest.raises(ConnectionResetError):
            await client.message()


@pytest.mark.parametrize("transport", STREAMS)
async def test_close_after_the_answer(transport: Transport) -> None:
    async with (
        serving(transport, stream_faults=StreamFaults(close="answer")) as registrar,
        connected(registrar, transport) as client,
    ):
        assert (await client.ask(client.register())).status == 200
        with pytest.raises(ConnectionAbortedError):
            await client.message()


async def test_a_half_open_connection_takes_everything_and_says_nothing() -> None:
    async with (
        serving("tcp", stream_faults=StreamFaults(stall="accept")) as registrar,
        connected(registrar, "tcp") as client,
    ):
        client.send(client.register())
        with pytest.raises(TimeoutError):
            await client.message(timeout=0.05)
        await until(lambda: registrar.connections)
        assert registrar.requests == ()
        assert len(registrar.connections) == 1


async def test_a_tls_handshake_that_never_finishes() -> None:
    async with serving("tls", stream_faults=StreamFaults(stall="accept")) as registrar:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), dialled(registrar, "tls"):
                pass
        await until(lambda: registrar.connections)
        assert len(registrar.connections) == 1


@pytest.mark.parametrize("transport", STREAMS)
async def test_the_buffers_before_a_stalled_registrar_fill(transport: Transport) -> None:
    async with (
        serving(transport, stream_faults=StreamFaults(stall="answer")) as registrar,
        connected(registrar, transport) as client,
    ):
        assert (await client.ask(client.register())).status == 200

        async def fill() -> None:
            while True:
                client.send(client.register(body="x" * 60_000))
                await client.writer.drain()

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(fill(), 0.1)
        assert len(registrar.requests) == 1
        (connection,) = registrar.connections
        connection.send(b"SIP/2.0 200 OK\r\n\r\n")
        connection.reset()
        with pytest.raises(ConnectionResetError):
            await client.message()


@pytest.mark.parametrize("transport", STREAMS)
async def test_answers_may_be_written_octet_by_octet(transport: Transport) -> None:
    async with (
        serving(transport, stream_faults=StreamFaults(piece=1)) as registrar,
        dialled(registrar, transport) as client,
    ):
        if isinstance(client, WebSocketClient):
            await client.upgrade()
        portions = []
        read = client.reader.read

        async def reading(n: int = -1) -> bytes:
            portions.append(await read(n))
            return portions[-1]

        client.reader.read = reading  # type: ignore[method-assign]
        client.send(client.register(), b"\r\n\r\n")
        assert (await client.response()).status == 200
        assert await client.message() == b"\r\n"
        assert len(portions) > 100


@pytest.mark.parametrize("transport", STREAMS)
async def test_answers_may_be_collected_into_one_write(transport: Transport) -> None:
    async with (
        serving(transport, stream_faults=StreamFaults(merge=3)) as registrar,
        connected(registrar, transport) as client,
    ):
        client.send(client.register(cseq=1), b"\r\n\r\n", client.register(cseq=2))
        assert await client.message() == b"\r\n"
        with pytest.raises(TimeoutError):
            await client.message(timeout=0.02)
        client.send(client.register(cseq=3))
        octets = await client.reader.read(65_536)
        assert octets.count(b"CSeq: ") == 3


@pytest.mark.parametrize("text", ["nonsense", "", "99999"])
async def test_a_content_length_may_be_anything(text: str) -> None:
    async with (
        serving("tcp", stream_faults=StreamFaults(content_length=text)) as registrar,
        connected(registrar, "tcp") as client,
    ):
        client.send(client.register())
        octets = await client.reader.read(65_536)
        assert octets.endswith(f"\r\nContent-Length: {text}\r\n\r\n".encode())


@pytest.mark.virtual_clock
async def test_a_delay_keeps_the_order() -> None:
    async with (
        serving("tcp", stream_faults=StreamFaults(delay=0.05)) as registrar,
        connected(registrar, "tcp") as client,
    ):
        began = asyncio.get_running_loop().time()
        client.send(client.register(cseq=1))
        await registrar.wait_for_request()
        registrar.stream_faults = StreamFaults()
        client.send(client.register(cseq=2))
        assert [(await client.response()).cseq.number for _ in range(2)] == [1, 2]  # type: ignore[union-attr]
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.05)


@pytest.mark.virtual_clock
async def test_what_waits_is_written_before_a_close() -> None:
    async with (
        serving("tcp", stream_faults=StreamFaults(delay=60.0)) as registrar,
        connected(registrar, "tcp") as client,
    ):
        client.send(client.register())
        await registrar.wait_for_request()
        (connection,) = registrar.connections
        connection.close()
        assert (await client.response()).status == 200
        with pytest.raises(ConnectionAbortedError):
            await client.message()


async def test_nothing_more_is_looked_at_after_an_end() -> None:
    async with serving("tcp", stream_faults=StreamFaults(close="answer")) as registrar:
        async with connected(registrar, "tcp") as client:
            client.send(client.register(cseq=1), client.register(cseq=2))
            assert (await client.response()).status == 200
            with pytest.raises(ConnectionError):
                await client.message()
        assert len(registrar.requests) == 1


async def test_ending_twice_is_harmless() -> None:
    async with serving("tcp") as registrar, connected(registrar, "tcp") as client:
        await client.ask(client.register())
        (connection,) = registrar.connections
        connection.reset()
        connection.reset()
        connection.stall()
        connection.close()
        assert not connection.is_open
        await connection.lost()


async def test_a_client_that_does_not_trust_us_says_nothing() -> None:
    async with serving("tls") as registrar:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(registrar.host, registrar.ports["tls"], ssl=ssl.create_default_context())
        await until(lambda: not registrar.connections)
        assert (registrar.requests, registrar.ignored) == ((), 0)


async def test_a_client_that_leaves_during_the_handshake_is_forgotten() -> None:
    async with serving("tls") as registrar:
        _, writer = await asyncio.open_connection(registrar.host, registrar.ports["tls"])
        await until(lambda: registrar.connections)
        writer.transport.abort()
        await until(lambda: not registrar.connections)


async def test_an_unfinished_handshake_does_not_keep_a_registrar_from_leaving() -> None:
    async with serving("tls") as registrar:
        _, writer = await asyncio.open_connection(registrar.host, registrar.ports["tls"])
        await until(lambda: registrar.connections)
        await asyncio.sleep(0)
    assert registrar.connections == ()
    writer.transport.abort()


async def test_an_answer_that_waits_for_others_is_written_before_a_close() -> None:
    async with (
        serving("tcp", stream_faults=StreamFaults(merge=2)) as registrar,
        connected(registrar, "tcp") as client,
    ):
        client.send(client.register())
        await registrar.wait_for_request()
        registrar.connections[0].close()
        assert (await client.response()).status == 200


async def test_octets_after_the_end_are_not_looked_at() -> None:
    async with serving("tcp") as registrar, connected(registrar, "tcp") as client:
        await client.ask(client.register())
        (connection,) = registrar.connections
        connection.stall()
        connection.data_received(client.register(cseq=2))
        assert len(registrar.requests) == 1


@pytest.mark.virtual_clock
async def test_what_is_delayed_does_not_outlive_the_registrar_or_a_stall() -> None:
    async with (
        serving("tcp", stream_faults=StreamFaults(delay=0.02)) as registrar,
        connected(registrar, "tcp") as client,
    ):
        client.send(client.register())
        await registrar.wait_for_request()
        registrar.connections[0].stall()
        with pytest.raises(TimeoutError):
            await client.message(timeout=0.04)


async def test_a_connection_may_have_faults_of_its_own() -> None:
    async with serving("tcp") as registrar:
        registrar.break_next(StreamFaults(reset="request"), times=2)
        registrar.break_next(StreamFaults(close="answer"))
        for cseq, error in enumerate((ConnectionResetError, ConnectionResetError, ConnectionAbortedError), 1):
            async with connected(registrar, "tcp") as client:
                client.send(client.register(cseq=cseq))
                if error is ConnectionAbortedError:
                    assert (await client.response()).status == 200
                with pytest.raises(error):
                    await client.message()
        async with connected(registrar, "tcp") as client:
            for cseq in (4, 5):
                assert (await client.ask(client.register(cseq=cseq))).status == 200


@pytest.mark.virtual_clock(delay=0.05)
@pytest.mark.parametrize("transport", STREAMS)
async def test_on_the_virtual_network_it_is_all_the_same(transport: Transport) -> None:
    loop = asyncio.get_running_loop()
    async with serving(transport) as registrar, connected(registrar, transport) as client:
        assert (await client.ask(client.register())).status == 200
        registrar.stream_faults = StreamFaults(delay=3600.0)
        client.send(b"\r\n\r\n")
        began = loop.time()
        assert await client.message(timeout=4000.0) == b"\r\n"
        assert loop.time() - began == pytest.approx(3600.1)
        registrar.kill_connections()
        with pytest.raises(ConnectionResetError):
            await client.message()
        assert registrar.connections == ()
