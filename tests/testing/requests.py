"""Raw REGISTERs for the tests of aiosipreg.testing, written by hand so that they depend on nothing."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

from aiosipreg.wire import Response, parse_message

if TYPE_CHECKING:
    from aiosipreg.testing.scripted import ScriptedRegistrar

_numbers = itertools.count(1)

CONTACT = "<sip:toto@127.0.0.1:5062>"
AOR = "sip:toto@sip.titi.com"


def register(
    contact: str | None = CONTACT,
    *,
    cseq: int = 1,
    call_id: str = "call-1",
    branch: str | None = None,
    via: str = "SIP/2.0/UDP 127.0.0.1:5062;rport",
    to: str = f"<{AOR}>",
    uri: str = "sip:sip.titi.com",
    method: str = "REGISTER",
    rows: tuple[str, ...] = (),
    body: str = "",
) -> bytes:
    """A request; a new branch unless one is given; a contact of ``None`` leaves the header out."""
    branch = f"z9hG4bK{next(_numbers)}" if branch is None else branch
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: {via};branch={branch}",
        "Max-Forwards: 70",
        f"From: <{AOR}>;tag=from-tag",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *([] if contact is None else [f"Contact: {contact}"]),
        *rows,
        f"Content-Length: {len(body.encode())}",
        "",
        body,
    ]
    return "\r\n".join(lines).encode()


def response(data: bytes) -> Response:
    """The parsed response."""
    message = parse_message(data)
    assert isinstance(message, Response)
    return message


SOURCE = ("192.0.2.9", 40_000)


def ask(registrar: ScriptedRegistrar, data: bytes, now: float = 0.0) -> Response:
    """The only answer to a datagram."""
    ((answer, _),) = registrar.receive(data, SOURCE, now)
    return response(answer)


class Client(asyncio.DatagramProtocol):
    """A socket with a queue of what it received."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport

    @classmethod
    async def connect(cls, host: str, port: int) -> Client:
        """Open a socket toward a registrar."""
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_datagram_endpoint(cls, remote_addr=(host, port))
        client.transport = transport
        return client

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self.received.put_nowait(data)

    def send(self, data: bytes) -> None:
        """Send a datagram."""
        self.transport.sendto(data)

    async def response(self, timeout: float = 5.0) -> Response:
        """The next response."""
        async with asyncio.timeout(timeout):
            return response(await self.received.get())

    async def ask(self, data: bytes, timeout: float = 5.0) -> Response:
        """Send a request and take the next response."""
        self.send(data)
        return await self.response(timeout)

    def close(self) -> None:
        """Close the socket."""
        self.transport.close()
