"""``python -m benchmarks.roaming``: accounts at a real Kamailio on the other end of a cable, whose own end changes.

Both ends are network namespaces, which needs root on Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiosipreg import AuthInfo, Core, ProxyParams, RegistrationState, TlsParams, TransportParams, WebSocketParams
from benchmarks.table import machine
from tests.certificates import authority
from tests.namespaces import Cable, cable, ip, run_in
from tests.peers.kamailio import Kamailio, Options, kamailio_running

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence

    from aiosipreg import RegistrationEvent

    Change = Callable[["Scene"], Awaitable[str]]

__all__ = ["CHANGES", "TRANSPORTS", "Outcome", "play"]

SERVER, HERE, ELSEWHERE = "10.9.0.1", "10.9.0.2", "10.9.0.3"
SOCKETS = TransportParams(websockets=(WebSocketParams(server=SERVER, path="/ws"),))
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
COLUMNS = ("What happened", "Transport", "All Ok", "Bindings lost", "Old bindings left", "REGISTERs")
DARK = 2.0
"""Seconds for which the link is down, or the server behind a black hole."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the accounts.

    Attributes:
        seconds: From the moment when there was a way again until all were Ok at the right address.
        lost: How many were ever without a binding that lives.
        old: How many bindings to an address that is no more the registrar had in the end.
        sent: REGISTERs that were sent.
    """

    seconds: float
    lost: int
    old: int
    sent: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A core with registered accounts on this end, and the cable."""

    wire: Cable
    core: Core


async def another_address(scene: Scene) -> str:
    """The address was removed, another one added."""
    scene.wire.take(scene.wire.here, f"{HERE}/24")
    scene.wire.give(scene.wire.here, f"{ELSEWHERE}/24")
    return ELSEWHERE


async def address_added_later(scene: Scene) -> str:
    """The address was removed, another one added 2 s later."""
    scene.wire.take(scene.wire.here, f"{HERE}/24")
    await asyncio.sleep(DARK)
    scene.wire.give(scene.wire.here, f"{ELSEWHERE}/24")
    return ELSEWHERE


async def link_down_and_up(scene: Scene) -> str:
    """The link was down for 2 s, in which all wanted to refresh."""
    ip("-n", scene.wire.here, "link", "set", "eth0", "down")
    await scene.core.refresh_registers()
    await asyncio.sleep(DARK)
    ip("-n", scene.wire.here, "link", "set", "eth0", "up")
    return HERE


async def black_hole(scene: Scene) -> str:
    """All that was sent was lost for 2 s, in which all wanted to refresh."""
    scene.wire.lose(SERVER)
    await scene.core.refresh_registers()
    await asyncio.sleep(DARK)
    scene.wire.find(SERVER)
    return HERE


CHANGES: dict[str, Change] = {
    "address": another_address,
    "later": address_added_later,
    "link": link_down_and_up,
    "hole": black_hole,
}


def play(transport: str, change: Change, accounts: int, *, within: float = 60.0) -> Outcome:
    """Register accounts, change the network, and wait until all are Ok where they should be.

    Raises:
        TimeoutError: That takes longer than ``within`` seconds.
    """
    with cable() as wire, kamailio_at_the_end_of(wire, transport) as kamailio:
        wire.give(wire.here, f"{HERE}/24")
        outcome: Outcome = run_in(wire.here, lambda: roam(wire, kamailio, transport, change, accounts), within)
        return outcome


@contextmanager
def kamailio_at_the_end_of(wire: Cable, transport: str) -> Iterator[Kamailio]:
    wire.give(wire.there, f"{SERVER}/24")
    with tempfile.TemporaryDirectory() as directory, ExitStack() as open_:

        async def start() -> Kamailio:
            options = Options.taking(transport, algorithm="SHA-256")
            return open_.enter_context(kamailio_running(Path(directory), options, SERVER))

        yield run_in(wire.there, start)


async def roam(wire: Cable, kamailio: Kamailio, transport: str, change: Change, accounts: int) -> Outcome:
    loop = asyncio.get_running_loop()
    async with Core(tls=TlsParams(ca_data=authority().pem), transports=SOCKETS) as core:
        for number in range(accounts):
            core.add_proxy_config(account(kamailio, transport, number))
        for proxy in core.proxy_configs:
            await proxy.registered()
        sent, events, before = core.stats.sent, core.events(buffer=100_000), loop.time()
        home = await change(Scene(wire, core))
        began_at = loop.time()
        unbound = await all_bound(events, accounts, home, before)
        seconds = loop.time() - began_at
        stored = await kamailio.bindings()
        held = {binding.user for binding in stored if home in (binding.received or binding.contact)}
        lost, old = max(unbound, accounts - len(held)), len(stored) - len(held)
        return Outcome(seconds, lost, old, core.stats.sent - sent)


async def all_bound(events: AsyncGenerator[RegistrationEvent, None], accounts: int, home: str, since: float) -> int:
    """Wait until all have a binding that leads home; return how many were without a binding meanwhile."""
    bound, unbound = set(), set()
    async with aclosing(events):
        async for event in events:
            if event.at < since:
                continue
            if event.state in (RegistrationState.FAILED, RegistrationState.PROGRESS):
                unbound.add(event.identity)
            if event.state is RegistrationState.OK and event.binding and leads(str(event.binding.contact), home):
                bound.add(event.identity)
            if len(bound) == accounts:
                break
    return len(unbound)


def leads(contact: str, home: str) -> bool:
    """Whether a Contact is that of an address; one under ``.invalid`` is that of the connection it came on."""
    return f"@{home}:" in contact or ".invalid" in contact


def account(kamailio: Kamailio, transport: str, number: int) -> ProxyParams:
    user = f"user{number:04}"
    return ProxyParams(
        f"sip:{user}@sip.titi.com",
        server=kamailio.uri_by(transport),
        auth=AuthInfo(user, password=f"secret{number:04}"),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roaming", description=__doc__)
    parser.add_argument("--accounts", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--transport", action="append", choices=TRANSPORTS, help="only this; may be repeated")
    parser.add_argument("--change", action="append", choices=CHANGES, help="only this; may be repeated")
    given = parser.parse_args(arguments)
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    for name in given.change or CHANGES:
        change = CHANGES[name]
        for transport in given.transport or TRANSPORTS:
            found = play(transport, change, given.accounts)
            story = (change.__doc__ or "").rstrip(".")
            numbers = (found.lost, found.old, found.sent)
            lines.append((story, transport, f"{found.seconds:.1f}", *map(str, numbers)))
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))
    print(f"\n{given.accounts} accounts; {machine()}")


if __name__ == "__main__":
    main()
