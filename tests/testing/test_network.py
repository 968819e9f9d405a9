"""aiosipreg/testing/network.py."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from aiosipreg.testing.clock import VirtualClockLoop, run
from aiosipreg.testing.link import HOLD_BACK, Faults
from aiosipreg.testing.network import VirtualNetwork


class Recorder(asyncio.DatagramProtocol):
    """Writes down what asyncio tells a protocol."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.received: list[tuple[bytes, tuple[Any, ...], float]] = []
        self.errors: list[Exception] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self.received.append((data, addr, asyncio.get_running_loop().time()))

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append(f"lost {exc}")

    @property
    def data(self) -> list[bytes]:
        return [data for data, _, _ in self.received]


async def endpoint(
    local: tuple[str, int] | None = None, remote: tuple[str, int] | None = None, **options: Any
) -> tuple[asyncio.DatagramTransport, Recorder]:
    loop = asyncio.get_running_loop()
    return await loop.create_datagram_endpoint(Recorder, local_addr=local, remote_addr=remote, **options)


def test_a_datagram_goes_there_and_back() -> None:
    async def main() -> None:
        server, server_saw = await endpoint(("127.0.0.1", 5060))
        client, client_saw = await endpoint(remote=("127.0.0.1", 5060))
        assert server_saw.calls == ["made"]
        host, port = client.get_extra_info("sockname")
        assert host == "127.0.0.1"
        assert client.get_extra_info("peername") == ("127.0.0.1", 5060)
        assert server.get_extra_info("peername") is None
        client.sendto(b"there")
        await asyncio.sleep(0.001)
        assert server_saw.received == [(b"there", (host, port), 0.0)]
        server.sendto(b"back", (host, port))
        await asyncio.sleep(0.001)
        assert client_saw.data == [b"back"]

    run(main())


@pytest.mark.parametrize(
    ("wildcard", "loopback", "other"),
    [("0.0.0.0", "127.0.0.1", "192.0.2.7"), ("::", "::1", "2001:db8::7")],
)
def test_a_wildcard_is_reachable_as_every_local_address(wildcard: str, loopback: str, other: str) -> None:
    async def main() -> None:
        listener, saw = await endpoint((wildcard, 0))
        port = listener.get_extra_info("sockname")[1]
        assert port > 0
        sender, sender_saw = await endpoint((loopback, 0))
        sender.sendto(b"1", (loopback, port))
        sender.sendto(b"2", (other, port))
        await asyncio.sleep(0.001)
        assert saw.data == [b"1", b"2"]
        listener.sendto(b"3", sender.get_extra_info("sockname"))
        await asyncio.sleep(0.001)
        assert sender_saw.received[0][1][:2] == (loopback, port)

    run(main())


def test_ipv6_addresses_have_four_parts() -> None:
    async def main() -> None:
        server, saw = await endpoint(("::1", 5060))
        client, _ = await endpoint(remote=("::1", 5060))
        client.sendto(b"x")
        await asyncio.sleep(0.001)
        assert saw.received[0][1] == client.get_extra_info("sockname")
        assert server.get_extra_info("sockname") == ("::1", 5060, 0, 0)

    run(main())


def test_a_wildcard_that_sends_to_another_address_of_the_host_has_that_address() -> None:
    async def main() -> None:
        _, saw = await endpoint(("192.0.2.1", 5060))
        client, _ = await endpoint(("0.0.0.0", 5062))
        client.sendto(b"x", ("192.0.2.1", 5060))
        await asyncio.sleep(0.001)
        assert saw.received[0][1] == ("192.0.2.1", 5062)

    run(main())


def test_nobody_listens_is_told_to_connected_endpoints_only() -> None:
    async def main() -> None:
        connected, connected_saw = await endpoint(remote=("127.0.0.1", 9))
        unconnected, unconnected_saw = await endpoint(("127.0.0.1", 0))
        connected.sendto(b"x")
        unconnected.sendto(b"x", ("127.0.0.1", 9))
        await asyncio.sleep(0.001)
        assert [type(error) for error in connected_saw.errors] == [ConnectionRefusedError]
        assert unconnected_saw.errors == []

    run(main())


def test_a_connected_endpoint_hears_its_peer_only() -> None:
    async def main() -> None:
        await endpoint(("127.0.0.1", 5060))
        client, saw = await endpoint(remote=("127.0.0.1", 5060))
        stranger, _ = await endpoint(("127.0.0.1", 0))
        stranger.sendto(b"x", client.get_extra_info("sockname"))
        await asyncio.sleep(0.001)
        assert saw.data == []

    run(main())


def test_close_unbinds_and_says_so_once() -> None:
    async def main() -> None:
        transport, saw = await endpoint(("127.0.0.1", 5060))
        assert transport.get_protocol() is saw
        assert not transport.is_closing()
        transport.close()
        transport.abort()
        assert transport.is_closing()
        assert saw.calls == ["made"]
        await asyncio.sleep(0)
        assert saw.calls == ["made", "lost None"]
        transport.sendto(b"into the void", ("127.0.0.1", 5060))
        again, _ = await endpoint(("127.0.0.1", 5060))
        again.close()

    run(main())


def test_an_address_in_use_is_refused() -> None:
    async def main() -> None:
        await endpoint(("127.0.0.1", 5060))
        with pytest.raises(OSError, match="in use"):
            await endpoint(("127.0.0.1", 5060))

    run(main())


def test_wrong_calls_are_refused_as_asyncio_does() -> None:
    async def main() -> None:
        connected, _ = await endpoint(remote=("127.0.0.1", 5060))
        unconnected, _ = await endpoint(("127.0.0.1", 0))
        with pytest.raises(ValueError, match="Invalid address"):
            connected.sendto(b"x", ("127.0.0.1", 5061))
        with pytest.raises(ValueError, match="Invalid address"):
            unconnected.sendto(b"x")
        with pytest.raises(OSError, match="family"):
            await endpoint(("127.0.0.1", 0), ("::1", 5060))

    run(main())


def test_what_the_system_refuses_is_told_within_the_call() -> None:
    async def main() -> None:
        transport, saw = await endpoint(("127.0.0.1", 0))
        transport.sendto(b"x", ("sip.example.org", 5060))
        transport.sendto(b"x", ("::1", 5060))
        transport.sendto(bytes(70_000), ("127.0.0.1", 5060))
        assert [(type(error), error.args[0]) for error in saw.errors] == [
            (socket.gaierror, socket.EAI_NONAME),
            (OSError, errno.EAFNOSUPPORT),
            (OSError, errno.EMSGSIZE),
        ]

    run(main())


def test_sockets_and_paths_are_not_supported() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(NotImplementedError):
            await loop.create_datagram_endpoint(Recorder, sock=sock)
        with pytest.raises(NotImplementedError):
            await loop.create_datagram_endpoint(Recorder, local_addr="/tmp/x")

    run(main())


def test_family_and_names_choose_the_address() -> None:
    async def main() -> None:
        six, _ = await endpoint(family=socket.AF_INET6)
        four, _ = await endpoint()
        named, _ = await endpoint(("localhost", 0))
        assert six.get_extra_info("sockname")[0] == "::"
        assert four.get_extra_info("sockname")[0] == "0.0.0.0"
        assert named.get_extra_info("sockname")[0] == "127.0.0.1"

    run(main())


def test_names_are_looked_up_when_an_endpoint_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(loop: object, host: str, port: int, **options: object) -> list[tuple[Any, ...]]:
        assert (host, options["type"]) == ("sip.example.org", socket.SOCK_DGRAM)
        return [(socket.AF_INET, socket.SOCK_DGRAM, 0, "", ("192.0.2.1", port))]

    monkeypatch.setattr(VirtualClockLoop, "getaddrinfo", getaddrinfo)

    async def main() -> None:
        transport, _ = await endpoint(remote=("sip.example.org", 5060))
        assert transport.get_extra_info("peername") == ("192.0.2.1", 5060)

    run(main())


def test_delay_loss_and_reordering_follow_the_faults() -> None:
    network = VirtualNetwork(loss=0.3, delay=(0.02, 0.05), reorder=0.1, duplicate=0.1, seed=11)

    async def main() -> list[tuple[bytes, tuple[Any, ...], float]]:
        _, saw = await endpoint(("127.0.0.1", 5060))
        client, _ = await endpoint(remote=("127.0.0.1", 5060))
        for number in range(1000):
            client.sendto(b"%d" % number)
        await asyncio.sleep(1.0)
        return saw.received

    received = run(main(), network=network)
    assert network.sent == 1000
    assert 250 < network.lost < 350
    assert 1000 - network.lost < len(received) < 1000
    assert all(0.02 <= at <= 0.05 + HOLD_BACK for _, _, at in received)
    assert [data for data, _, _ in received] != sorted((data for data, _, _ in received), key=int)


def test_the_same_seed_gives_the_same_run() -> None:
    async def main() -> list[bytes]:
        _, saw = await endpoint(("127.0.0.1", 5060))
        client, _ = await endpoint(remote=("127.0.0.1", 5060))
        for number in range(100):
            client.sendto(b"%d" % number)
        await asyncio.sleep(1.0)
        return saw.data

    first, second, other = (run(main(), network=VirtualNetwork(loss=0.5, delay=(0, 1), seed=s)) for s in (1, 1, 2))
    assert first == second
    assert first != other


def test_one_direction_may_be_shaped_and_healed() -> None:
    network = VirtualNetwork()

    async def main() -> None:
        server, server_saw = await endpoint(("127.0.0.1", 5060))
        client, client_saw = await endpoint(("127.0.0.1", 0))
        address = client.get_extra_info("sockname")

        async def both_ways() -> tuple[int, int]:
            server_saw.received.clear()
            client_saw.received.clear()
            client.sendto(b"there", ("127.0.0.1", 5060))
            server.sendto(b"back", address)
            await asyncio.sleep(1.0)
            return len(server_saw.received), len(client_saw.received)

        assert await both_ways() == (1, 1)
        network.shape(Faults(loss=1.0), destination=("127.0.0.1", 5060))
        assert await both_ways() == (0, 1)
        network.shape(None, destination=("127.0.0.1", 5060))
        assert await both_ways() == (1, 1)
        network.shape(Faults(silence=True), source=("127.0.0.1", 5060))
        assert await both_ways() == (1, 0)
        network.heal()
        network.partition(("127.0.0.1", 5060))
        assert await both_ways() == (0, 0)
        network.heal()
        network.partition(("127.0.0.1", 5060), ("127.0.0.1", 1))
        assert await both_ways() == (1, 1)
        network.faults = Faults(silence=True)
        assert await both_ways() == (0, 0)

    run(main(), network=network)


def test_the_newest_rule_counts() -> None:
    network = VirtualNetwork()

    async def main() -> list[bytes]:
        _, saw = await endpoint(("127.0.0.1", 5060))
        client, _ = await endpoint(remote=("127.0.0.1", 5060))
        network.shape(Faults(silence=True))
        network.shape(Faults(), destination="127.0.0.1")
        client.sendto(b"x")
        await asyncio.sleep(1.0)
        return saw.data

    assert run(main(), network=network) == [b"x"]


def test_an_exception_in_a_protocol_goes_to_the_loops_handler() -> None:
    class Broken(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
            raise ZeroDivisionError

    async def main() -> list[type[BaseException]]:
        loop = asyncio.get_running_loop()
        seen: list[type[BaseException]] = []
        loop.set_exception_handler(lambda _, context: seen.append(type(context["exception"])))
        await loop.create_datagram_endpoint(Broken, local_addr=("127.0.0.1", 5060))
        client, _ = await endpoint(remote=("127.0.0.1", 5060))
        client.sendto(b"x")
        client.sendto(b"x")
        await asyncio.sleep(1.0)
        return seen

    assert run(main()) == [ZeroDivisionError, ZeroDivisionError]


def test_ports_may_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiosipreg.testing.network._FIRST_EPHEMERAL_PORT", 65535)

    async def main() -> None:
        await endpoint(("127.0.0.1", 0))
        with pytest.raises(OSError, match="in use"):
            await endpoint(("127.0.0.1", 0))
        await endpoint(("192.0.2.1", 0))

    run(main(), network=VirtualNetwork())


def test_ephemeral_ports_wrap_around_and_skip_those_in_use() -> None:
    network = VirtualNetwork()

    async def main() -> list[int]:
        ports = []
        for _ in range(3):
            transport, _ = await endpoint(("127.0.0.1", 0))
            ports.append(transport.get_extra_info("sockname")[1])
            network._next_port = 65535 if len(ports) == 1 else network._next_port
        return ports

    loop = VirtualClockLoop(network)
    try:
        assert loop.run_until_complete(main()) == [49152, 65535, 49153]
    finally:
        loop.close()
