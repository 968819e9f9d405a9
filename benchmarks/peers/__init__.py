"""The same registrations by other programs, as far as they are installed, at the same null registrar.

On Debian: ``apt-get install sip-tester libre-dev baresip-core liblinphone-dev kamailio pkg-config gcc``. SIPp is a load
generator: it keeps nothing of a registration. libre is the library of baresip. Each client is bound to the same CPU and
has 64 requests under way at most, except Kamailio, baresip and liblinphone, which send when they want. Of ours there is
each build on each event loop.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from benchmarks.builds import BUILDS
from benchmarks.measure import Figure, Sample, figures
from benchmarks.network import LOOPS, cpus, missing, registering
from benchmarks.null_registrar import null_registrar
from benchmarks.peers.clients import PEERS, Peer
from benchmarks.programs import UnavailableError

if TYPE_CHECKING:
    from benchmarks.measure import Effort
    from benchmarks.null_registrar import NullRegistrar

__all__ = ["PEERS", "Peer", "measured"]

_OURS = {build.of(f"aiosipreg on {loop}"): (loop, build) for loop, build in product(LOOPS, BUILDS)}
_LIMIT = "aiosipreg on asyncio"
_MOST = max(peer.most for peer in PEERS.values())


def measured(effort: Effort) -> list[Figure]:
    client_cpu, registrar_cpu = cpus()
    rows: list[Figure] = []
    with null_registrar(registrar_cpu) as registrar:
        for accounts in effort.crowds(_MOST):
            rows += _measured(registrar, accounts, client_cpu, effort.runs)
    return rows


def _measured(registrar: NullRegistrar, accounts: int, cpu: int, runs: int) -> list[Figure]:
    title = f"peers, {accounts} accounts"
    samples: dict[str, list[Sample]] = {name: [] for name in (*_OURS, *PEERS)}
    absent: dict[str, str] = {}
    for _ in range(runs):
        for name in [name for name in samples if name not in absent]:
            try:
                samples[name].append(_sample(name, registrar, accounts, cpu))
            except UnavailableError as error:
                absent[name] = str(error)
    whole = {name: taken for name, taken in samples.items() if name not in absent}
    notes = {name: f"{peer.most} accounts only" for name, peer in PEERS.items() if 0 < peer.most < accounts}
    rows = figures(title, whole, limits={name: _LIMIT for name in whole if name != _LIMIT}, notes=notes)
    return rows + [Figure(title, name, note=why) for name, why in absent.items()]


def _sample(name: str, registrar: NullRegistrar, accounts: int, cpu: int) -> Sample:
    if name in _OURS:
        loop, build = _OURS[name]
        if why := missing(loop, build):
            raise UnavailableError(why)
        said = registering(loop, build, registrar.port, cpu, 1, (accounts,))
        return Sample(*said["samples"][str(accounts)]["registration"][0])
    peer = PEERS[name]
    return peer.measure(registrar, min(accounts, peer.most), cpu)
