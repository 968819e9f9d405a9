"""belle-sip's suite "Refresher" on the virtual network; `rows.py` has all of it.

Where we do better on purpose the docstring says so.
"""

from __future__ import annotations

import asyncio
import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import pytest

from aiosipreg import AuthInfo, Core, DigestPolicy, Reason, RegistrationError
from aiosipreg.testing import Registrar
from aiosipreg.wire import Response
from tests.accounts import AOR, FAILED, OK, PROGRESS, REFRESHING, TOTO, account, methods, registered, told
from tests.parity.scene import TRUSTING, adding, answers, failing_sends, host, now, packets, requests, uri
from tests.testing.certificates import server_context

if TYPE_CHECKING:
    from aiosipreg.testing.flow import Transport
    from aiosipreg.wire import Challenge, Request

pytestmark = pytest.mark.virtual_clock(delay=0.01)

REALM = "sip.example.org"
INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
MD5 = hashlib.md5(f"toto:{REALM}:secret".encode()).hexdigest()
SHA_256 = hashlib.sha256(f"toto:{REALM}:secret".encode()).hexdigest()


async def refreshed_at(expires_in: Literal["contact", "header"]) -> None:
    """Register for a granted 600 s, less than was asked for, and look when it is renewed."""
    async with Registrar(users=None, expires_in=expires_in, max_expires=600) as registrar:
        async with registered(registrar) as proxy:
            events = proxy.events()
            assert proxy.binding is not None
            assert proxy.binding.expires == 600
            await asyncio.sleep(5 * 600)
        times = [packet.at for packet in packets(registrar)[:-1]]
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert len(pauses) >= 5
        assert all(0.81 * 600 <= pause <= 0.9 * 600 + 0.1 for pause in pauses)
        states = await told(events)
        # Refreshing is told when the refresh is sent, each time; liblinphone tells it after every second one.
        assert states == ["Ok", *["Refreshing", "Ok"] * len(pauses), "Progress", "Cleared"]


async def test_refresher_01_register_expires_header() -> None:
    """Better: at 81 to 90 %, drawn each time, so that accounts that came together do not come back together."""
    await refreshed_at("header")


async def test_refresher_02_register_expires_in_contact() -> None:
    """Better: as for the header."""
    await refreshed_at("contact")


async def life(registrar: Registrar, info: AuthInfo = TOTO, digest: DigestPolicy | None = None) -> list[Challenge]:
    """Register, refresh three times and leave, all on one challenge; what was answered to it."""
    async with registrar, registered(registrar, auth=info, digest=digest) as proxy:
        for _ in range(3):
            await proxy.refresh(timeout=5)
    # Six requests: the first is challenged, and all others have the answer with them.
    assert methods(registrar) == [3600] * 5 + [0]
    return answers(registrar)


async def algorithms(registrar: Registrar, info: AuthInfo, digest: DigestPolicy | None = None) -> set[str | None]:
    """The algorithms of the answers."""
    return {answer.params.get("algorithm") for answer in await life(registrar, info, digest)}


async def test_refresher_03_register_digest() -> None:
    found = await life(Registrar(qop=()))
    assert len({answer.nonce for answer in found}) == 1
    assert {answer.params.get("nc") for answer in found} == {None}


async def test_refresher_04_register_digest_auth() -> None:
    await nonce_is_counted("MD5")


async def test_refresher_05_register_digest_auth_sha_256() -> None:
    await nonce_is_counted("SHA-256")


async def nonce_is_counted(algorithm: str) -> None:
    found = await life(Registrar(algorithms=(algorithm,)))
    assert len({answer.nonce for answer in found}) == 1
    assert [answer.params["nc"] for answer in found] == [f"{count:08x}" for count in range(1, 6)]
    assert {answer.params["algorithm"] for answer in found} == {algorithm}


BOTH = ("MD5", "SHA-256")


async def test_refresher_06_register_digest_auth_md_sha() -> None:
    """The topmost challenge is answered (RFC 8760 2.4), or the strongest where that is the policy."""
    assert await algorithms(Registrar(algorithms=BOTH), TOTO) == {"MD5"}
    assert await algorithms(Registrar(algorithms=BOTH), TOTO, DigestPolicy(strongest_first=True)) == {"SHA-256"}


async def test_refresher_07_register_digest_auth_md_sha_ha1() -> None:
    info = AuthInfo("toto", ha1=MD5, realm=REALM)
    assert await algorithms(Registrar(algorithms=BOTH[::-1]), info) == {"MD5"}


async def test_refresher_08_register_digest_auth_md_sha_256() -> None:
    info = AuthInfo("toto", password="secret", algorithm="SHA-256")
    assert await algorithms(Registrar(algorithms=BOTH), info) == {"SHA-256"}


async def test_refresher_09_register_digest_auth_md_sha_256_ha1() -> None:
    info = AuthInfo("toto", ha1=SHA_256, realm=REALM, algorithm="SHA-256")
    assert await algorithms(Registrar(algorithms=BOTH), info) == {"SHA-256"}


async def test_refresher_10_register_with_failure(sip_registrar: Registrar, monkeypatch: pytest.MonkeyPatch) -> None:
    async with registered(sip_registrar, settings={"expires": 600}) as proxy:
        events = proxy.events()
        failing_sends(monkeypatch)
        assert proxy.refresh_at is not None
        await asyncio.sleep(proxy.refresh_at - now() + 1)
        monkeypatch.undo()
        await proxy.wait_for(OK, timeout=60)
        await proxy.core.stop()
        failures = [event for event in [event async for event in events] if event.reason is not Reason.NONE]
        (failure,) = failures
        assert (failure.state, failure.reason) == (REFRESHING, Reason.IO_ERROR)


POLICIES = {"md5": DigestPolicy(minimum_algorithm="SHA-256"), "qop": DigestPolicy(allow_no_qop=False)}


async def refused(registrar: Registrar, digest: DigestPolicy) -> None:
    async with registrar, Core(auth=TOTO, digest=digest) as core:
        proxy = core.add_proxy_config(account(registrar))
        event = await proxy.wait_for(FAILED, timeout=5)
        assert (event.status, event.reason, event.retry_at) == (401, Reason.AUTH_UNAVAILABLE, None)
        await asyncio.sleep(86_400)
        assert len(registrar.requests) == 1


async def test_refresher_11_register_failed_because_client_does_not_allow_md5() -> None:
    await refused(Registrar(), POLICIES["md5"])


async def test_refresher_12_register_failed_because_client_requires_qop_auth() -> None:
    await refused(Registrar(qop=()), POLICIES["qop"])


async def test_refresher_13_register_successful_with_sha_256_when_md5_is_disabled() -> None:
    assert await algorithms(Registrar(algorithms=BOTH), TOTO, POLICIES["md5"]) == {"SHA-256"}


async def test_refresher_14_register_with_early_refresher(sip_registrar: Registrar) -> None:
    """A refresh that is asked for before the first answer follows it, once; two REGISTERs never cross."""
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(account(sip_registrar))
        for _ in range(3):
            await core.refresh_registers()
            assert proxy.state is PROGRESS
        await proxy.registered(timeout=5)
        await asyncio.sleep(60)
        assert methods(sip_registrar) == [3600, 3600, 3600]


async def test_refresher_15_register_with_retry_after(sip_registrar: Registrar) -> None:
    """Better: told as Failed with ``retry_at`` and ``retry_after``, where liblinphone says Progress all the time."""
    async with Core(auth=TOTO) as core:
        sip_registrar.answer_next(404, headers=[("Retry-After", "120")])
        proxy = core.add_proxy_config(account(sip_registrar))
        event = await proxy.wait_for(FAILED, timeout=5)
        assert (event.status, event.reason, event.retry_after) == (404, Reason.NOT_FOUND, 120)
        assert event.retry_at is not None
        assert event.retry_at - event.at >= 120
        await asyncio.sleep(119)
        assert len(packets(sip_registrar)) == 1
        await proxy.registered(timeout=60)


async def test_refresher_16_register_with_unrecognizable_contact() -> None:
    """Better: the event says that our Contact was not listed, and ``strict_binding`` makes it a failure."""

    def others(_: Request, response: Response) -> Response:
        contacts = [("Contact", f"<sip:toto@192.0.2.{number}>;expires=60") for number in (1, 2)]
        return Response(200, "OK", [row for row in response.headers.items() if row[0] != "Contact"] + contacts)

    async with Registrar(users=None, hook=others) as registrar, registered(registrar) as proxy:
        assert proxy.binding is not None
        assert proxy.binding.expires == 3600
        assert proxy.last_event is not None
        assert (proxy.last_event.state, proxy.last_event.reason) == (OK, Reason.CONTACT_MISMATCH)
        with proxy.edit() as draft:
            draft.strict_binding = True
        with pytest.raises(RegistrationError):
            await proxy.refresh(timeout=5)


async def of_both_families(first: str, second: str, transport: Transport = "udp") -> None:
    """One core that has used the family of the first registrar registers at the second one."""
    by: list[Transport] = [transport]
    by_name = {"udp": "", "tcp": ";transport=tcp"}
    async with (
        Registrar(host=first, transports=by) as one,
        Registrar(host=second, transports=by) as other,
        registered(one) as proxy,
    ):
        assert host(proxy.contact) == first
        there = proxy.core.add_proxy_config(account(other))
        await there.registered(timeout=5)
        assert host(there.contact) == second
        contact = requests(other)[-1].headers.get("Contact") or ""
        literal = f"[{second}]" if ":" in second else second
        assert contact.startswith(f"<sip:toto@{literal}:{uri(there.contact).port}{by_name[transport]}>")
        assert other.requests[-1].peer == (second, uri(there.contact).port)


async def test_refresher_17_register_udp_from_ipv6_to_ipv4() -> None:
    await of_both_families("::1", "127.0.0.1")


async def test_refresher_18_register_udp_from_ipv4_to_ipv6() -> None:
    await of_both_families("127.0.0.1", "::1")


async def test_refresher_21_register_tcp_from_ipv6_to_ipv4() -> None:
    await of_both_families("::1", "127.0.0.1", "tcp")


async def test_refresher_22_register_tcp_from_ipv4_to_ipv6() -> None:
    await of_both_families("127.0.0.1", "::1", "tcp")


async def test_refresher_24_register_tcp_from_ipv6_to_ipv6_with_ipv6() -> None:
    await of_both_families("::1", "::1", "tcp")


async def random_port(family: str) -> None:
    async with Registrar(host=family) as registrar:
        ports = []
        for _ in range(2):
            async with registered(registrar) as proxy:
                ports.append(uri(proxy.contact).port)
                assert registrar.requests[-1].peer[1] == ports[-1]
        assert len(set(ports)) == 2
        assert all(port is not None and port >= 1024 for port in ports)


async def test_refresher_25_register_udp_from_random_port_using_af_inet() -> None:
    await random_port("127.0.0.1")


async def test_refresher_26_register_udp_from_random_port_using_af_inet6() -> None:
    await random_port("::1")


async def next_nonce(*qop: str) -> None:
    found = await life(Registrar(next_nonce=True, one_time_nonce=True, qop=qop))
    assert len({answer.nonce for answer in found}) == len(found) == 5
    assert {answer.params.get("nc") for answer in found} == ({"00000001"} if qop else {None})


async def test_refresher_29_register_digest_with_next_nonce() -> None:
    await next_nonce()


async def test_refresher_30_register_digest_auth_with_next_nonce() -> None:
    await next_nonce("auth")


async def test_refresher_31_register_digest_auth_with_bad_next_nonce(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar) as proxy:
        sip_registrar.hook = adding(("Authentication-Info", 'nextnonce="unknown"'))
        await proxy.refresh(timeout=5)
        sip_registrar.hook = None
        events = proxy.events()
        before = len(methods(sip_registrar))
        await proxy.refresh(timeout=5)
        assert len(methods(sip_registrar)) == before + 2
        await proxy.refresh(timeout=5)
        assert len(methods(sip_registrar)) == before + 3
    assert await told(events) == ["Ok", *["Refreshing", "Ok"] * 2, "Progress", "Cleared"]


def pinging(**options: Any) -> Registrar:
    """A registrar over TCP that wants a ping every 24 to 30 seconds, if it knows outbound."""
    return Registrar(users=None, transports=("tcp",), flow_timer=30, **options)


async def test_refresher_32_register_with_rfc5626_ping_pong_ok() -> None:
    async with pinging() as registrar, Core() as core:
        proxy = core.add_proxy_config(account(registrar, instance_id=INSTANCE, outbound=True))
        await proxy.registered(timeout=5)
        await asyncio.sleep(600)
        assert len(registrar.pings) >= 20
        assert methods(registrar) == [3600]
        assert len(registrar.connections) == 1


async def replaced(registrar: Registrar, *, answered_first: bool) -> None:
    """A registrar whose pongs stop gets another connection, and keeps the binding."""
    async with Core() as core:
        proxy = core.add_proxy_config(account(registrar, instance_id=INSTANCE, outbound=True))
        await proxy.registered(timeout=5)
        if answered_first:
            await asyncio.sleep(100)
        [before] = registrar.connections
        registrar.pongs = False
        event = await proxy.wait_for(REFRESHING, timeout=41)
        assert event.reason is Reason.IO_ERROR
        registrar.pongs = True
        await proxy.wait_for(OK, timeout=61)
        [after] = registrar.connections
        assert after is not before
        assert methods(registrar) == [3600, 3600]


async def test_refresher_33_register_with_rfc5626_ping_pong_nok() -> None:
    async with pinging() as registrar:
        await replaced(registrar, answered_first=True)


async def test_refresher_34_register_with_rfc5626_ping_pong_nok_and_without_verification() -> None:
    """There is no verification to switch off: who agreed to pongs has to send them from the first ping on."""
    async with pinging() as registrar:
        await replaced(registrar, answered_first=False)


async def test_refresher_35_register_with_rfc5626_ping_pong_not_supported_server_side() -> None:
    async with pinging(outbound=False, pongs=False) as registrar, Core() as core:
        proxy = core.add_proxy_config(account(registrar, instance_id=INSTANCE, outbound=True))
        await proxy.registered(timeout=5)
        await asyncio.sleep(1000)
        assert methods(registrar) == [3600]
        assert proxy.state is OK


async def test_refresher_36_register_with_rfc5626_ping_pong_erroneously_supported_server_side() -> None:
    async with pinging(pongs=False) as registrar, Core() as core:
        proxy = core.add_proxy_config(account(registrar, instance_id=INSTANCE, outbound=True))
        await proxy.registered(timeout=5)
        await asyncio.sleep(3600)
        # A new flow each time, after 30 to 60 s, 60 to 120 and so on (OUTB-16); AoR and binding stay.
        assert 4 <= len(methods(registrar)) <= 9
        assert len(registrar.bindings[AOR]) == 1


async def test_refresher_37_transactions_using_different_channel_banks() -> None:
    """Accounts that must not share a connection have one each: here because they trust differently."""
    registrar = Registrar(users=None, transports=["tls"], tls=server_context())
    async with registrar, Core(tls=TRUSTING) as core:
        proxies = [
            core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com", tls=tls))
            for user, tls in (("one", TRUSTING), ("two", TRUSTING.replace(common_name=True)), ("three", TRUSTING))
        ]
        for proxy in proxies:
            await proxy.registered(timeout=5)
        one, two, three = (registrar.bindings[proxy.identity][0].flow for proxy in proxies)
        assert one == three != two
        registrar.connections[0].reset()
        await asyncio.sleep(1)
        assert len({proxy.state for proxy in proxies}) == 2, "one connection is lost, and the other is not"
