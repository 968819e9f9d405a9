"""Section 11 of the requirements on the whole core: secrets that must not show, and a network that means harm."""

from __future__ import annotations

import asyncio
import copy
import itertools
import logging
import pickle
import random
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from aiosipreg import (
    AuthChallenge,
    AuthInfo,
    ConfigError,
    Core,
    ProxyParams,
    Reason,
    RegistrationError,
    RegistrationEvent,
)
from aiosipreg.engine.registration import Registration
from aiosipreg.testing import Faults, Registrar, VirtualNetwork, run
from aiosipreg.wire import Request, parse_message
from tests.accounts import AOR, CLEARED, FAILED, OK, TOTO, account, registered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

DATA = Path(__file__).parent / "data"
KEPT = ("Via", "From", "To", "Call-ID", "CSeq")

virtual = pytest.mark.virtual_clock(delay=0.01)


class Planted:
    """Secrets that look like nothing else, and everything that was shown while they were in use."""

    def __init__(self) -> None:
        self.count = 0
        self.secrets: list[str] = []
        self.shown: list[str] = []

    def secret(self) -> str:
        self.count += 1
        self.secrets.append(f"pLanTed{self.count}sEcret")
        return self.secrets[-1]

    def show(self, *things: object) -> None:
        for thing in things:
            self.shown += [repr(thing), str(thing), f"{thing}"]
            if isinstance(thing, BaseException):
                self.shown += [repr(thing.args), repr(vars(thing))]

    async def outcome(self, waiting: Awaitable[object]) -> None:
        try:
            self.show(await waiting)
        except RegistrationError as error:
            self.show(error)

    def found(self) -> list[str]:
        return [text for text in self.shown for secret in self.secrets if secret in text]


class Handler(logging.Handler):
    """Formats every record of every logger, with its traceback, as a file would get it."""

    def __init__(self, planted: Planted) -> None:
        super().__init__(logging.DEBUG)
        self.planted = planted

    def emit(self, record: logging.LogRecord) -> None:
        self.planted.shown.append(self.format(record))
        self.planted.show(record.msg, record.args)


@pytest.fixture
def planted() -> Iterator[Planted]:
    planted = Planted()
    handler = Handler(planted)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield planted
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@virtual
class TestSecrets:
    async def test_SEC_9_no_secret_shows_in_a_life_at_debug_level(
        self, planted: Planted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Right and wrong passwords, a stored hash, providers that fail, an error of ours, junk, redirects, edits."""
        asyncio.get_running_loop().set_debug(True)
        right, wrong, own, odd = (planted.secret() for _ in range(4))
        ha1 = "0123456789abcdef" * 2
        planted.secrets.append(ha1)

        async def raising(challenge: AuthChallenge) -> AuthInfo | None:
            planted.show(challenge)
            raise LookupError("the vault is closed")

        async def nonsense(challenge: AuthChallenge) -> Any:
            return odd

        async def hanging(challenge: AuthChallenge) -> AuthInfo | None:
            vault = AuthInfo("toto", password=right)
            await asyncio.Event().wait()
            return vault

        infos = [
            AuthInfo("toto", password=right),
            AuthInfo("titi", password=wrong),
            AuthInfo(
                "tata", ha1=ha1, realm="sip.example.org", client_cert=planted.secret(), client_key=planted.secret(),
                key_password=planted.secret(),
            ),
        ]  # fmt: skip
        sources: list[Any] = [AuthInfo("other", password=own), raising, nonsense, hanging]
        events: list[RegistrationEvent] = []
        async with Registrar({"toto": right, "titi": "else"}, one_time_nonce=True) as registrar:
            async with Core(auth=infos, auth_timeout=3) as core:
                stream = core.events()
                accounts = [core.add_proxy_config(account(registrar, f"sip:{i.username}@titi.com")) for i in infos]
                accounts += [core.add_proxy_config(account(registrar, auth=source)) for source in sources]
                broken = core.add_proxy_config(account(registrar, id="broken", auth=AuthInfo("toto", password=right)))
                await broken.registered(timeout=5)
                monkeypatch.setattr(Registration, "received", lambda *_: 1 / 0)
                with pytest.raises(RegistrationError) as caught:
                    await broken.refresh()
                monkeypatch.undo()
                planted.show(caught.value)
                for proxy in accounts:
                    await planted.outcome(proxy.register(timeout=30))
                for status in (302, 401, 403, 407, 423, 500):
                    registrar.answer_next(status, headers=[("Contact", "<sip:192.0.2.1>"), ("Min-Expires", "7200")])
                    await planted.outcome(accounts[0].register(timeout=5))
                    await planted.outcome(accounts[0].refresh(timeout=5))
                    await asyncio.sleep(2)
                draft = accounts[0].edit()
                draft.auth = AuthInfo("toto", password=planted.secret())
                planted.show(draft, draft.auth)
                draft.done()
                await asyncio.sleep(10)
                planted.show(core, core.stats, core.auth_infos, core._hub, registrar.bindings, *core.proxy_configs)
                planted.show(*(proxy.params for proxy in core.proxy_configs), *asyncio.all_tasks())
            async for event in stream:
                events.append(event)
                planted.show(event)
                planted.shown.append(pickle.dumps(event).decode("latin-1"))
        assert {event.reason for event in events} >= {
            Reason.UNAUTHORIZED, Reason.AUTH_PROVIDER_FAILED, Reason.INTERNAL, Reason.FORBIDDEN,
        }  # fmt: skip
        assert any("ZeroDivisionError" in text for text in planted.shown)
        assert any("the vault is closed" in text for text in planted.shown)
        assert planted.found() == []
        # Nor what could be tried offline: no response, nonce or Authorization row is logged (wire traces are off).
        responses = [re.search(rb'response="(\w+)"', packet.data) for packet in registrar.requests]
        proofs = [match[1].decode() for match in responses if match is not None]
        assert proofs
        assert [text for text in planted.shown for proof in proofs if proof in text] == []

    def test_SEC_9_nor_when_settings_are_refused(self, planted: Planted) -> None:
        secret = planted.secret()
        wrong: list[tuple[type[Any], tuple[Any, ...], dict[str, Any]]] = [
            (AuthInfo, ("toto",), {"password": secret, "ha1": secret}),
            (AuthInfo, ("toto",), {"client_key": secret}),
            (AuthInfo, ("toto",), {"client_cert": f" {secret}", "client_key": [secret]}),
            (AuthInfo, ("toto",), {"ha1": secret, "realm": "titi.com"}),
            (AuthInfo, ("toto",), {"ha1": "0" * 32}),
            (AuthInfo, ("to:to",), {"password": secret}),
            (AuthInfo, ("",), {"password": secret}),
            (AuthInfo, ("toto",), {"password": secret, "realm": "a\r\nb"}),
            (Core, (), {"auth": [secret]}),
            (Core, (), {"auth": secret}),
            (ProxyParams, (AOR,), {"auth": secret}),
            (ProxyParams, (f"sip:toto:{secret}@titi.com",), {}),
            (ProxyParams, (AOR,), {"server": f"sip:toto:{secret}@titi.com"}),
            (ProxyParams, (AOR,), {"routes": (f"sip:toto:{secret}@titi.com",)}),
        ]
        for kind, arguments, fields in wrong:
            with pytest.raises((ConfigError, TypeError)) as caught:
                kind(*arguments, **fields)
            planted.show(caught.value)
        assert planted.found() == []

    def test_SEC_9_settings_show_who_and_not_what(self, planted: Planted) -> None:
        info = AuthInfo("toto", password=planted.secret())
        planted.show(info, ProxyParams(AOR, auth=info), [info], {"info": info}, Core(auth=info))
        assert any("toto" in text for text in planted.shown)
        assert planted.found() == []

    async def test_an_event_can_be_kept_and_sent_elsewhere_without_its_account(
        self, sip_registrar: Registrar, planted: Planted
    ) -> None:
        async with registered(sip_registrar) as proxy:
            event = cast("RegistrationEvent", proxy.last_event)
        arrived = pickle.loads(pickle.dumps(event))
        assert arrived.proxy_config is None
        for name in ("identity", "server", "old", "state", "reason", "status", "binding", "expires_at", "target", "at"):
            assert getattr(arrived, name) == getattr(event, name)
        assert copy.copy(event) is event
        assert copy.deepcopy([event])[0] is event
        for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="its params can"):
                duplicate(proxy)
        assert pickle.loads(pickle.dumps(proxy.params)) == proxy.params


INJECTED = ["a\r\nVia: b", "a\nb", "a\rb", "a\0b", "a\x1bb", "a\x7fb"]
FIELDS: dict[str, Any] = {
    "identity": lambda text: ProxyParams(f"sip:{text}@titi.com"),
    "identity host": lambda text: ProxyParams(f"sip:toto@{text}"),
    "identity name": lambda text: ProxyParams(f'"{text}" <sip:toto@titi.com>'),
    "server": lambda text: ProxyParams(AOR, server=f"sip:{text}"),
    "server parameter": lambda text: ProxyParams(AOR, server=f"sip:titi.com;x={text}"),
    "route": lambda text: ProxyParams(AOR, routes=(f"sip:{text}",)),
    "realm": lambda text: ProxyParams(AOR, realm=text),
    "contact parameter": lambda text: ProxyParams(AOR, contact_params={text: "1"}),
    "contact parameter value": lambda text: ProxyParams(AOR, contact_params={"x": text}),
    "contact uri parameter": lambda text: ProxyParams(AOR, contact_uri_params={text: "1"}),
    "contact uri parameter value": lambda text: ProxyParams(AOR, contact_uri_params={"x": text}),
    "header": lambda text: ProxyParams(AOR, headers=((text, "1"),)),
    "header value": lambda text: ProxyParams(AOR, headers=(("X-Mine", text),)),
    "supported": lambda text: ProxyParams(AOR, supported=(text,)),
    "instance id": lambda text: ProxyParams(AOR, instance_id=f"urn:{text}"),
    "depends on": lambda text: ProxyParams(AOR, depends_on=text),
    "ref key": lambda text: ProxyParams(AOR, ref_key=text),
    "id": lambda text: ProxyParams(AOR, id=text),
    "username": lambda text: AuthInfo(text, password="secret"),
    "userid": lambda text: AuthInfo("toto", userid=text, password="secret"),
    "auth realm": lambda text: AuthInfo("toto", realm=text, password="secret"),
    "auth domain": lambda text: AuthInfo("toto", domain=text, password="secret"),
    "auth algorithm": lambda text: AuthInfo("toto", algorithm=text, password="secret"),
    "user agent": lambda text: Core(user_agent=text),
}


@pytest.mark.parametrize("text", INJECTED, ids=repr)
@pytest.mark.parametrize("name", FIELDS)
def test_SEC_11_control_octets_are_refused_everywhere(name: str, text: str) -> None:
    with pytest.raises(ConfigError):
        FIELDS[name](text)


@virtual
async def test_SEC_11_odd_but_legal_values_stay_in_their_place(sip_registrar: Registrar) -> None:
    odd = '";,<>\\ %41=?&é€'
    info = AuthInfo("toto", password=odd)
    async with Registrar({"toto": odd}) as registrar, Core(auth=info, user_agent=odd) as core:
        params = account(
            registrar,
            f'"{odd.replace(chr(92), "").replace(chr(34), "")}" <sip:toto@titi.com>',
            contact_params={"x": odd},
            contact_uri_params={"y": odd},
            headers=(("X-Mine", odd),),
            ref_key=odd,
            id=odd,
        )
        proxy = core.add_proxy_config(params)
        await proxy.registered(timeout=5)
        request = registrar.requests[-1].request
        assert len(request.vias) == len(request.contacts) == 1
        assert request.contacts[0].params["x"] == odd
        assert request.headers.get("X-Mine") == odd
        assert request.headers.get("User-Agent") == odd
        assert proxy.contact is not None


@virtual
class TestWhatLeaves:
    async def test_SEC_14_35_nothing_can_be_guessed_and_nothing_tells_of_us(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            assert isinstance(core._setup.random, random.SystemRandom)
            for _ in range(20):
                await core.add_proxy_config(account(sip_registrar)).registered(timeout=5)
        requests = [packet.request for packet in sip_registrar.requests]
        calls = {request.call_id for request in requests}
        branches = [request.via.branch for request in requests if request.via is not None]
        tags = {request.from_.tag for request in requests if request.from_ is not None}
        assert len(calls) == len(tags) == 20
        assert len(set(branches)) == len(branches) == 60
        for text in (*calls, *branches, *tags):
            assert text is not None
            assert re.fullmatch(r"(z9hG4bK)?[0-9a-f]{16,}", text)
            assert socket.gethostname() not in text
            assert "toto" not in text
        for call_id in calls:
            assert len(call_id or "") >= 24

    async def test_SEC_13_headers_of_ours_cannot_be_replaced(self) -> None:
        for name in ("Via", "v", "CSeq", "Call-ID", "i", "Max-Forwards", "Content-Length", "l", "Authorization"):
            with pytest.raises(ConfigError, match="does not set itself"):
                ProxyParams(AOR, headers=((name, "1"),))

    async def test_AUTH_34_another_registrar_gets_no_proof_of_the_secret(self, sip_registrar: Registrar) -> None:
        """Its challenge with the realm of the first one is not answered before it comes, and then for itself."""
        async with Registrar({"toto": "secret"}) as other, registered(sip_registrar) as proxy:
            with proxy.edit() as draft:
                draft.server = other.uri
            await proxy.wait_for(CLEARED, timeout=5)
            await proxy.registered(timeout=5)
            first = other.requests[0].request
            assert first.headers.get("Authorization") is None


@virtual
class TestHarm:
    async def test_ROB_1_torture_messages_do_no_harm(
        self, sip_registrar: Registrar, caplog: pytest.LogCaptureFixture
    ) -> None:
        files = sorted(path for path in (*DATA.glob("torture/*"), *DATA.glob("wild/*")) if path.suffix != ".json")
        assert len(files) > 40
        async with registered(sip_registrar) as proxy:
            (binding,) = sip_registrar.bindings[AOR]
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
            )
            for path in files:
                transport.sendto(path.read_bytes(), binding.source)
                await asyncio.sleep(0.1)
            transport.close()
            stats = proxy.core.stats
            assert stats.dropped["error"] == 0
            assert sum(stats.dropped.values()) + stats.requests == len(files)
            await proxy.refresh(timeout=5)
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

    async def test_SEC_15_an_answer_that_was_not_asked_for_changes_nothing(self, sip_registrar: Registrar) -> None:
        """Somebody who saw an earlier exchange sends its 200 and a 403 from the right address."""
        async with registered(sip_registrar) as proxy:
            seen = sip_registrar.responses[-1]
            forged = seen.data.replace(b"SIP/2.0 200 OK", b"SIP/2.0 403 Forbidden")
            for data in (seen.data, forged, forged.replace(b"z9hG4bK", b"z9hG4bKx")):
                sip_registrar._listeners.send_datagram(data, seen.peer)
            await asyncio.sleep(1)
            assert proxy.state is OK
            assert proxy.core.stats.dropped == {"repeated": 2, "unmatched": 1}

    async def test_dropped_messages_are_counted_under_few_words(self, sip_registrar: Registrar) -> None:
        """Text of the network must not become names of counters, for they are kept."""
        numbers = itertools.count()

        def muddled(request: Request, header: str) -> bytes:
            rows = [(name, value) for name, value in request.headers.items() if name in KEPT]
            lines = [f"{name}: {f'<{next(numbers)}' if name == header else value}" for name, value in rows]
            return "\r\n".join(["SIP/2.0 200 OK", *lines, "", ""]).encode()

        sip_registrar.answer_next(None, times=20)
        async with Core(auth=TOTO) as core:
            core.add_proxy_config(account(sip_registrar))
            for _ in range(5):
                packet = await sip_registrar.wait_for_request(len(sip_registrar.requests) + 1)
                for header in KEPT:
                    sip_registrar._listeners.send_datagram(muddled(packet.request, header), packet.peer)
            await asyncio.sleep(0.5)
            assert sum(core.stats.dropped.values()) == 25
            assert len(core.stats.dropped) <= 6
            sip_registrar.faults = Faults(silence=True)

    async def test_SEC_38_what_the_network_says_cannot_steer_a_terminal(
        self, sip_registrar: Registrar, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        phrase = "No\u202e %s %d {} \u2028" + "x" * 2000
        sip_registrar.answer_next(500, phrase, headers=[("Warning", f'399 x "{phrase}"')])
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            event = await proxy.wait_for(FAILED, timeout=5)
            for text in (event.phrase, event.message, *event.warnings, caplog.text):
                assert "\u202e" not in text
                assert "\u2028" not in text
            assert len(event.phrase) <= 512
            assert len(event.warnings[0]) <= 512

    async def test_SEC_21_no_answer_holds_us_off_for_longer_than_an_hour(self, sip_registrar: Registrar) -> None:
        sip_registrar.answer_next(503, headers=[("Retry-After", "4294967295")])
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar))
            event = await proxy.wait_for(FAILED, timeout=5)
            assert event.retry_after == 3600
            assert event.retry_at is not None
            assert event.retry_at <= event.at + 3600

    async def test_SEC_27_a_registrar_that_grants_seconds_is_no_storm(self) -> None:
        async with Registrar({"toto": "secret"}, max_expires=1) as registrar, registered(registrar):
            await asyncio.sleep(600)
            assert len(registrar.requests) <= 610

    async def test_SEC_23_a_registrar_that_challenges_for_ever(self) -> None:
        async with Registrar({"toto": "secret"}, nonce_lifetime=-1.0) as registrar, Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(registrar))
            await proxy.wait_for(FAILED, timeout=5)
            assert len(registrar.requests) <= 7


JUNK = (b"", b"\0", b"\r\n", b'"', b";;", b",", b"<", b"\xff\xfe", b"99999999999999", b" ")


class Mutator(asyncio.DatagramProtocol):
    """A registrar whose every answer is damaged on the way, each time in another place."""

    transport: asyncio.DatagramTransport

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        request = parse_message(data)
        assert isinstance(request, Request)
        for _ in range(20):
            self.transport.sendto(self.damaged(self.answer(request)), addr)
            self.sent += 1

    def answer(self, request: Request) -> bytes:
        status = self.chance.choice((100, 200, 200, 200, 302, 401, 407, 420, 423, 500, 503))
        rows = [f"{name}: {value}" for name, value in request.headers.items() if name in KEPT]
        contact = request.headers.get("Contact") or "*"
        rows += [
            f"Contact: {contact}",
            "Expires: 100",
            'WWW-Authenticate: Digest realm="titi.com", nonce="abc", qop="auth", algorithm=MD5, opaque=""',
            'Proxy-Authenticate: Digest realm="titi.com", nonce="abc", stale=true',
            'Authentication-Info: nextnonce="def", rspauth="0", qop=auth, cnonce="1", nc=00000001',
            "Min-Expires: 200",
            "Retry-After: 5 (soon);duration=3",
            "Service-Route: <sip:a;lr>, <sip:b;lr>",
            "Path: <sip:c;lr>",
            "P-Associated-URI: <sip:toto@titi.com>",
            'Warning: 399 titi "hm"',
            "Unsupported: path",
            "Require: path",
        ]
        return "\r\n".join([f"SIP/2.0 {status} Whatever", *rows, "Content-Length: 0", "", ""]).encode()

    def damaged(self, data: bytes) -> bytes:
        for _ in range(self.chance.randrange(3)):
            start = self.chance.randrange(len(data))
            end = min(len(data), start + self.chance.choice((0, 1, 1, 2, 8, 40)))
            junk = self.chance.choice(
                (b"", b"\0", b"\r\n", b'"', b";;", b",", b"<", b"\xff\xfe", b"99999999999999", b" ")
            )
            data = data[:start] + junk + data[end:]
        return data


@pytest.mark.parametrize("seed", range(4))
def test_ROB_8_damaged_answers_are_no_errors_of_ours(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    events: list[RegistrationEvent] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, mutator = await loop.create_datagram_endpoint(lambda: Mutator(seed), local_addr=("127.0.0.1", 5060))
        async with Core(auth=AuthInfo("toto", password="secret")) as core:
            stream = core.events(buffer=100_000)
            server = "sip:127.0.0.1:5060"
            proxies = [core.add_proxy_config(ProxyParams(AOR, server=server, expires=60)) for _ in range(5)]
            while mutator.sent < 3000:
                await asyncio.sleep(60)
                for proxy in proxies:
                    if proxy.state is FAILED and proxy.retry_at is None:
                        proxy._enter(lambda machine, now: machine.register(now))
            assert core.stats.dropped["error"] == 0
            assert sum(core.stats.dropped.values()) > 1000
        events.extend([event async for event in stream])
        transport.close()

    run(main(), network=VirtualNetwork(delay=0.01, seed=seed))
    assert len({event.status for event in events}) > 3
    assert [event for event in events if event.reason is Reason.INTERNAL] == []
    assert caplog.text == ""
