"""Debian's Kamailio as a registrar on this machine: challenges, keeps bindings, and is asked what it keeps.

Its users are ``toto`` with the password ``secret``, and ``user0000`` to ``user9999`` with ``secret0000`` to
``secret9999``, in whatever domain they ask for.
"""

from __future__ import annotations

import asyncio
import contextlib
import glob
import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.certificates import authority
from tests.free_ports import free_port
from tests.peers import Process, give_up, require, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.certificates import Identity

CONFIG = Path(__file__).with_name("kamailio.cfg")
MODULES = "/usr/lib/*/kamailio/modules"
READY_WITHIN = 10.0
POLL = 0.02
TLS_CONFIG = """
[server:default]
method = TLSv1.2+
certificate = {certificate}
private_key = {key}
ca_list = {authorities}
verify_certificate = {wanted}
require_certificate = {wanted}
"""
STALE = 16  # flag of the auth module's challenge functions, as are the qop values


@dataclass(frozen=True, slots=True)
class Options:
    """How the registrar behaves.

    Attributes:
        algorithm: ``MD5`` or ``SHA-256``, the one it challenges with.
        qop: Whether the challenge offers ``qop="auth"``; it then refuses a nonce count that it has seen.
        nonce_lifetime: Seconds; an older nonce gets a challenge with ``stale=true``.
        min_expires: Seconds; a shorter lifetime gets 423 with ``Min-Expires``. 0 takes any.
        max_expires: Seconds; a longer lifetime is cut to it.
        gruu: Whether a Contact with an instance id gets a public and a temporary GRUU (RFC 5627).
        qualify: Whether it sends an OPTIONS to each contact, about every second.
        tls: Whether it listens for TLS too, with a certificate for its address, titi.com and pair.sip.test.
        wants_certificate: Whether it wants one of the test authority from its clients.
        websocket: Whether it takes WebSockets for ``/ws``, on the ports of TCP and TLS.
        outbound: Whether it supports outbound flows (RFC 5626), with a Flow-Timer of 25 s.
    """

    algorithm: str = "MD5"
    qop: bool = True
    nonce_lifetime: int = 300
    min_expires: int = 0
    max_expires: int = 3600
    gruu: bool = False
    qualify: bool = False
    realm: str = "kamailio.test"
    tls: bool = False
    wants_certificate: bool = False
    websocket: bool = False
    outbound: bool = False

    @classmethod
    def taking(cls, transport: str, **others: Any) -> Options:
        """Those of a registrar that takes a transport, by its name in a URI."""
        return cls(tls=transport in ("tls", "wss"), websocket=transport in ("ws", "wss"), **others)

    def definitions(self, directory: Path, host: str) -> Iterator[str]:
        qop = 1 if self.qop else 0
        for value in (
            f'ALGORITHM="{self.algorithm}"',
            f'REALM="{self.realm}"',
            f'CHALLENGE="{qop}"',
            f'CHALLENGE_STALE="{qop | STALE}"',
            f"NONCE_LIFETIME={self.nonce_lifetime}",
            f"NONCE_COUNT={qop}",
            f"MIN_EXPIRES={self.min_expires}",
            f"MAX_EXPIRES={self.max_expires}",
            f"GRUU={int(self.gruu)}",
            *(["WITH_QUALIFY"] if self.qualify else []),
            *(self._tls(directory, host) if self.tls else []),
            *(["WITH_WEBSOCKET"] if self.websocket else []),
            *(["WITH_OUTBOUND"] if self.outbound else []),
        ):
            yield from ("-A", value)

    def _tls(self, directory: Path, host: str) -> Iterator[str]:
        certificate, key = identity(host).files(directory)
        authorities, config = directory / "ca.pem", directory / "tls.cfg"
        authorities.write_text(authority().pem)
        wanted = "yes" if self.wants_certificate else "no"
        config.write_text(TLS_CONFIG.format(certificate=certificate, key=key, authorities=authorities, wanted=wanted))
        yield "WITH_TLS"
        yield f'TLS_CONFIG="{config}"'


def identity(host: str, days: tuple[int, int] = (-1, 2)) -> Identity:
    """The certificate of a registrar at an address, valid from the first to the second day from now on."""
    return authority().issue(dns=["titi.com", "pair.sip.test"], addresses=[host], days=days)


@dataclass(frozen=True, slots=True)
class StoredBinding:
    """One contact as ``ul.dump`` tells it.

    Attributes:
        user: User part of the address of record.
        contact: The Contact URI as sent.
        expires: Seconds left.
        received: The address it came from where that was recorded, as a URI.
        socket: The registrar's own address it came in on, ``udp:127.0.0.1:5060``.
        roundtrip: Microseconds that the last answered OPTIONS took; ``None`` as long as none was answered.
    """

    user: str
    contact: str
    expires: int
    call_id: str
    cseq: int
    q: float | None
    user_agent: str | None
    received: str | None
    path: str | None
    socket: str | None
    instance_id: str | None
    reg_id: int | None
    roundtrip: int | None


class Kamailio:
    """A running Kamailio."""

    def __init__(
        self, directory: Path, host: str, port: int, tls_port: int, process: Process, options: Options
    ) -> None:
        self.directory = directory
        self.host = host
        self.port = port
        self.tls_port = tls_port
        self.process = process
        self.options = options

    @property
    def uri(self) -> str:
        return f"sip:{self.host}:{self.port}"

    @property
    def tcp_uri(self) -> str:
        return f"{self.uri};transport=tcp"

    @property
    def tls_uri(self) -> str:
        """With ``Options.tls`` only."""
        return f"sips:{self.host}:{self.tls_port}"

    def uri_by(self, transport: str) -> str:
        """By a transport, which `Options.taking` has it take."""
        plain = {"udp": self.uri, "tcp": self.tcp_uri, "tls": self.tls_uri}
        return plain.get(transport) or self.websocket_uri(transport)

    def websocket_uri(self, transport: str) -> str:
        """By ``ws``, or ``wss``; with ``Options.websocket`` only."""
        port = self.tls_port if transport == "wss" else self.port
        return f"sip:{self.host}:{port};transport={transport}"

    async def rpc(self, method: str, *params: object) -> Any:
        """Call a command (``core.echo``) and give its result; ``RuntimeError`` tells what it objects to."""
        return await asyncio.to_thread(self.call, method, *params)

    def call(self, method: str, *params: object) -> Any:
        """The same without an event loop."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            connection.request(
                "POST", "/RPC", json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
            )
            with connection.getresponse() as response:
                answer = json.load(response)
        finally:
            connection.close()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    async def be_busy(self, seconds: int) -> None:
        """Answer everything with 503 and this Retry-After; 0 ends it."""
        await self.rpc("pv.shvSet", "busy", "int", seconds)

    async def show(self, identity: Identity) -> None:
        """Show another certificate to whoever connects by TLS from now on."""
        identity.files(self.directory)
        await self.rpc("tls.reload")

    async def registers_seen(self) -> int:
        """How many REGISTERs it has read."""
        (line,) = await self.rpc("stats.get_statistics", "rcv_requests_register")
        return int(line.partition("=")[2])

    async def connections(self, transport: str) -> list[int]:
        """The numbers of the connections that it has by ``tcp`` or ``tls``, without those of these questions."""
        found = await self.rpc("core.tcp_list")
        if transport == "tls":
            return [entry["id"] for entry in found if entry["dst_port"] == self.tls_port]
        ours = {binding.contact.rpartition(":")[2].partition(";")[0] for binding in await self.bindings()}
        return [entry["id"] for entry in found if entry["dst_port"] == self.port and str(entry["src_port"]) in ours]

    async def hang_up(self, connection: int) -> None:
        """Close one of these."""

        def ask() -> None:
            with contextlib.closing(http.client.HTTPConnection(self.host, self.port, timeout=10)) as http_connection:
                http_connection.request("GET", f"/hangup/{connection}")
                assert http_connection.getresponse().status == 200

        await asyncio.to_thread(ask)

    async def bindings(self, user: str | None = None) -> tuple[StoredBinding, ...]:
        """What is registered now, of all users or of one."""
        result = await self.rpc("ul.dump")
        records = [entry["Info"] for domain in result["Domains"] for entry in domain["Domain"]["AoRs"]]
        found = (stored_binding(record["AoR"], entry["Contact"]) for record in records for entry in record["Contacts"])
        return tuple(binding for binding in found if user in (None, binding.user))


def stored_binding(user: str, contact: dict[str, Any]) -> StoredBinding:
    def text(name: str) -> str | None:
        return None if contact[name] in ("[not set]", "n/a") else contact[name]

    return StoredBinding(
        user=user,
        contact=contact["Address"],
        expires=contact["Expires"],
        call_id=contact["Call-ID"],
        cseq=contact["CSeq"],
        q=None if contact["Q"] < 0 else contact["Q"],
        user_agent=text("User-Agent"),
        received=text("Received"),
        path=text("Path"),
        socket=text("Socket"),
        instance_id=text("Instance"),
        reg_id=contact["Reg-Id"] or None,
        roundtrip=contact["KA-Roundtrip"] or None,
    )


@contextlib.contextmanager
def kamailio_running(directory: Path, options: Options, host: str = "127.0.0.1") -> Iterator[Kamailio]:
    """Start one with files in ``directory``, wait until it answers, stop it at the end."""
    program = require("kamailio")
    port, tls_port = free_port(host), free_port(host)
    if options.tls and not glob.glob(f"{MODULES}/tls.so"):
        give_up("Kamailio has no TLS (Debian package kamailio-tls-modules)")
    if options.websocket and not glob.glob(f"{MODULES}/websocket.so"):
        give_up("Kamailio has no WebSocket (Debian package kamailio-websocket-modules)")
    if options.outbound and not glob.glob(f"{MODULES}/outbound.so"):
        give_up("Kamailio has no outbound (Debian package kamailio-outbound-modules)")
    command = [
        *(program, "-DD", "-E", "-f", str(CONFIG), "-Y", str(directory), "-m", "256", "-M", "32"),
        *("-A", f"ADDRESS={host}", "-A", f"PORT={port}", "-A", f"TLS_PORT={tls_port}"),
        *options.definitions(directory, host),
    ]
    with running(command, directory / "kamailio.log") as process:
        kamailio = Kamailio(directory, host, port, tls_port, process, options)
        wait_until_ready(kamailio)
        yield kamailio


def wait_until_ready(kamailio: Kamailio) -> None:
    for _ in range(round(READY_WITHIN / POLL)):
        try:
            kamailio.call("core.echo")
        except OSError:
            if kamailio.process.ended(within=POLL):
                break
        else:
            return
    raise RuntimeError(f"kamailio did not start:\n{kamailio.process.output()}")
