"""Networks of our own: Linux namespaces joined by a cable, for tests that take addresses and links away.

A thread enters a namespace and stays there; sockets that it makes and programs that it starts belong to that network.
Needs root and Debian's iproute2.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.peers import give_up, require

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

_CLONE_NEWNET = 0x40000000
_NOBODY = "02:00:00:00:00:01"


def needs_namespaces() -> None:
    """Skip the test where there are none, with a line that says so; fail it where there have to be some."""
    require("ip", "iproute2")
    if os.geteuid() != 0:
        give_up("network namespaces need root")


def ip(*words: str) -> None:
    """Run iproute2 in the network of the calling thread."""
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)


class Cable:
    """Two hosts, ``here`` and ``there``, with one interface each, called ``eth0``.

    Attributes:
        here: Name of the first namespace.
        there: Name of the second.
    """

    def __init__(self) -> None:
        number = f"{os.getpid() % 100_000}-{threading.get_ident() % 1000}"
        self.here, self.there = f"sip-here-{number}", f"sip-there-{number}"

    def plug(self) -> None:
        for name in (self.here, self.there):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", self.here, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.there)
        for name in (self.here, self.there):
            ip("-n", name, "link", "set", "eth0", "up")

    def unplug(self) -> None:
        for name in (self.here, self.there):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=10)

    def give(self, name: str, *addresses: str) -> None:
        """Give an interface addresses, such as ``10.9.0.1/24``."""
        for address in addresses:
            ip("-n", name, "address", "add", address, "dev", "eth0", "nodad")

    def take(self, name: str, *addresses: str) -> None:
        """Take addresses away."""
        for address in addresses:
            ip("-n", name, "address", "del", address, "dev", "eth0")

    def lose(self, address: str) -> None:
        """Have all that is sent from here to an address get lost, and nobody say so."""
        self._neighbour("replace", address, "lladdr", _NOBODY, "nud", "permanent")

    def find(self, address: str) -> None:
        """End that."""
        self._neighbour("delete", address)

    def _neighbour(self, command: str, address: str, *words: str) -> None:
        ip("-n", self.here, "neighbour", command, address, "dev", "eth0", *words)


@contextmanager
def cable() -> Iterator[Cable]:
    """A cable that is taken away at the end."""
    made = Cable()
    try:
        made.plug()
        yield made
    finally:
        made.unplug()


def run_in(name: str, main: Callable[[], Awaitable[Any]], timeout: float = 30.0) -> Any:
    """Run a coroutine in a namespace, in a thread and an event loop of its own."""
    result: list[Any] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            enter(name)
            result.append(asyncio.run(_limited(main, timeout)))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, name=f"in {name}")
    thread.start()
    thread.join(timeout + 10)
    assert not thread.is_alive(), f"{name} does not end"
    if failure:
        raise failure[0]
    return result[0]


async def _limited(main: Callable[[], Awaitable[Any]], timeout: float) -> Any:
    async with asyncio.timeout(timeout):
        return await main()


def enter(name: str) -> None:
    """Take the calling thread into a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{name}", "rb") as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
