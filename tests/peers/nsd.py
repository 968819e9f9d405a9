"""Debian's NSD as the authoritative name server of ``sip.test`` on a port of 127.0.0.1, or of another address.

The zone is ``sip.test.zone``, or another file.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dns.exception
import dns.message
import dns.query

from tests.free_ports import free_port
from tests.peers import Process, require, running

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONE = Path(__file__).with_name("sip.test.zone")
READY_WITHIN = 10.0
POLL = 0.02

CONFIG = """
server:
    ip-address: {host}@{port}
    do-ip6: no
    server-count: 1
    username: ""
    zonesdir: "{directory}"
    zonelistfile: "{directory}/zone.list"
    xfrdfile: "{directory}/xfrd.state"
    xfrdir: "{directory}"
    pidfile: "{directory}/nsd.pid"
    database: ""
remote-control:
    control-enable: no
zone:
    name: "sip.test"
    zonefile: "{zone}"
"""


@dataclass(frozen=True, slots=True)
class Nsd:
    """A running NSD.

    Attributes:
        host: Its address.
        port: Its port.
    """

    host: str
    port: int
    process: Process

    @property
    def nameserver(self) -> str:
        """Address and port as `DnsParams` takes them."""
        return f"{self.host}:{self.port}"


@contextmanager
def nsd_running(directory: Path, zone: Path = ZONE, host: str = "127.0.0.1") -> Iterator[Nsd]:
    """Start one with files in ``directory``, wait until it answers, stop it at the end."""
    program = require("nsd")
    port = free_port(host)
    config = directory / "nsd.conf"
    config.write_text(CONFIG.format(host=host, port=port, directory=directory, zone=zone), encoding="utf-8")
    with running([program, "-d", "-c", str(config)], directory / "nsd.log") as process:
        nsd = Nsd(host, port, process)
        wait_until_ready(nsd)
        yield nsd


def wait_until_ready(nsd: Nsd) -> None:
    query = dns.message.make_query("sip.test.", "SOA")
    for _ in range(round(READY_WITHIN / POLL)):
        try:
            answer = dns.query.udp(query, nsd.host, port=nsd.port, timeout=POLL)
        except (dns.exception.Timeout, OSError):
            if nsd.process.ended(within=POLL):
                break
        else:
            if answer.answer:
                return
    raise RuntimeError(f"nsd did not start:\n{nsd.process.output()}")
