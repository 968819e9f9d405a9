"""Changes of the machine's network are noticed: REG-35."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg.net import monitor
from aiosipreg.net.monitor import NetworkMonitor, way_to
from tests.namespaces import cable, needs_namespaces, run_in

if TYPE_CHECKING:
    from collections.abc import Callable


class Noted:
    """Counts what the monitor tells."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.told = asyncio.Event()

    def __call__(self) -> None:
        self.times.append(asyncio.get_running_loop().time())
        self.told.set()

    async def again(self, timeout: float = 5.0) -> None:
        async with asyncio.timeout(timeout):
            await self.told.wait()
        self.told.clear()


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1")])
def test_REG_11_the_address_toward_a_host(host: str, address: str) -> None:
    assert way_to(host) == address


def test_REG_35_addresses_and_links_that_go_and_come_are_told_once() -> None:
    needs_namespaces()
    with cable() as wire:

        async def watch() -> list[str | None]:
            noted = Noted()
            watching = NetworkMonitor(noted)
            seen: list[str | None] = []
            changes: list[Callable[[], None]] = [
                lambda: wire.give(wire.here, "10.9.0.1/24", "10.9.1.1/24"),
                lambda: wire.take(wire.here, "10.9.0.1/24", "10.9.1.1/24"),
                lambda: wire.give(wire.here, "10.9.0.2/24"),
            ]
            for number, change in enumerate(changes, 1):
                await asyncio.to_thread(change)
                await noted.again()
                assert len(noted.times) == number
                seen.append(way_to("10.9.0.9"))
            watching.close()
            watching.close()
            return seen

        assert run_in(wire.here, watch) == ["10.9.0.1", None, "10.9.0.2"]


async def minutes_pass() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await asyncio.Event().wait()


class Refusing(socket.socket):
    """A socket of a sandbox, or one whose buffer ran over."""

    def __init__(self, *args: Any) -> None:
        if args[0] == getattr(socket, "AF_NETLINK", None):
            raise PermissionError(errno.EPERM, "no netlink here")
        super().__init__(*args)


@pytest.mark.virtual_clock
async def test_REG_35_without_netlink_the_addresses_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    addresses = {"192.0.2.1": "10.0.0.1", "2001:db8::1": None}
    monkeypatch.setattr(monitor, "way_to", addresses.__getitem__)
    monkeypatch.setattr(socket, "socket", Refusing)
    noted = Noted()
    watching = NetworkMonitor(noted)
    assert "no netlink" in caplog.text
    await minutes_pass()
    assert noted.times == []
    addresses["192.0.2.1"] = "10.0.0.2"
    await minutes_pass()
    assert len(noted.times) == 1
    watching.close()
    addresses["192.0.2.1"] = "10.0.0.3"
    await minutes_pass()
    assert len(noted.times) == 1


async def test_another_system_has_no_netlink(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        watching = NetworkMonitor(lambda: None)
    assert watching._socket is None
    watching.close()


async def test_a_buffer_that_ran_over_is_a_change_too(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = Noted()
    watching = NetworkMonitor(noted)

    class Full:
        def recv(self, size: int) -> bytes:
            raise OSError(errno.ENOBUFS, "no buffer space")

    real, watching._socket = watching._socket, Full()  # type: ignore[assignment]
    watching._read()
    watching._read()
    watching._socket = real
    await noted.again()
    watching._read()  # for nothing
    watching.close()
    assert len(noted.times) == 1


@pytest.mark.virtual_clock
async def test_a_network_in_memory_is_not_watched() -> None:
    watching = NetworkMonitor(lambda: None)
    assert (watching._socket, watching._pending) == (None, None)
    watching.close()
