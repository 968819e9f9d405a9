"""An event loop on which a day passes in the time that its work takes.

``VirtualClockLoop.time()`` moves only when nothing is ready: it jumps to the next timer. ``asyncio.sleep``,
``asyncio.timeout``, ``loop.call_later`` and everything else that asks the loop for the time follow it.

UDP and TCP are virtual too: whoever is on the loop meets whoever else is on it, and nobody outside.

Not virtual are: ``time.time()``, ``time.monotonic()`` and ``datetime.now()``; real sockets (they work when the loop is
given them as such, but no timer waits for them); threads that the loop does not know, such as the one inside a DNS
library (they may call ``call_soon_threadsafe``, but the clock may jump meanwhile). Work given to ``run_in_executor``,
``asyncio.to_thread`` and ``loop.getaddrinfo`` is waited for: the clock stands still until it is done.
"""

from __future__ import annotations

import asyncio
import errno
import os
import selectors
import socket
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, cast

from aiosipreg.testing.network import Address, VirtualNetwork, literal, source_host
from aiosipreg.testing.stream_network import StreamNetwork, VirtualServer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from concurrent.futures import Executor

__all__ = ["DeadlockError", "VirtualClockLoop", "run"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_ProtocolT = TypeVar("_ProtocolT", bound=asyncio.BaseProtocol)


class DeadlockError(RuntimeError):
    """Nothing is ready, no timer is set, and no thread is at work: the program would wait for ever.

    The text names every task and the place where it waits.
    """


class _JumpingSelector(selectors.BaseSelector):
    """Where a loop waits: instead of waiting for a timer, it moves the clock."""

    def __init__(self, loop: VirtualClockLoop) -> None:
        self.now = 0.0
        self.threads = 0
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # One registered file is the loop's own wake-up pipe, which matters only to a loop that sleeps.
        only_pipe = len(self._real.get_map()) <= 1
        if timeout is not None and timeout <= 0 and only_pipe:
            return []
        events = self._real.select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self.threads or (timeout is None and not only_pipe):
            return self._real.select()
        if timeout is None:
            raise DeadlockError(_describe_deadlock(self._loop))
        self.now += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock that jumps and a network in memory.

    The class itself is a loop factory: ``asyncio.Runner(loop_factory=VirtualClockLoop)``. The clock starts at 0.0.

    ``run_until_complete`` and ``run_forever`` raise ``DeadlockError`` where a real loop would hang.

    Attributes:
        network: What carries the datagrams of ``create_datagram_endpoint`` and the connections of
            ``create_connection`` and ``create_server``.
    """

    def __init__(self, network: VirtualNetwork | None = None) -> None:
        """Make a loop.

        Args:
            network: The network; ``None`` makes one that loses nothing and takes no time.
        """
        self._virtual = _JumpingSelector(self)
        self.network = VirtualNetwork() if network is None else network
        super().__init__(self._virtual)
        self._streams = StreamNetwork(self, self.network)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual.now

    def add_reader(self, fd: Any, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None:
        """As in asyncio.

        Raises:
            NotImplementedError: It is a netlink socket: what becomes of the machine's network does not concern ours.
        """
        if isinstance(fd, socket.socket) and fd.family == getattr(socket, "AF_NETLINK", None):
            raise NotImplementedError("the network in memory has no netlink")
        super().add_reader(fd, callback, *args)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """As in asyncio; the clock stands still until the work is done."""
        future: asyncio.Future[_T] = super().run_in_executor(executor, func, *args)
        self._virtual.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: asyncio.Future[Any]) -> None:
        self._virtual.threads -= 1

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """As in asyncio; the clock stands still until the threads have ended."""
        self._virtual.threads += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._virtual.threads -= 1

    async def create_datagram_endpoint(  # type: ignore[override]  # typeshed keeps the gone reuse_address
        self,
        protocol_factory: Callable[[], _ProtocolT],
        local_addr: tuple[str, int] | str | None = None,
        remote_addr: tuple[str, int] | str | None = None,
        *,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        reuse_port: bool | None = None,
        allow_broadcast: bool | None = None,
        sock: socket.socket | None = None,
    ) -> tuple[asyncio.DatagramTransport, _ProtocolT]:
        """Open a UDP endpoint on ``network``; the arguments mean what they mean in asyncio.

        Raises:
            NotImplementedError: ``sock`` or a Unix socket path was given.
            OSError: The local address is in use, or the families do not match.
        """
        if sock is not None or isinstance(local_addr, str) or isinstance(remote_addr, str):
            raise NotImplementedError("a virtual endpoint is made from host and port, not from a socket or a path")
        remote = None if remote_addr is None else await self._resolve(remote_addr, family)
        wildcard = "::" if ":" in (remote or ("",))[0] or family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104
        local = (wildcard, 0) if local_addr is None else await self._resolve(local_addr, family)
        if remote is not None and (":" in local[0]) != (":" in remote[0]):
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        protocol = protocol_factory()
        transport = self.network.open(self, cast("asyncio.DatagramProtocol", protocol), local, remote)
        # One turn, so that connection_made has been called when the caller goes on.
        await asyncio.sleep(0)
        return transport, protocol

    async def create_connection(
        self,
        protocol_factory: Callable[[], _ProtocolT],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        family: int = 0,
        sock: socket.socket | None = None,
        local_addr: tuple[str, int] | None = None,
        server_hostname: str | None = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, _ProtocolT]:
        """Connect on ``network``; the arguments mean what they mean in asyncio. A ``sock`` is real and stays so.

        Raises:
            OSError: Nobody listens there, no path leads there, or the TLS handshake failed.
        """
        protocol = protocol_factory()
        if sock is not None:
            named = {"sock": sock, "ssl": ssl, "server_hostname": server_hostname, **options}
            return await super().create_connection(lambda: protocol, **named)
        remote = await self._resolve((host or "localhost", port or 0), family)
        wildcard = "::" if ":" in remote[0] else "0.0.0.0"  # noqa: S104
        local = (wildcard, 0) if local_addr is None else await self._resolve(local_addr, family)
        local = (source_host(local[0], remote[0]), local[1])
        if ssl is None:
            return await self._streams.connect(protocol, local, remote), protocol
        plain = await self._streams.connect(asyncio.Protocol(), local, remote)
        limits = {name: value for name, value in options.items() if name.startswith("ssl_")}
        name = server_hostname or host
        secured = cast("asyncio.Transport", await self.start_tls(plain, protocol, ssl, server_hostname=name, **limits))
        protocol.connection_made(secured)
        return secured, protocol

    async def create_server(  # type: ignore[override]  # a virtual server is no asyncio.Server, and has its methods
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int = 0,
        *,
        ssl: Any = None,
        family: int = 0,
        sock: socket.socket | None = None,
        **options: Any,
    ) -> VirtualServer | asyncio.Server:
        """Listen on ``network``; the arguments mean what they mean in asyncio. A ``sock`` is real and stays so.

        Raises:
            NotImplementedError: ``ssl`` was given.
            OSError: The address is in use.
        """
        if sock is not None:
            return await super().create_server(protocol_factory, sock=sock, ssl=ssl, **options)
        if ssl is not None:
            raise NotImplementedError("a virtual server has no TLS of its own")
        return self._streams.listen(protocol_factory, await self._resolve((host or "0.0.0.0", port), family))  # noqa: S104

    async def _resolve(self, address: tuple[str, int], family: int) -> Address:
        host, port = address
        known = literal(host)
        if known is not None:
            return (known, port)
        found = await self.getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
        return (str(found[0][4][0]), port)


def run(coro: Coroutine[Any, Any, _T], *, network: VirtualNetwork | None = None) -> _T:
    """Run a coroutine on a virtual clock, as ``asyncio.run`` does on the real one.

    ::

        async def a_day() -> float:
            await asyncio.sleep(86_400)
            return asyncio.get_running_loop().time()

        assert run(a_day()) == 86_400.0

    Args:
        coro: What to run; when it ends, what it left running is cancelled.
        network: What carries its datagrams; ``None`` for a network without faults.

    Returns:
        What the coroutine returns.

    Raises:
        DeadlockError: It waits for something that cannot happen any more.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualClockLoop(network)) as runner:
        return runner.run(coro)


def _describe_deadlock(loop: asyncio.AbstractEventLoop) -> str:
    lines = ["nothing is ready, no timer is set and no thread is at work, so this would wait for ever:"]
    for task in sorted(asyncio.all_tasks(loop), key=asyncio.Task.get_name):
        frames = task.get_stack(limit=1)
        place = f"{frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else "its end"
        coro = task.get_coro()
        lines.append(f"  {task.get_name()} ({getattr(coro, '__qualname__', coro)}) waits at {place}")
    return "\n".join(lines)
