"""Two registrars behind one name, accounts at the first of them, and what becomes of these when something fails."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aiosipreg import (
    AuthInfo,
    Core,
    DnsParams,
    ProxyParams,
    RegistrationState,
    RetryPolicy,
    SipTimers,
    TlsParams,
    TransportParams,
    WebSocketParams,
)
from tests.certificates import authority
from tests.namespaces import Cable, cable, run_in
from tests.peers.kamailio import Kamailio, Options, identity, kamailio_running
from tests.peers.nsd import Nsd, nsd_running

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from aiosipreg import RegistrationEvent

    Fault = Callable[["Servers"], Awaitable[None]]

__all__ = [
    "FAULTS",
    "TRANSPORTS",
    "Outcome",
    "Scale",
    "Servers",
    "Stage",
    "account",
    "expired",
    "faults_of",
    "registered",
    "servers",
]

TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
NAME = "pair.sip.test"
ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.0.0.1")
"""Of the registrars and the name server."""
HERE, AFAR = "10.9.0.9", ("10.9.0.2", "10.9.0.3", "10.9.0.1")
"""The same in a network of their own, and our address there."""
BUSY = 30
"""Seconds that a busy server asks for."""

ZONE = """
$ORIGIN sip.test.
$TTL {ttl}
@ SOA ns hostmaster 1 3600 600 86400 1
@ NS ns
ns A 127.0.0.1
first A {first.host}
second A {second.host}
_sip._udp.pair SRV 10 0 {first.port} first
_sip._udp.pair SRV 20 0 {second.port} second
_sip._tcp.pair SRV 10 0 {first.port} first
_sip._tcp.pair SRV 20 0 {second.port} second
_sip._ws.pair SRV 10 0 {first.port} first
_sip._ws.pair SRV 20 0 {second.port} second
_sips._ws.pair SRV 10 0 {first.tls_port} first
_sips._ws.pair SRV 20 0 {second.tls_port} second
_sips._tcp.pair SRV 10 0 {first.tls_port} first
_sips._tcp.pair SRV 20 0 {second.tls_port} second
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """How many accounts, and how long things take.

    Attributes:
        accounts: How many.
        expires: The lifetime of their bindings in seconds.
        timers: SIP timers.
        retry: When failed registrations are tried again.
        ttl: Time to live of the DNS records, in seconds.
        settle: Seconds that all have been registered for when the fault comes.
        at_once: Whether all refresh when the fault has come, instead of when it is time.
    """

    accounts: int = 200
    expires: int = 120
    timers: SipTimers = field(default_factory=SipTimers)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    ttl: int = 300
    settle: float = 0.0
    at_once: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of the accounts.

    Attributes:
        noticed: Seconds from the fault to the first account that noticed it.
        recovered: Seconds from the fault until all had a new binding where they should.
        slowest: Seconds that the slowest account took for this from its own first attempt on.
        unbound: How many were ever without a binding that lives: Failed, or in Progress as if for the first time.
        absent: How many had no binding at the server that was left, when all said Ok.
        sent: REGISTERs that were sent, those that were repeated included.
        repeated: How many of these repeated an earlier one (UDP only).
    """

    noticed: float = 0.0
    recovered: float = 0.0
    slowest: float = 0.0
    unbound: int = 0
    absent: int = 0
    sent: int = 0
    repeated: int = 0

    @property
    def lost(self) -> int:
        """How many accounts ever lost their binding."""
        return max(self.unbound, self.absent)


@dataclass(frozen=True, slots=True)
class Servers:
    """Two registrars, the first of which is preferred, and the name server that says so.

    Attributes:
        first: The one that is preferred.
        second: The other one.
        nsd: The name server.
        wire: The cable to them, if they are in a network of their own.
    """

    first: Kamailio
    second: Kamailio
    nsd: Nsd
    wire: Cable | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A core with registered accounts, and their servers."""

    core: Core
    servers: Servers
    scale: Scale

    async def play(self, fault: Fault, *, within: float = 600.0) -> Outcome:
        """Let it happen, and wait until every account has a new binding at the server that is left.

        Raises:
            TimeoutError: That takes longer than ``within`` seconds.
        """
        servers = self.servers
        home = servers.first if fault is dns_down else servers.second
        before, events = self.core.stats, self.core.events(buffer=100_000)
        fault_at = asyncio.get_running_loop().time()
        await fault(servers)
        async with asyncio.timeout(within):
            if self.scale.at_once:
                await self.core.refresh_registers()
            outcome = await self._watch(events, home, fault_at)
        stats = self.core.stats
        outcome.sent = stats.sent - before.sent
        outcome.repeated = stats.retransmitted - before.retransmitted
        held = {binding.user for binding in await home.bindings()}
        outcome.absent = self.scale.accounts - len(held)
        return outcome

    async def _watch(self, events: AsyncGenerator[RegistrationEvent, None], home: Kamailio, fault_at: float) -> Outcome:
        began: dict[str, float] = {}
        safe: dict[str, float] = {}
        unbound: set[str] = set()
        async with aclosing(events):
            async for event in events:
                if event.at < fault_at:
                    continue
                match event.state:
                    case RegistrationState.REFRESHING:
                        began.setdefault(event.identity, event.at)
                    case RegistrationState.OK if event.target is not None and f":{home.host}:" in event.target:
                        safe.setdefault(event.identity, event.at)
                    case RegistrationState.FAILED | RegistrationState.PROGRESS:
                        began.setdefault(event.identity, event.at)
                        unbound.add(event.identity)
                if len(safe) == self.scale.accounts:
                    break
        return Outcome(
            noticed=min(began.values()) - fault_at,
            recovered=max(safe.values()) - fault_at,
            slowest=max(safe[identity] - began[identity] for identity in safe),
            unbound=len(unbound),
        )


@contextmanager
def servers(
    directory: Path, transport: str, ttl: int, addresses: tuple[str, str, str] = ADDRESSES
) -> Iterator[Servers]:
    """The servers, with files in ``directory`` and DNS records that live for so long."""
    *hosts, nameserver = addresses
    with ExitStack() as open_:
        pair = []
        for host in hosts:
            place = directory / host
            place.mkdir(parents=True)
            pair.append(open_.enter_context(kamailio_running(place, Options.taking(transport), host)))
        zone = directory / "pair.zone"
        zone.write_text(ZONE.format(ttl=ttl, first=pair[0], second=pair[1]))
        yield Servers(pair[0], pair[1], open_.enter_context(nsd_running(directory, zone, nameserver)))


@contextmanager
def servers_afar(directory: Path, transport: str, ttl: int) -> Iterator[Servers]:
    """The same at the other end of a cable, which needs root on Linux; the accounts have to be `run_in` this end."""
    with cable() as wire, ExitStack() as open_:
        wire.give(wire.here, f"{HERE}/24")
        wire.give(wire.there, *(f"{address}/24" for address in AFAR))

        async def start() -> Servers:
            return open_.enter_context(servers(directory, transport, ttl, AFAR))

        yield replace(run_in(wire.there, start), wire=wire)


@asynccontextmanager
async def registered(
    servers: Servers, transport: str, scale: Scale, home: Kamailio | None = None
) -> AsyncIterator[Stage]:
    """The accounts, all registered by a transport at the first server, or at ``home``."""
    async with Core(
        dns=DnsParams(nameservers=(servers.nsd.nameserver,), timeout=min(5.0, scale.timers.timer_f)),
        timers=scale.timers,
        retry=scale.retry,
        tls=TlsParams(ca_data=authority().pem),
        transports=TransportParams(websockets=(WebSocketParams(server=NAME, path="/ws"),)),
        # Nobody agrees to a removal any more where a server is gone.
        shutdown_timeout=1.0,
    ) as core:
        for number in range(scale.accounts):
            core.add_proxy_config(account(number, transport, scale))
        for proxy in core.proxy_configs:
            await proxy.registered(timeout=60)
        assert len(await (home or servers.first).bindings()) == scale.accounts
        await asyncio.sleep(scale.settle)
        yield Stage(core, servers, scale)


def account(number: int, transport: str, scale: Scale) -> ProxyParams:
    user = f"user{number:04}"
    return ProxyParams(
        f"sip:{user}@sip.titi.com",
        server=f"sip:{NAME};transport={transport}",
        auth=AuthInfo(user, password=f"secret{number:04}"),
        expires=scale.expires,
    )


async def killed(servers: Servers) -> None:
    """The first server is killed; the system refuses what comes for it."""
    servers.first.process.signal(signal.SIGKILL)


async def busy(servers: Servers) -> None:
    """The first server answers 503 with Retry-After."""
    await servers.first.be_busy(BUSY)


async def expired(servers: Servers) -> None:
    """The certificate of the first server expired, and it closes its connections."""
    await servers.first.show(identity(servers.first.host, days=(-3, -1)))
    for connection in await servers.first.connections("tls"):
        await servers.first.hang_up(connection)


async def silent(servers: Servers) -> None:
    """The first server is stopped: it takes everything and answers nothing."""
    servers.first.process.signal(signal.SIGSTOP)


async def lost(servers: Servers) -> None:
    """All that is sent to the first server gets lost."""
    assert servers.wire is not None
    servers.wire.lose(servers.first.host)


async def dns_down(servers: Servers) -> None:
    """The name server is stopped: it answers nothing."""
    servers.nsd.process.signal(signal.SIGSTOP)


async def killed_without_dns(servers: Servers) -> None:
    """The name server is stopped, and the first server killed."""
    await dns_down(servers)
    await killed(servers)


FAULTS: dict[str, Fault] = {
    "killed": killed,
    "busy": busy,
    "silent": silent,
    "lost": lost,
    "expired": expired,
    "dns": dns_down,
    "killed-dns": killed_without_dns,
}


def faults_of(transport: str) -> list[str]:
    """The faults that there can be by a transport; only root has networks of its own."""
    missing = [
        *([] if transport in ("tls", "wss") else ["expired"]),
        *([] if os.geteuid() == 0 else ["lost"]),
    ]
    return [name for name in FAULTS if name not in missing]
