"""A registrar on UDP, TCP, TLS and WebSocket, for tests and demonstrations."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Self, TypedDict

from aiosipreg.testing.breakage import StreamFaults
from aiosipreg.testing.link import Faults
from aiosipreg.testing.listeners import Listeners
from aiosipreg.testing.scripted import USERS, Hook, ScriptedRegistrar
from aiosipreg.wire import Response, parse_message

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Unpack

    from aiosipreg.testing.bindings import StoredBinding
    from aiosipreg.testing.connection import Connection
    from aiosipreg.testing.flow import Flow, Transport
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
    """A ``ScriptedRegistrar`` behind sockets.

    ::

        async with Registrar(users={"toto": "secret"}) as registrar:
            proxy = core.add_proxy_config(ProxyParams("sip:toto@sip.titi.com", server=registrar.uri))
            await proxy.registered(timeout=5)
            assert registrar.bindings["sip:toto@sip.titi.com"]

    It may be entered again after it was left, on the same ports and with its bindings: a server that was down.

    Attributes:
        faults: What happens to datagrams in both directions; may be replaced at any time.
        faults_out: What happens to those it sends, where that differs from ``faults``; ``None`` where it does not.
        stream_faults: What happens to connections, those that are there and those to come; may be replaced at any time.
    """

    def __init__(
        self,
        users: Mapping[str, str] | None = USERS,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        transports: Iterable[Transport] = ("udp",),
        tls: ssl.SSLContext | None = None,
        faults: Faults | None = None,
        faults_out: Faults | None = None,
        stream_faults: StreamFaults | None = None,
        **options: Unpack[RegistrarOptions],
    ) -> None:
        """Make a registrar that does not listen yet.

        Args:
            users: Passwords by digest user name; ``None`` lets everybody in without a challenge.
            host: IP address to listen on.
            port: Port of the first transport; 0 takes a free one. UDP and TCP share one number, the others take free
                ones.
            transports: What to listen on: ``udp``, ``tcp``, ``tls``, ``ws``, ``wss``. The last two need the extra
                ``ws``.
            tls: With a certificate, for ``tls`` and ``wss``; made with ``ssl.PROTOCOL_TLS_SERVER``.
            faults: See the attribute.
            faults_out: See the attribute.
            stream_faults: See the attribute.
            options: See ``ScriptedRegistrar``.

        Raises:
            ConfigError: An algorithm, qop or transport that does not exist, or TLS without a context.
            ModuleNotFoundError: WebSocket without its library.
        """
        super().__init__(users, **options)
        self.address = (host, port)
        self.faults = faults or Faults()
        self.faults_out = faults_out
        self.stream_faults = stream_faults or StreamFaults()
        self._listeners = Listeners(self, transports, port, tls)
        self._fate = random.Random(options.get("seed", 0))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: list[_Waiter] = []
        self._asked: dict[str, asyncio.Future[Response]] = {}

    @property
    def host(self) -> str:
        """The IP address it listens on, without brackets."""
        return self.address[0]

    @property
    def port(self) -> int:
        """The port of its first transport; 0 before it was entered, if none was asked for."""
        return self.address[1]

    @property
    def ports(self) -> Mapping[Transport, int]:
        """The port of each transport; empty before it was entered."""
        return MappingProxyType(self._listeners.ports)

    @property
    def uri(self) -> str:
        """What to register at, over the first transport: ``sip:127.0.0.1:5060``."""
        return self.uri_of(self._listeners.transports[0])

    def uri_of(self, transport: Transport) -> str:
        """What to register at over a transport: ``sip:127.0.0.1:5061;transport=tls``.

        Args:
            transport: One of those that it listens on.

        Raises:
            LookupError: It does not listen on that one.
        """
        if transport not in self._listeners.transports:
            raise LookupError(f"this registrar does not listen on {transport}; name it in its transports")
        host, port = self._address_on(transport)
        host = f"[{host}]" if ":" in host else host
        return f"sip:{host}:{port}" + ("" if transport == "udp" else f";transport={transport}")

    @property
    def bindings(self) -> dict[str, tuple[StoredBinding, ...]]:
        """The bindings by address-of-record (``sip:toto@sip.titi.com``) that have not lapsed."""
        return super().bindings if self._loop is None else self.bindings_at(self._loop.time())

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connections that are open, oldest first; each may be reset, closed or stalled alone."""
        return self._listeners.connections

    def break_next(self, faults: StreamFaults, times: int = 1) -> None:
        """Queue faults for the next connections; they have those instead of ``stream_faults``.

        Args:
            faults: What happens to them.
            times: For how many connections.
        """
        self._listeners.break_next(faults, times)

    def kill_connections(self) -> None:
        """Reset all connections that are open."""
        for connection in self.connections:
            connection.reset()

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            RuntimeError: It listens already.
            OSError: A port is in use.
        """
        if self._loop is not None:
            raise RuntimeError("this registrar listens already")
        await self._listeners.open(self.host, self._fate)
        self._loop = asyncio.get_running_loop()
        self.address = self._address_on(self._listeners.transports[0])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and close all connections; datagrams under way are lost and whoever waits is cancelled."""
        for waiter in self._waiters:
            waiter.future.cancel()
        for future in self._asked.values():
            future.cancel()
        self._loop = None
        await self._listeners.close()

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
            waiter = _Waiter(self._running().create_future(), None, wanted - len(seen))
        else:
            for packet in seen:
                if wanted(packet):
                    return packet
            waiter = _Waiter(self._running().create_future(), wanted, 0)
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

        Over UDP the request is repeated like any other until it is answered; over a connection it is sent once.

        Args:
            aor: The address-of-record, ``sip:toto@sip.titi.com``.
            timeout: Seconds to wait for a final answer.

        Raises:
            LookupError: Nothing is registered there, or the connection of the newest binding is gone.
            TimeoutError: No final answer in time.
        """
        loop = self._running()
        bindings = self.bindings.get(aor)
        if not bindings:
            raise LookupError(f"nothing is registered for {aor}")
        data, _ = self.options_request(bindings[-1])
        call_id = str(parse_message(data).call_id)
        future: asyncio.Future[Response] = loop.create_future()
        self._asked[call_id] = future
        try:
            async with asyncio.timeout(timeout):
                await self._ask(data, bindings[-1].flow, future)
                return future.result()
        finally:
            del self._asked[call_id]

    async def _ask(self, data: bytes, flow: Flow, answered: asyncio.Future[Response]) -> None:
        if flow.transport != "udp":
            self._listeners.connection(flow).send(data)
            await asyncio.wait([answered])
        pause = _T1
        while not answered.done():
            self._listeners.send_datagram(data, flow.peer)
            await asyncio.wait([answered], timeout=pause)
            pause = min(2 * pause, _T2)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("this registrar does not listen: use it as an async context manager")
        return self._loop

    def _address_on(self, transport: Transport) -> Address:
        return (self.host, self._listeners.ports.get(transport, 0))

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
