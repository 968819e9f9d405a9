"""A registrar on a UDP port, for tests and demonstrations; on a ``VirtualClockLoop`` the port is virtual too."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, cast

from aiosipreg.testing.link import Faults, arrivals
from aiosipreg.testing.scripted import USERS, Hook, ScriptedRegistrar
from aiosipreg.wire import Response, parse_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Unpack

    from aiosipreg.testing.bindings import StoredBinding
    from aiosipreg.testing.network import Address
    from aiosipreg.testing.packet import Packet
    from aiosipreg.testing.replies import ExpiresIn

__all__ = ["Registrar", "RegistrarOptions"]

# RFC 3261 17.1.2.2 for an OPTIONS over UDP: T1, T2 and 64 times T1.
_T1 = 0.5
_T2 = 4.0
_TIMER_F = 32.0


class RegistrarOptions(TypedDict, total=False):
    """The keyword arguments that ``Registrar`` hands on to ``ScriptedRegistrar``; they are described there."""

    realm: str
    algorithms: Sequence[str]
    qop: Sequence[str]
    nonce_lifetime: float | None
    one_time_nonce: bool
    next_nonce: bool
    challenge: Literal[401, 407]
    wrong_password: Literal[401, 403]
    min_expires: int | None
    max_expires: int | None
    default_expires: int
    expires_in: ExpiresIn
    hook: Hook | None
    outbound: bool
    flow_timer: int | None
    gruu: bool
    keep: int | None
    headers: Iterable[tuple[str, str]]
    pongs: bool
    history: int
    seed: int


@dataclass(eq=False, slots=True)
class _Waiter:
    future: asyncio.Future[Packet]
    wanted: Callable[[Packet], bool] | None
    missing: int


class Registrar(ScriptedRegistrar):
    """A ``ScriptedRegistrar`` behind a UDP socket.

    ::

        async with Registrar(users={"toto": "secret"}) as registrar:
            proxy = core.add_proxy_config(ProxyParams("sip:toto@sip.titi.com", server=registrar.uri))
            await proxy.registered(timeout=5)
            assert registrar.bindings["sip:toto@sip.titi.com"]

    It may be entered again after it was left, on the same port and with its bindings: a server that was down.

    Attributes:
        faults: What happens to datagrams in both directions; may be replaced at any time.
        faults_out: What happens to those it sends, where that differs from ``faults``; ``None`` where it does not.
    """

    def __init__(
        self,
        users: Mapping[str, str] | None = USERS,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
        faults_out: Faults | None = None,
        **options: Unpack[RegistrarOptions],
    ) -> None:
        """Make a registrar that does not listen yet.

        Args:
            users: Passwords by digest user name; ``None`` lets everybody in without a challenge.
            host: IP address to listen on.
            port: Port to listen on; 0 takes a free one.
            faults: See the attribute.
            faults_out: See the attribute.
            options: See ``ScriptedRegistrar``.

        Raises:
            ConfigError: An algorithm or qop that does not exist.
        """
        super().__init__(users, **options)
        self.address = (host, port)
        self.faults = faults or Faults()
        self.faults_out = faults_out
        self._fate = random.Random(options.get("seed", 0))
        self._endpoint: _Endpoint | None = None
        self._under_way: set[asyncio.TimerHandle] = set()
        self._waiters: list[_Waiter] = []
        self._asked: dict[str, asyncio.Future[Response]] = {}

    @property
    def host(self) -> str:
        """The IP address it listens on, without brackets."""
        return self.address[0]

    @property
    def port(self) -> int:
        """The port it listens on; 0 before it was entered, if none was asked for."""
        return self.address[1]

    @property
    def uri(self) -> str:
        """What to register at: ``sip:127.0.0.1:5060``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"sip:{host}:{self.port}"

    @property
    def bindings(self) -> dict[str, tuple[StoredBinding, ...]]:
        """The bindings by address-of-record (``sip:toto@sip.titi.com``) that have not lapsed."""
        return super().bindings if self._endpoint is None else self.bindings_at(self._endpoint.loop.time())

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            RuntimeError: It listens already.
            OSError: The port is in use.
        """
        if self._endpoint is not None:
            raise RuntimeError("this registrar listens already")
        loop = asyncio.get_running_loop()
        transport, self._endpoint = await loop.create_datagram_endpoint(
            lambda: _Endpoint(loop, self._datagram), local_addr=self.address
        )
        self.address = (self.host, transport.get_extra_info("sockname")[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; datagrams under way are lost and whoever waits is cancelled."""
        for handle in self._under_way:
            handle.cancel()
        self._under_way.clear()
        for waiter in self._waiters:
            waiter.future.cancel()
        for future in self._asked.values():
            future.cancel()
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            await endpoint.close()

    async def wait_for_request(self, wanted: int | Callable[[Packet], bool] = 1, timeout: float | None = 5.0) -> Packet:
        """Wait for a REGISTER, among those that came already and those to come.

        Args:
            wanted: How many there must have been, retransmissions included; or what the REGISTER must be like.
            timeout: Seconds to wait; ``None`` for ever.

        Returns:
            The last of that many, or the first one that is like that.

        Raises:
            TimeoutError: It did not come in time; the text says how many did.
        """
        seen = self.requests
        if isinstance(wanted, int):
            if len(seen) >= wanted:
                return seen[wanted - 1]
            waiter = _Waiter(self._running().loop.create_future(), None, wanted - len(seen))
        else:
            for packet in seen:
                if wanted(packet):
                    return packet
            waiter = _Waiter(self._running().loop.create_future(), wanted, 0)
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout):
                return await waiter.future
        except TimeoutError:
            text = f"the awaited REGISTER did not come within {timeout} s; {len(self.requests)} came in all"
            raise TimeoutError(text) from None
        finally:
            self._waiters.remove(waiter)

    async def options(self, aor: str, timeout: float = _TIMER_F) -> Response:
        """Ask the newest contact of an address-of-record, as registrars do to see whether it is alive.

        The request is repeated like any other over UDP until it is answered.

        Args:
            aor: The address-of-record, ``sip:toto@sip.titi.com``.
            timeout: Seconds to wait for a final answer.

        Raises:
            LookupError: Nothing is registered there.
            TimeoutError: No final answer in time.
        """
        endpoint = self._running()
        bindings = self.bindings.get(aor)
        if not bindings:
            raise LookupError(f"nothing is registered for {aor}")
        data, address = self.options_request(bindings[-1])
        call_id = str(parse_message(data).call_id)
        future: asyncio.Future[Response] = endpoint.loop.create_future()
        self._asked[call_id] = future
        pause = _T1
        try:
            async with asyncio.timeout(timeout):
                while not future.done():
                    self._send(data, address)
                    await asyncio.wait([future], timeout=pause)
                    pause = min(2 * pause, _T2)
                return future.result()
        finally:
            del self._asked[call_id]

    def _running(self) -> _Endpoint:
        if self._endpoint is None:
            raise RuntimeError("this registrar does not listen: use it as an async context manager")
        return self._endpoint

    def _datagram(self, data: bytes, source: Address) -> None:
        self._convey(self.faults, self._came, data, source)

    def _send(self, data: bytes, address: Address) -> None:
        self._convey(self.faults_out or self.faults, self._put, data, address)

    def _convey(self, faults: Faults, end: Callable[[bytes, Address], None], data: bytes, peer: Address) -> None:
        loop = self._running().loop
        now = loop.time()
        for at in arrivals(faults, self._fate, now):
            if at <= now:
                end(data, peer)
            else:
                self._later(loop, at, end, data, peer)

    def _later(
        self,
        loop: asyncio.AbstractEventLoop,
        at: float,
        end: Callable[[bytes, Address], None],
        data: bytes,
        peer: Address,
    ) -> None:
        def arrive() -> None:
            self._under_way.discard(handle)
            end(data, peer)

        handle = loop.call_at(at, arrive)
        self._under_way.add(handle)

    def _put(self, data: bytes, address: Address) -> None:
        self._running().transport.sendto(data, address)

    def _came(self, data: bytes, source: Address) -> None:
        for answer, address in self.receive(data, source, self._running().loop.time()):
            self._send(answer, address)

    def _register_came(self, packet: Packet) -> None:
        for waiter in self._waiters:
            waiter.missing -= 1
            wanted = waiter.missing <= 0 if waiter.wanted is None else waiter.wanted(packet)
            if wanted and not waiter.future.done():
                waiter.future.set_result(packet)

    def _answer_came(self, response: Response) -> None:
        future = self._asked.get(response.call_id or "")
        if future is not None and not future.done() and response.status >= 200:
            future.set_result(response)


class _Endpoint(asyncio.DatagramProtocol):
    """The socket side."""

    transport: asyncio.DatagramTransport

    def __init__(self, loop: asyncio.AbstractEventLoop, received: Callable[[bytes, Address], None]) -> None:
        self.loop = loop
        self._received = received
        self._closed = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._received(data, (addr[0], addr[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set_result(None)

    async def close(self) -> None:
        self.transport.close()
        await self._closed
