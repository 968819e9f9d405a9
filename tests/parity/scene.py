"""What the tests of this directory have in common: counting what liblinphone's tests count."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiosipreg import DnsParams, ProxyParams, TlsParams
from aiosipreg.testing import Registrar
from aiosipreg.testing.network import VirtualDatagramTransport
from aiosipreg.wire import Challenge, Response, SipUri
from tests.certificates import authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    import pytest

    from aiosipreg import AuthChallenge, AuthInfo, RegistrationEvent
    from aiosipreg.testing.packet import Packet
    from aiosipreg.testing.scripted import Hook
    from aiosipreg.wire import NameAddr, Request

TRUSTING = TlsParams(ca_data=authority().pem)


def now() -> float:
    """The time of the running loop."""
    return asyncio.get_running_loop().time()


class Asking:
    """An auth provider that counts how often it is asked: the authentication callback of liblinphone's tests.

    Args:
        info: What it answers; ``None`` when it has nothing to say.
    """

    def __init__(self, info: AuthInfo | None = None) -> None:
        self.info = info
        self.count = 0

    async def __call__(self, challenge: AuthChallenge) -> AuthInfo | None:
        """Called by the core."""
        self.count += 1
        return self.info


async def counted(stream: AsyncIterator[RegistrationEvent]) -> Counter[str]:
    """How often each state was told, until the stream ends."""
    return Counter([str(event.state) async for event in stream])


def requests(registrar: Registrar) -> list[Request]:
    """Each REGISTER once, retransmissions left out."""
    return [packet.request for packet in packets(registrar)]


def packets(registrar: Registrar) -> list[Packet]:
    """The same with the times."""
    return [packet for packet in registrar.requests if not packet.retransmission]


def answers(registrar: Registrar) -> list[Challenge]:
    """What was answered to its challenges, in order."""
    values = (value for request in requests(registrar) for value in request.headers.get_all("Authorization"))
    return [Challenge.parse(value, "Authorization") for value in values]


def adding(*rows: tuple[str, str]) -> Hook:
    """A hook that writes further headers into each 200."""

    def hook(_: Request, response: Response) -> Response:
        if response.status != 200:
            return response
        return Response(200, "OK", [*response.headers.items(), *rows])

    return hook


def refusing(statuses: Iterable[int]) -> Hook:
    """A hook that answers with these status codes, one after the other, then as the registrar would."""
    left = list(statuses)

    def hook(_: Request, response: Response) -> Response:
        return Response(left.pop(0), "Refused") if left else response

    return hook


def failing_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse every datagram, as it does without a route; ``monkeypatch.undo`` ends it."""
    error = OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
    monkeypatch.setattr(VirtualDatagramTransport, "_refusal", lambda *_: error)


def uri(entry: NameAddr | None) -> SipUri:
    """The URI of a Contact that is there."""
    assert entry is not None
    assert isinstance(entry.uri, SipUri)
    return entry.uri


def host(entry: NameAddr | None) -> str:
    """The host of a Contact that is there."""
    return uri(entry).host


@asynccontextmanager
async def secured(
    directory: Path, names: Iterable[str], *, clients: str | None = None, **options: Any
) -> AsyncIterator[Registrar]:
    """A registrar by TLS whose certificate is for some names; with ``clients`` it wants one of these authorities."""
    context = authority().issue(dns=names).context(directory, clients=clients)
    async with Registrar(users=None, transports=["tls"], tls=context, **options) as registrar:
        yield registrar


def hosts(directory: Path, *names: str) -> DnsParams:
    """Settings by which some names lead to 127.0.0.1."""
    file = directory / "hosts"
    file.write_text(f"127.0.0.1 {' '.join(names)}\n")
    return DnsParams(hosts_file=str(file))


def by_tls(registrar: Registrar, domain: str = "titi.com", **settings: Any) -> ProxyParams:
    """Settings of an account at this registrar, of a domain."""
    return ProxyParams(f"sip:toto@{domain}", server=f"sip:{domain}:{registrar.port};transport=tls", **settings)
