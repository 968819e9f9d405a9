"""liblinphone's suite "Register" without what is about connections; `rows.py` has all of it.

Where we do better on purpose the docstring says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from aiosipreg import AuthInfo, Core, DigestPolicy, DnsParams, ProxyParams, Reason, TransportParams
from aiosipreg.net import resolver
from aiosipreg.testing import Registrar
from aiosipreg.wire import Response
from tests.accounts import AOR, CLEARED, FAILED, NONE, OK, PROGRESS, REFRESHING, TOTO, account, methods, registered
from tests.parity.scene import TRUSTING, Asking, adding, counted, failing_sends, host, now, packets, requests, uri
from tests.testing.certificates import server_context

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from aiosipreg.testing.flow import Transport
    from aiosipreg.wire import Request

pytestmark = pytest.mark.virtual_clock(delay=0.01)

NOBODY = "sip:127.0.0.99:5060"
REALM = "sip.example.org"
HA1 = {
    "MD5": hashlib.md5(f"toto:{REALM}:secret".encode()).hexdigest(),
    "SHA-256": hashlib.sha256(f"toto:{REALM}:secret".encode()).hexdigest(),
}


async def test_register_01_simple_register() -> None:
    asked = Asking()
    async with Registrar(users=None) as registrar:
        async with Core(auth=asked) as core:
            proxy = core.add_proxy_config(account(registrar, expires=1))
            events = proxy.events()
            await proxy.registered(timeout=5)
        assert await counted(events) == {"Progress": 2, "Ok": 1, "Cleared": 1}
    assert asked.count == 0


async def test_register_02_simple_register_unregister() -> None:
    async with Registrar(users=None) as registrar, registered(registrar) as proxy:
        events = proxy.events()
        draft = proxy.edit()
        await asyncio.sleep(3)
        draft.register = False
        await asyncio.sleep(3)
        assert len(registrar.requests) == 1
        assert proxy.state is OK
        draft.done()
        await proxy.wait_for(CLEARED, timeout=5)
        assert registrar.bindings == {}
    assert await counted(events) == {"Ok": 1, "Progress": 1, "Cleared": 1}


async def test_register_05_udp_register() -> None:
    """Better: a route is used for REGISTER too, so one that leads nowhere is told and not ignored."""
    async with Registrar(users=None) as registrar:
        async with Core() as core:
            proxy = core.add_proxy_config(account(registrar, routes=(NOBODY,)))
            events = proxy.events()
            failed = await proxy.wait_for(FAILED, timeout=60)
            assert (failed.reason, failed.target) == (Reason.NO_RESPONSE, "udp:127.0.0.99:5060")
            assert registrar.requests == ()
            with proxy.edit() as draft:
                draft.routes = (registrar.uri,)
            await proxy.registered(timeout=5)
            assert requests(registrar)[0].headers.get("Route") == f"<{registrar.uri};lr>"
        assert (await counted(events))["Cleared"] == 1


async def test_register_06_register_with_custom_headers(sip_registrar: Registrar) -> None:
    sip_registrar.hook = adding(("Server", "registrar/1.0"))
    async with Core(auth=TOTO) as core:
        core.network_reachable = False
        proxy = core.add_proxy_config(account(sip_registrar))
        events = proxy.events()
        with proxy.edit() as draft:
            draft.headers = (("X-Mine", "value"),)
        await asyncio.sleep(3)
        assert (sip_registrar.requests, proxy.last_response) == ((), None)
        core.network_reachable = True
        await proxy.registered(timeout=5)
        assert {request.headers.get("X-Mine") for request in requests(sip_registrar)} == {"value"}
        assert proxy.last_response is not None
        assert proxy.last_response.headers.get("server") == "registrar/1.0"
        await core.clear_proxy_configs()
    assert (await counted(events))["Cleared"] == 1


async def with_credentials(info: AuthInfo, algorithm: str) -> tuple[Counter[str], str | None]:
    """Register and leave with these credentials: what was told, and the algorithm that answered."""
    async with Registrar(algorithms=(algorithm,), realm=REALM) as registrar:
        async with Core(auth=info) as core:
            proxy = core.add_proxy_config(account(registrar))
            events = proxy.events()
            await proxy.registered(timeout=5)
            used = proxy.algorithm
        # One challenge in a whole life: it is answered, and its nonce serves the removal too.
        assert methods(registrar) == [3600, 3600, 0]
        return await counted(events), used


LIFE = {"Progress": 2, "Ok": 1, "Cleared": 1}


async def test_register_17_simple_authenticated_register() -> None:
    assert await with_credentials(TOTO, "MD5") == (LIFE, "MD5")


async def test_register_18_simple_authenticated_register_sha_256() -> None:
    assert await with_credentials(AuthInfo("toto", password="secret", algorithm="SHA-256"), "SHA-256") == (
        LIFE,
        "SHA-256",
    )


async def test_register_19_simple_authenticated_register_sha_256_from_cleartext_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Better: nothing is written anywhere; the secret stays in the one place where the application has put it."""
    caplog.set_level(logging.DEBUG)
    async with Registrar(algorithms=("SHA-256",)) as registrar:
        async with registered(registrar) as proxy:
            assert proxy.algorithm == "SHA-256"
            assert proxy.core.auth_infos == (TOTO,)
            assert "secret" not in repr((proxy.params, proxy.core.auth_infos, proxy.last_event))
        assert not any(b"secret" in packet.data for packet in registrar.requests)
    assert "secret" not in caplog.text


async def test_register_20_ha1_authenticated_register() -> None:
    assert await with_credentials(AuthInfo("toto", ha1=HA1["MD5"], realm=REALM), "MD5") == (LIFE, "MD5")


async def test_register_21_ha1_authenticated_register_sha_256() -> None:
    info = AuthInfo("toto", ha1=HA1["SHA-256"], realm=REALM, algorithm="SHA-256")
    assert await with_credentials(info, "SHA-256") == (LIFE, "SHA-256")


async def test_register_22_digest_auth_without_initial_credentials(sip_registrar: Registrar) -> None:
    asked = Asking(TOTO)
    async with registered(sip_registrar, auth=asked) as proxy:
        events = proxy.events()
        assert asked.count == 1
    assert await counted(events) == {"Ok": 1, "Progress": 1, "Cleared": 1}


async def test_register_23_digest_auth_with_wrong_credentials() -> None:
    """Better: a wrong password is sent once; liblinphone sends it again and again, and servers ban clients for it."""
    asked = Asking(AuthInfo("toto", password="wrong"))
    async with Registrar(wrong_password=403) as registrar, Core(auth=asked) as core:
        proxy = core.add_proxy_config(account(registrar))
        events = proxy.events()
        event = await proxy.wait_for(FAILED, timeout=5)
        assert (event.status, event.phrase, event.warnings) == (403, "Forbidden", ())
        assert (event.reason, event.retry_at) == (Reason.FORBIDDEN, None)
        await asyncio.sleep(86_400)
        assert (len(registrar.requests), asked.count) == (2, 1)
        await core.remove_proxy_config(proxy)
        assert await counted(events) == {"Progress": 1, "Failed": 1, "Cleared": 1}


async def test_register_24_digest_auth_with_wrong_credentials_check_if_registration_attempts_are_stopped() -> None:
    """Better: with ``retry_403`` it is tried again slowly, and that ends too when the registration is disabled."""
    asked = Asking(AuthInfo("toto", password="wrong"))
    async with Registrar(wrong_password=403) as registrar, Core(auth=asked) as core:
        proxy = core.add_proxy_config(account(registrar, retry_403=True))
        await proxy.wait_for(FAILED, timeout=5)
        await asyncio.sleep(7200)
        before = (len(registrar.requests), asked.count)
        assert before > (2, 1)
        with proxy.edit() as draft:
            draft.register = False
        assert proxy.state is CLEARED
        await asyncio.sleep(86_400)
        assert (len(registrar.requests), asked.count) == before


async def test_register_25_digest_auth_with_wrong_credentials_without_403(sip_registrar: Registrar) -> None:
    """Better: asked once and told Failed for good, until something changes."""
    asked = Asking(AuthInfo("toto", password="wrong"))
    async with Core(auth=asked) as core:
        proxy = core.add_proxy_config(account(sip_registrar))
        event = await proxy.wait_for(FAILED, timeout=5)
        assert (event.reason, event.status, event.retry_at) == (Reason.UNAUTHORIZED, 401, None)
        await asyncio.sleep(86_400)
        assert (len(sip_registrar.requests), asked.count) == (2, 1)


async def test_register_26_authenticated_register_with_wrong_late_credentials(sip_registrar: Registrar) -> None:
    """The second failure is told by its event; the provider, which knew nothing, is not bothered again."""
    asked = Asking()
    async with Core(auth=asked) as core:
        proxy = core.add_proxy_config(account(sip_registrar))
        events = proxy.events()
        await proxy.wait_for(FAILED, timeout=5)
        core.add_auth_info(AuthInfo("toto", password="wrong"))
        await asyncio.sleep(60)
        assert proxy.last_event is not None
        assert (proxy.last_event.state, proxy.last_event.reason) == (FAILED, Reason.UNAUTHORIZED)
        await core.remove_proxy_config(proxy)
    told = await counted(events)
    assert (told["Progress"], told["Failed"], asked.count) == (2, 2, 1)


async def test_register_27_authenticated_register_with_late_credentials(sip_registrar: Registrar) -> None:
    asked = Asking()
    async with Core(auth=asked) as core:
        proxy = core.add_proxy_config(account(sip_registrar))
        events = proxy.events()
        failed = await proxy.wait_for(FAILED, timeout=5)
        # Its own word, because nothing was refused yet.
        assert (failed.status, failed.reason, failed.retry_at) == (401, Reason.AUTH_UNAVAILABLE, None)
        await asyncio.sleep(600)
        core.add_auth_info(TOTO)
        assert proxy.state is PROGRESS
        await proxy.registered(timeout=5)
        assert asked.count == 1
    assert await counted(events) == {"Progress": 3, "Failed": 1, "Ok": 1, "Cleared": 1}


async def test_register_28_authenticated_register_with_provided_credentials(sip_registrar: Registrar) -> None:
    """Better: nothing is kept but in memory, and credentials that name no realm never go to another server."""
    info = AuthInfo("toto", password="secret")
    assert (info.realm, info.domain) == (None, None)
    async with registered(sip_registrar, auth=info) as proxy:
        assert proxy.core.auth_infos == (info,)


async def test_register_29_authenticated_register_with_provided_credentials_username_with_space() -> None:
    async with Registrar(users={"toto le heros": "secret"}) as registrar:
        async with Core(auth=AuthInfo("toto le heros", password="secret")) as core:
            proxy = core.add_proxy_config(account(registrar, "sip:toto%20le%20heros@sip.titi.com"))
            await proxy.registered(timeout=5)
            answer = requests(registrar)[-1]
            assert answer.headers.get("To") == "<sip:toto%20le%20heros@sip.titi.com>"
            assert 'username="toto le heros"' in (answer.headers.get("Authorization") or "")
        assert registrar.bindings == {}


async def test_register_30_register_with_refresh() -> None:
    async with Registrar(users=None) as registrar, registered(registrar, settings={"expires": 10}) as proxy:
        events = proxy.events()
        await asyncio.sleep(60)
        assert len(registrar.bindings[AOR]) == 1
    assert (await counted(events))["Ok"] >= 2


async def test_register_31_register_with_custom_refresh_period() -> None:
    settings = {"expires": 20, "refresh_window": (0.2, 0.5)}
    async with Registrar(users=None) as registrar:
        for _ in range(2):  # The settings are the application's: another core takes them as the first one did.
            before = len(registrar.requests)
            async with registered(registrar, settings=settings):
                await asyncio.sleep(100)
            times = [packet.at for packet in packets(registrar)[before:-1]]
            pauses = [later - earlier for earlier, later in pairwise(times)]
            assert len(pauses) >= 10
            assert all(0.2 * 20 <= pause <= 0.5 * 20 + 0.1 for pause in pauses)
            assert max(pauses) - min(pauses) > 1


async def test_register_32_authenticated_register_with_refresh(sip_registrar: Registrar) -> None:
    asked = Asking(TOTO)
    async with registered(sip_registrar, auth=asked, settings={"expires": 10}) as proxy:
        events = proxy.events()
        await asyncio.sleep(60)
    assert (await counted(events))["Ok"] >= 2
    assert asked.count == 1


async def test_register_33_register_with_refresh_and_send_error(
    sip_registrar: Registrar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better: Refreshing, not Progress, for the binding is alive; and the event says when it is tried again."""
    async with registered(sip_registrar, settings={"expires": 600}) as proxy:
        events = proxy.events()
        failing_sends(monkeypatch)
        assert proxy.refresh_at is not None
        await asyncio.sleep(proxy.refresh_at - now() + 1)
        assert proxy.state is REFRESHING
        assert proxy.last_event is not None
        assert proxy.last_event.reason is Reason.IO_ERROR
        assert proxy.last_event.retry_at is not None
        monkeypatch.undo()
        await proxy.wait_for(OK, timeout=60)
        assert len(sip_registrar.bindings[AOR]) == 1
    told = await counted(events)
    assert (told["Failed"], told["Ok"]) == (0, 2)


async def test_register_34_multi_account() -> None:
    """Four accounts at four registrars, over IPv4 and IPv6, by UDP, TCP and TLS."""
    users = {f"user{number}": "secret" for number in range(4)}
    places: list[tuple[str, Transport]] = [("127.0.0.1", "udp"), ("::1", "udp"), ("::1", "tcp"), ("127.0.0.1", "tls")]
    async with AsyncExitStack() as stack:
        registrars = [
            await stack.enter_async_context(Registrar(users, host=host, transports=[by], tls=server_context()))
            for host, by in places
        ]
        infos = [AuthInfo(user, password=secret) for user, secret in users.items()]
        async with Core(auth=infos, tls=TRUSTING) as core:
            proxies = [
                core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com"))
                for user, registrar in zip(users, registrars, strict=True)
            ]
            for proxy in proxies:
                await proxy.registered(timeout=5)
            assert [len(registrar.bindings) for registrar in registrars] == [1] * 4
        assert [proxy.state for proxy in proxies] == [CLEARED] * 4
        assert not any(registrar.bindings for registrar in registrars)


async def test_register_38_proxy_transport_changes_with_wrong_address_at_first(sip_registrar: Registrar) -> None:
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(ProxyParams(AOR, server=NOBODY))
        events = proxy.events()
        await proxy.wait_for(FAILED, timeout=33)
        with proxy.edit() as draft:
            draft.server = sip_registrar.uri
        await proxy.registered(timeout=5)
        await core.remove_proxy_config(proxy)
    states = [str(event.state) async for event in events]
    assert (states[:2], states[-1]) == (["Progress", "Failed"], "Cleared")
    assert states.count("Ok") == states.count("Failed") == 1


async def test_register_39_proxy_transport_changes_with_wrong_address_giving_up() -> None:
    """A removal is tried for four seconds, because only the answer may have been lost; then nothing more is sent."""
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(ProxyParams(AOR, server=NOBODY))
        events = proxy.events()
        await proxy.wait_for(FAILED, timeout=33)
        with proxy.edit() as draft:
            draft.register = False
        await proxy.wait_for(NONE, timeout=4.1)
        sent = core.stats.sent
        await asyncio.sleep(3600)
        assert core.stats.sent == sent
    assert await counted(events) == {"Progress": 2, "Failed": 1, "None": 1}


async def test_register_40_change_expires(sip_registrar: Registrar) -> None:
    """Better: a lifetime of seconds is renewed at half of it, so that one lost packet does not lose the binding."""
    async with registered(sip_registrar) as proxy:
        with proxy.edit() as draft:
            draft.expires = 3
        edited = await sip_registrar.wait_for_request(lambda packet: packet.request.expires == 3)
        count = len(packets(sip_registrar))
        await asyncio.sleep(edited.at + 1.3 - now())
        assert len(packets(sip_registrar)) == count
        await asyncio.sleep(0.3)
        assert len(packets(sip_registrar)) == count + 1
        assert methods(sip_registrar)[-2:] == [3, 3]


async def test_register_41_network_state_change() -> None:
    """Better: an account whose binding is alive says Refreshing, with the reason; None would say there is nothing."""
    users = {f"user{number}": "secret" for number in range(4)}
    async with Registrar(users) as registrar:
        async with Core(auth=[AuthInfo(user, password="secret") for user in users]) as core:
            proxies = [core.add_proxy_config(account(registrar, f"sip:{user}@sip.titi.com")) for user in users]
            for proxy in proxies:
                await proxy.registered(timeout=5)
            events = core.events()
            core.network_reachable = False
            before = len(registrar.requests)
            await asyncio.sleep(600)
            assert len(registrar.requests) == before
            core.network_reachable = True
            for proxy in proxies:
                await proxy.wait_for(OK, timeout=5)
            await core.stop()
            told = [event async for event in events]
        down = [event for event in told if event.reason is Reason.NETWORK_DOWN]
        assert [event.proxy_config for event in down] == proxies
        assert {event.state for event in down} == {REFRESHING}
        later = [event for event in told if event.at > down[0].at and event.at < now() - 1]
        assert PROGRESS not in {event.state for event in later}


async def test_register_46_simple_redirect(sip_registrar: Registrar) -> None:
    async with Registrar(users=None) as first:

        def moved(_request: Request, _response: Response) -> Response:
            return Response(302, "Moved Temporarily", [("Contact", f"<{sip_registrar.uri}>")])

        first.hook = moved
        async with registered(first) as proxy:
            events = proxy.events()
            assert len(first.requests) == 1
            assert AOR in sip_registrar.bindings
            # The place that took us is the one to go to from now on.
            await proxy.refresh(timeout=5)
            assert len(first.requests) == 1
        assert sip_registrar.bindings == {}
    assert (await counted(events))["Ok"] == 2


async def test_register_54_update_contact_private_ip_address() -> None:
    """Better: the request that brings the right Contact takes the wrong one away, which liblinphone leaves behind."""

    def through_a_nat(_request: Request, response: Response) -> Response:
        rows = [(name, value.replace("=127.0.0.1", "=203.0.113.7")) for name, value in response.headers.items()]
        return Response(response.status, response.reason, rows)

    async with Registrar(users=None, hook=through_a_nat) as registrar:
        async with registered(registrar) as proxy:
            events = proxy.events()
            first, second = [[(host(entry), entry.expires) for entry in sent.contacts] for sent in requests(registrar)]
            assert first == [("127.0.0.1", 3600)]
            assert second == [("203.0.113.7", 3600), ("127.0.0.1", 0)]
            assert host(proxy.contact) == "203.0.113.7"
        # The account was in Progress, without a contact, until the corrected one was bound.
        assert await counted(events) == {"Ok": 1, "Progress": 1, "Cleared": 1}


async def test_register_55_register_with_specific_client_port(sip_registrar: Registrar) -> None:
    for _ in range(2):
        async with registered(sip_registrar, transports=TransportParams(udp=12088)) as proxy:
            assert uri(proxy.contact).port == 12088
            assert sip_registrar.requests[-1].peer == ("127.0.0.1", 12088)


async def test_register_57_md5_based_digest_rejected_by_policy(sip_registrar: Registrar) -> None:
    asked = Asking(TOTO)
    async with Core(auth=asked, digest=DigestPolicy(minimum_algorithm="SHA-256")) as core:
        proxy = core.add_proxy_config(account(sip_registrar))
        event = await proxy.wait_for(FAILED, timeout=5)
        assert (event.reason, event.retry_at, asked.count) == (Reason.AUTH_UNAVAILABLE, None, 0)
        assert len(sip_registrar.requests) == 1
    assert (DigestPolicy().minimum_algorithm, DigestPolicy().allow_no_qop) == ("MD5", True)


async def test_register_58_registration_with_custom_contact(sip_registrar: Registrar) -> None:
    """Better: any number of them, each with a lifetime of its own if it has one; all go when the account goes."""
    desk, mobile = "sip:toto@192.0.2.7", "sip:toto@192.0.2.8"
    async with registered(sip_registrar) as proxy:
        for extra, sent in (
            ((f"<{desk}>;q=0.3",), {desk: 3600}),
            ((f"<{desk}>;q=0.3", f"<{mobile}>;expires=600"), {desk: 3600, mobile: 600}),
            ((f"<{mobile}>;expires=600",), {desk: 0, mobile: 600}),
            ((f"<{mobile}>;expires=600",), {mobile: 600}),  # what was taken back is not named again
        ):
            with proxy.edit() as draft:
                draft.extra_contacts = extra
            if proxy.state is OK:
                await proxy.core.refresh_registers()
            await proxy.wait_for(OK, timeout=5)
            own, *further = requests(sip_registrar)[-1].contacts
            assert (host(own), own.expires) == ("127.0.0.1", 3600)
            assert {str(entry.uri): entry.expires for entry in further} == sent
            bound = {str(binding.contact.uri): binding.contact.q for binding in sip_registrar.bindings[AOR]}
            assert bound == {str(own.uri): None} | {uri: 0.3 if uri == desk else None for uri, at in sent.items() if at}
        events = proxy.events()
    assert sip_registrar.bindings == {}
    assert await counted(events) == {"Ok": 1, "Progress": 1, "Cleared": 1}


@pytest.mark.parametrize("first", ["127.0.0.1", "::1"])
async def test_register_59_registration_with_ip_version_preference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Better: no switch; the family comes first that the machine has a route for, and the other one is tried next."""
    order = ("A", "AAAA") if first == "127.0.0.1" else ("AAAA", "A")
    monkeypatch.setattr(resolver, "_families", lambda: order)
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 dual.test\n::1 dual.test\n")
    async with (
        Registrar(users=None, port=5060) as four,
        Registrar(users=None, port=5060, host="::1") as six,
        Core(dns=DnsParams(hosts_file=str(hosts))) as core,
    ):
        proxy = core.add_proxy_config(ProxyParams(AOR, server="sip:dual.test:5060"))
        await proxy.registered(timeout=5)
        chosen, other = (four, six) if first == "127.0.0.1" else (six, four)
        assert AOR in chosen.bindings
        assert other.requests == ()
        assert host(proxy.contact) == first


async def test_register_60_adding_and_removing_custom_headers_between_registers(sip_registrar: Registrar) -> None:
    """Better: changed headers go out with a REGISTER of their own, at the commit, not with the next change."""
    async with registered(sip_registrar) as proxy:
        for headers in ((("X-One", "1"),), (("X-One", "2"), ("X-Two", "2")), (("X-Two", "2"),), ()):
            count = len(packets(sip_registrar))
            with proxy.edit() as draft:
                draft.headers = headers
            await asyncio.sleep(1)
            sent = requests(sip_registrar)
            assert len(sent) == count + 1
            shown = tuple((name, value) for name, value in sent[-1].headers.items() if name.startswith("X-"))
            assert shown == headers
            await proxy.refresh(timeout=5)
            assert [name for name, _ in requests(sip_registrar)[-1].headers.items() if name[:2] == "X-"] == [
                name for name, _ in headers
            ]
