"""``python -m benchmarks.crowd``: many accounts at one real Kamailio, by each transport, from the first to the last."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiosipreg import (
    AuthInfo,
    Core,
    Pacing,
    ProxyParams,
    RegistrationState,
    TlsParams,
    TransportParams,
    WebSocketParams,
)
from benchmarks.table import machine
from tests.certificates import authority
from tests.peers.kamailio import Kamailio, Options, kamailio_running

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TRANSPORTS", "Outcome", "as_table", "crowd"]

SOCKETS = TransportParams(websockets=(WebSocketParams(server="127.0.0.1", path="/ws"),))
PACING = Pacing(rate=1000)
"""Twenty times the usual pace, or it would be the pace that is measured."""

TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
COLUMNS = ("Transport", "Register", "Refresh", "Unregister", "Connections", "REGISTERs", "Repeated")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went, with times in seconds.

    Attributes:
        transport: What carried it.
        register: From the start until all were Ok.
        refresh: Until all were Ok again.
        unregister: Until the registrar held nothing any more and the core was closed.
        connections: How many the registrar saw; with UDP, from how many of our ports.
        sent: REGISTERs, those that were repeated included.
        repeated: How many of these repeated an earlier one.
    """

    transport: str
    register: float
    refresh: float
    unregister: float
    connections: int
    sent: int
    repeated: int


async def crowd(kamailio: Kamailio, transport: str, accounts: int) -> Outcome:
    """Register all, refresh all, remove all; what the registrar holds is compared each time.

    Args:
        kamailio: One without bindings.
        transport: One of ``TRANSPORTS``; the registrar has to take it.
        accounts: How many, 10000 at most.
    """
    started_at = time.perf_counter()
    async with Core(
        pacing=PACING, tls=TlsParams(ca_data=authority().pem), transports=SOCKETS, shutdown_timeout=60
    ) as core:
        for number in range(accounts):
            core.add_proxy_config(account(kamailio, transport, number))
        for proxy in core.proxy_configs:
            await proxy.registered(timeout=120)
        registered_at = time.perf_counter()
        connections = await held(kamailio, accounts)
        assert connections == await counted(kamailio, transport)
        asked_at = time.perf_counter()
        await core.refresh_registers()
        for proxy in core.proxy_configs:
            await proxy.wait_for(RegistrationState.OK, timeout=120)
        refreshed_at = time.perf_counter()
        assert await held(kamailio, accounts) == connections
        leaving_at = time.perf_counter()
    gone_at = time.perf_counter()
    assert await held(kamailio, 0) == 0
    return Outcome(
        transport,
        registered_at - started_at,
        refreshed_at - asked_at,
        gone_at - leaving_at,
        connections,
        core.stats.sent,
        core.stats.retransmitted,
    )


async def held(kamailio: Kamailio, accounts: int) -> int:
    """See that it has a binding of each account and no other; return to how many ports of ours they lead."""
    bindings = await kamailio.bindings()
    assert len(bindings) == len({binding.user for binding in bindings}) == accounts
    return len({binding.contact.partition("@")[2] for binding in bindings})


async def counted(kamailio: Kamailio, transport: str) -> int:
    """How many connections it counts itself; it sees none of UDP, where it is one port that is asked for."""
    if transport == "udp":
        return 1
    if transport in ("ws", "wss"):
        return len((await kamailio.rpc("ws.dump"))["connections"])
    return len(await kamailio.connections(transport))


def account(kamailio: Kamailio, transport: str, number: int) -> ProxyParams:
    user = f"user{number:04}"
    return ProxyParams(
        f"sip:{user}@sip.titi.com",
        server=kamailio.uri_by(transport),
        auth=AuthInfo(user, password=f"secret{number:04}"),
    )


def as_table(outcomes: Sequence[Outcome]) -> str:
    """The table, in Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    for found in outcomes:
        times = (f"{seconds:.1f}" for seconds in (found.register, found.refresh, found.unregister))
        lines.append((found.transport, *times, str(found.connections), str(found.sent), str(found.repeated)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description=__doc__)
    parser.add_argument("--accounts", type=int, default=1000, help="at most 10000 (%(default)s)")
    given = parser.parse_args(arguments)
    outcomes = []
    for transport in TRANSPORTS:
        with (
            tempfile.TemporaryDirectory() as directory,
            kamailio_running(Path(directory), Options.taking(transport)) as kamailio,
        ):
            outcomes.append(asyncio.run(crowd(kamailio, transport, given.accounts)))
    print(as_table(outcomes))
    print(f"\n{given.accounts} accounts; {machine()}")


if __name__ == "__main__":
    main()
