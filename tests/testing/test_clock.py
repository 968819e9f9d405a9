"""aiosipreg/testing/clock.py."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from aiosipreg.testing.clock import DeadlockError, VirtualClockLoop, run


def test_a_day_passes_in_no_time_and_exactly() -> None:
    async def day() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    started = time.monotonic()
    assert run(day()) == 86_400.0
    assert time.monotonic() - started < 5.0


def test_timers_fire_in_order_at_their_times() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[str, float]] = []

        async def at(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append((name, loop.time()))

        await asyncio.gather(at("last", 40.5), at("first", 0.5), at("middle", 32.0))
        return seen

    assert run(main()) == [("first", 0.5), ("middle", 32.0), ("last", 40.5)]


def test_timeouts_follow_the_clock() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.get_running_loop().create_future()
        return asyncio.get_running_loop().time()

    assert run(main()) == 10.0


def test_waiting_for_ever_is_an_error_that_names_the_place() -> None:
    async def stuck_here() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlockError, match=r"stuck_here.* waits at .*test_clock\.py:\d+"):
        run(stuck_here())


def test_run_forever_with_nothing_to_do_is_an_error_too() -> None:
    loop = VirtualClockLoop()
    try:
        with pytest.raises(DeadlockError):
            loop.run_forever()
    finally:
        loop.close()


def test_a_cancelled_timer_does_not_move_the_clock() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(100.0, lambda: None).cancel()
        await asyncio.sleep(1.0)
        return loop.time()

    assert run(main()) == 1.0


def test_the_clock_stands_still_while_a_thread_works() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        release = threading.Event()
        work = asyncio.create_task(asyncio.to_thread(release.wait, 10.0))
        timer = asyncio.create_task(asyncio.sleep(3600))
        threading.Timer(0.05, release.set).start()
        assert await work
        at = loop.time()
        await timer
        return at

    assert run(main()) == 0.0


def test_threads_may_wake_the_loop() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        await asyncio.to_thread(loop.call_soon_threadsafe, future.set_result, "from a thread")
        return await future

    assert run(main()) == "from a thread"


def test_getaddrinfo_still_works() -> None:
    async def main() -> int:
        found = await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 5060, type=socket.SOCK_DGRAM)
        return len(found)

    assert run(main()) >= 1


def test_real_sockets_still_work() -> None:
    async def main() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            line = await reader.readline()
            writer.close()
            await writer.wait_closed()
        return line

    assert run(main()) == b"HELLO\n"


def test_readers_and_writers_of_one_socket() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        seen: list[str] = []
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            done = asyncio.Event()
            loop.add_reader(ours, done.set)
            writable = asyncio.Event()
            loop.add_writer(ours, writable.set)
            await writable.wait()
            loop.remove_writer(ours)
            seen.append("writable")
            theirs.send(b"x")
            await done.wait()
            seen.append("readable")
            loop.remove_reader(ours)
        return seen

    assert run(main()) == ["writable", "readable"]


def test_connections_over_real_sockets_work_beside_virtual_ones() -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        listening = socket.create_server(("127.0.0.1", 0))
        answered = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(5))
            writer.close()
            answered.set()

        server = await asyncio.start_server(answer, sock=listening)
        reader, writer = await asyncio.open_connection(sock=socket.create_connection(listening.getsockname()))
        writer.write(b"hello")
        await answered.wait()
        data = await reader.read()
        writer.close()
        server.close()
        await server.wait_closed()
        assert loop.time() == 0.0
        return data

    assert run(main()) == b"hello"


def test_it_is_a_loop_factory() -> None:
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(asyncio.sleep(7.0))
        assert runner.get_loop().time() == 7.0


def test_reactors_that_only_yield_do_not_move_the_clock() -> None:
    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run(main()) == 0.0


def test_ten_thousand_timers_are_quick() -> None:
    async def main() -> float:
        await asyncio.gather(*(asyncio.sleep(n * 8.64) for n in range(10_000)))
        return asyncio.get_running_loop().time()

    started = time.monotonic()
    assert run(main()) == pytest.approx(86_391.36)
    assert time.monotonic() - started < 10.0


async def _watch() -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as netlink:
        asyncio.get_running_loop().add_reader(netlink, print)


def test_the_network_of_the_machine_is_not_watched() -> None:
    with pytest.raises(NotImplementedError, match="no netlink"):
        run(_watch())
