"""The Kamailio fixture does what its options say, seen by hand-written requests without the package's help."""

from __future__ import annotations

import asyncio
import hashlib
import re
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.peers.kamailio import Options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.peers.kamailio import Kamailio

HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
INSTANCE = "<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"

WITHOUT_QOP = Options(algorithm="SHA-256", qop=False, nonce_lifetime=1, qualify=True)
STRICT = Options(min_expires=60, max_expires=120, gruu=True, qualify=True)


class Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.requests: asyncio.Queue[str] = asyncio.Queue()
        self.responses: asyncio.Queue[str] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        text = data.decode()
        (self.responses if text.startswith("SIP/2.0 ") else self.requests).put_nowait(text)


@dataclass
class Phone:
    """Registers one user with requests written out by hand."""

    transport: asyncio.DatagramTransport
    inbox: Inbox
    user: str = "toto"
    password: str = "secret"
    cseq: int = 0
    call_id: str = field(default_factory=lambda: uuid.uuid4().hex)  # a port may come again in the same test run
    last: bytes = field(default=b"", repr=False)

    @property
    def port(self) -> int:
        port: int = self.transport.get_extra_info("sockname")[1]
        return port

    @property
    def contact(self) -> str:
        return f"sip:{self.user}@127.0.0.1:{self.port}"

    async def send(self, *headers: str, expires: int = 600, contact_params: str = "") -> str:
        self.cseq += 1
        lines = [
            "REGISTER sip:example.org SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bK{self.call_id}.{self.cseq}",
            "Max-Forwards: 70",
            f"From: <sip:{self.user}@example.org>;tag=1",
            f"To: <sip:{self.user}@example.org>",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} REGISTER",
            f"Contact: <{self.contact}>{contact_params}",
            f"Expires: {expires}",
            *headers,
            "Content-Length: 0",
        ]
        self.last = "\r\n".join([*lines, "", ""]).encode()
        return await self.repeat()

    async def repeat(self) -> str:
        self.transport.sendto(self.last)
        async with asyncio.timeout(5):
            return await self.inbox.responses.get()

    def answer(self, challenge: str, nc: int = 1) -> str:
        """The Authorization header for the challenge in a response (RFC 8760 section 2)."""
        params = dict(re.findall(r'(\w+)="?([^",\r]*)', re.findall(r"WWW-Authenticate: Digest (.*)", challenge)[0]))
        digest = HASHES[params["algorithm"]]

        def h(text: str) -> str:
            return digest(text.encode()).hexdigest()

        a1 = h(f"{self.user}:{params['realm']}:{self.password}")
        a2 = h("REGISTER:sip:example.org")
        qop, middle = "", ""
        if "qop" in params:
            qop, middle = f', qop=auth, nc={nc:08x}, cnonce="c"', f":{nc:08x}:c:auth"
        response = h(f"{a1}:{params['nonce']}{middle}:{a2}")
        return (
            f'Authorization: Digest username="{self.user}", realm="{params["realm"]}", nonce="{params["nonce"]}", '
            f'uri="sip:example.org", response="{response}", algorithm={params["algorithm"]}{qop}'
        )

    async def register(self, *headers: str, expires: int = 600, contact_params: str = "") -> str:
        challenge = await self.send()
        assert status(challenge) == 401
        return await self.send(self.answer(challenge), *headers, expires=expires, contact_params=contact_params)


@asynccontextmanager
async def phone(kamailio: Kamailio, user: str = "toto", password: str = "secret") -> AsyncIterator[Phone]:
    transport, inbox = await asyncio.get_running_loop().create_datagram_endpoint(
        Inbox, local_addr=("127.0.0.1", 0), remote_addr=(kamailio.host, kamailio.port)
    )
    try:
        yield Phone(transport, inbox, user, password)
    finally:
        transport.close()


def status(response: str) -> int:
    return int(response.split(" ", 2)[1])


async def test_a_binding_is_made_seen_and_removed(kamailio: Kamailio) -> None:
    async with phone(kamailio) as toto:
        challenge = await toto.send()
        assert 'qop="auth", algorithm=MD5' in challenge
        assert status(await toto.send(toto.answer(challenge), expires=600)) == 200
        (binding,) = await kamailio.bindings("toto")
        assert binding.contact == toto.contact
        assert 590 < binding.expires <= 600
        assert (binding.call_id, binding.cseq) == (toto.call_id, 2)
        assert binding.socket == f"udp:127.0.0.1:{kamailio.port}"
        assert (binding.instance_id, binding.reg_id, binding.q, binding.path) == (None, None, None, None)
        assert status(await toto.send(toto.answer(challenge, nc=2), expires=0)) == 200
    assert await kamailio.bindings("toto") == ()


async def test_credentials_count(kamailio: Kamailio) -> None:
    async with phone(kamailio, password="wrong") as toto:
        answer = await toto.register()
        assert status(answer) == 401
        assert "stale=true" not in answer
    async with phone(kamailio, "nobody") as nobody:
        assert status(await nobody.register()) == 403
    async with phone(kamailio) as thief:
        challenge = await thief.send()
        stolen = thief.answer(challenge)
        thief.user = "user0001"
        assert status(await thief.send(stolen)) == 403
    async with phone(kamailio, "user0042", "secret0042") as user:
        assert status(await user.register()) == 200


async def test_a_nonce_count_serves_once_but_a_retransmission_is_answered(kamailio: Kamailio) -> None:
    async with phone(kamailio) as toto:
        challenge = await toto.send()
        first = await toto.send(toto.answer(challenge))
        assert await toto.repeat() == first
        replay = await toto.send(toto.answer(challenge))
        assert status(replay) == 401
        assert "stale=true" in replay
        assert status(await toto.send(toto.answer(challenge, nc=2))) == 200


@pytest.mark.parametrize("kamailio", [WITHOUT_QOP], indirect=True)
async def test_sha_256_without_qop_and_a_nonce_that_gets_stale(kamailio: Kamailio) -> None:
    async with phone(kamailio) as toto:
        challenge = await toto.send()
        assert "algorithm=SHA-256" in challenge
        assert "qop" not in challenge
        answer = await toto.send(toto.answer(challenge))
        while status(answer) == 200:  # its own OPTIONS, one a second, tells how its time passes
            await toto.inbox.requests.get()
            answer = await toto.send(toto.answer(challenge))
        assert "stale=true" in answer


@pytest.mark.parametrize("kamailio", [STRICT], indirect=True)
async def test_lifetimes_have_limits(kamailio: Kamailio) -> None:
    async with phone(kamailio) as toto:
        brief = await toto.register(expires=59)
        assert status(brief) == 423
        assert "Min-Expires: 60" in brief
        assert await kamailio.bindings("toto") == ()
        assert f"Contact: <{toto.contact}>;expires=120" in await toto.register(expires=600)


@pytest.mark.parametrize("kamailio", [STRICT], indirect=True)
async def test_gruu(kamailio: Kamailio) -> None:
    async with phone(kamailio) as toto:
        answer = await toto.register("Supported: gruu", contact_params=f';+sip.instance="{INSTANCE}"')
        assert 'pub-gruu="sip:toto@example.org;gr=urn:uuid:00000000-0000-1000-8000-000A95A0E128"' in answer
        assert 'temp-gruu="' in answer
        (binding,) = await kamailio.bindings("toto")
        assert binding.instance_id == INSTANCE


@pytest.mark.parametrize("kamailio", [STRICT], indirect=True)
async def test_qualify_asks_and_notes_the_answer(kamailio: Kamailio) -> None:
    async with phone(kamailio) as toto:
        await toto.register()
        assert (await kamailio.bindings("toto"))[0].roundtrip is None
        async with asyncio.timeout(10):
            options = await toto.inbox.requests.get()
            assert options.startswith(f"OPTIONS {toto.contact} SIP/2.0\r\n")
            head = [line for line in options.split("\r\n") if re.match("Via|From|To|Call-ID|CSeq", line)]
            lines = [line + ";tag=2" if line.startswith("To:") else line for line in head]
            toto.transport.sendto("\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0", "", ""]).encode())
            while (await kamailio.bindings("toto"))[0].roundtrip is None:
                await toto.inbox.requests.get()


async def test_rpc_tells_what_went_wrong(kamailio: Kamailio) -> None:
    with pytest.raises(RuntimeError, match=r"no\.such: Method Not Found"):
        await kamailio.rpc("no.such")
