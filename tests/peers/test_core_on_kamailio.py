"""The whole package against Debian's Kamailio; what it believes is compared with what Kamailio holds."""

from __future__ import annotations

import asyncio

import pytest

from aiosipreg import (
    AuthChallenge,
    AuthenticationFailed,
    AuthInfo,
    Core,
    Pacing,
    ProxyConfig,
    ProxyParams,
    Reason,
    RegistrationState,
)
from tests.peers.kamailio import Kamailio, Options, kamailio_running

OK, CLEARED = RegistrationState.OK, RegistrationState.CLEARED
TOTO = AuthInfo("toto", password="secret")


def toto(kamailio: Kamailio, **settings: object) -> ProxyParams:
    return ProxyParams("sip:toto@sip.titi.com", server=kamailio.uri, **settings)  # type: ignore[arg-type]


async def agrees(kamailio: Kamailio, proxy: ProxyConfig) -> bool:
    """Whether Kamailio holds exactly the binding that the account believes in."""
    stored = await kamailio.bindings("toto")
    binding = proxy.binding
    if binding is None or len(stored) != 1:
        return binding is None and not stored
    remaining = binding.expires_at - asyncio.get_running_loop().time()
    return stored[0].contact == str(binding.contact.uri) and abs(stored[0].expires - remaining) <= 2


@pytest.mark.parametrize("kamailio", [Options(), Options(algorithm="SHA-256"), Options(qop=False)], indirect=True)
async def test_an_account_lives_its_whole_life(kamailio: Kamailio) -> None:
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(toto(kamailio))
        events = proxy.events()
        await proxy.registered(timeout=10)
        assert await agrees(kamailio, proxy)
        assert proxy.algorithm == kamailio.options.algorithm
        assert core.stats.sent == 2, "the first one was challenged"
        await proxy.refresh(timeout=10)
        assert await agrees(kamailio, proxy)
        assert core.stats.sent == 3, "the kept nonce saves the round trip"
        with proxy.edit() as draft:
            draft.expires = 300
        await proxy.wait_for(OK, timeout=10)
        while proxy.state is not OK or proxy.binding is None or proxy.binding.expires != 300:
            await anext(events)
        assert await agrees(kamailio, proxy)
        draft = proxy.edit()
        draft.register = False
        draft.done()
        await proxy.wait_for(CLEARED, timeout=10)
        assert await kamailio.bindings() == ()


async def test_leaving_the_block_removes_the_binding(kamailio: Kamailio) -> None:
    async with Core(auth=TOTO) as core:
        await core.add_proxy_config(toto(kamailio)).registered(timeout=10)
        assert len(await kamailio.bindings("toto")) == 1
    assert await kamailio.bindings() == ()


async def test_MSG_8_it_takes_compact_names(kamailio: Kamailio) -> None:
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(toto(kamailio).replace(compact=True))
        await proxy.registered(timeout=10)
        await proxy.refresh(timeout=10)
        assert await agrees(kamailio, proxy)
    assert await kamailio.bindings() == ()


async def test_credentials_on_demand(kamailio: Kamailio) -> None:
    asked: list[AuthChallenge] = []

    async def provide(challenge: AuthChallenge) -> AuthInfo | None:
        asked.append(challenge)
        return AuthInfo(challenge.username, password="secret")

    async with Core(auth=provide) as core:
        proxy = core.add_proxy_config(toto(kamailio))
        await proxy.registered(timeout=10)
        await proxy.refresh(timeout=10)
        assert [(challenge.username, challenge.realm) for challenge in asked] == [("toto", "kamailio.test")]
        assert await agrees(kamailio, proxy)


async def test_AUTH_20_a_wrong_password_ends_after_two_requests(kamailio: Kamailio) -> None:
    async with Core(auth=AuthInfo("toto", password="wrong")) as core:
        proxy = core.add_proxy_config(toto(kamailio))
        with pytest.raises(AuthenticationFailed) as caught:
            await proxy.registered(timeout=10)
        assert caught.value.event is not None
        assert caught.value.event.reason is Reason.UNAUTHORIZED
        assert caught.value.event.retry_at is None
        assert core.stats.sent == 2
        core.add_auth_info(TOTO)
        await proxy.registered(timeout=10)
        assert await agrees(kamailio, proxy)


@pytest.mark.parametrize("kamailio", [Options(min_expires=300)], indirect=True)
async def test_REG_27_a_lifetime_too_brief_is_raised(kamailio: Kamailio) -> None:
    async with Core(auth=TOTO) as core:
        proxy = core.add_proxy_config(toto(kamailio, expires=60))
        binding = await proxy.registered(timeout=10)
        assert binding.expires == 300
        assert await agrees(kamailio, proxy)
        sent = core.stats.sent
        await proxy.refresh(timeout=10)
        assert core.stats.sent == sent + 1, "the floor of this registrar is remembered"


@pytest.mark.parametrize("kamailio", [Options(nonce_lifetime=1)], indirect=True)
async def test_AUTH_19_a_stale_nonce_costs_one_round_trip(kamailio: Kamailio) -> None:
    async with Core(auth=TOTO) as core, asyncio.timeout(20):
        proxy = core.add_proxy_config(toto(kamailio))
        await proxy.registered()
        requests = 1
        while requests == 1:
            sent = core.stats.sent
            await proxy.refresh()
            requests = core.stats.sent - sent
        assert requests == 2
        assert proxy.last_event is not None
        assert proxy.last_event.reason is Reason.NONE
        assert await agrees(kamailio, proxy)


@pytest.mark.parametrize("kamailio", [Options(qualify=True)], indirect=True)
async def test_TRA_17_its_options_are_answered(kamailio: Kamailio) -> None:
    async with Core(auth=TOTO) as core, asyncio.timeout(20):
        await core.add_proxy_config(toto(kamailio)).registered()
        while (await kamailio.bindings("toto"))[0].roundtrip is None:
            assert core.stats.dropped.total() == 0
        assert core.stats.requests >= 1


async def test_bindings_are_fetched_and_cleared(kamailio: Kamailio) -> None:
    async with Core(auth=TOTO) as one, Core(auth=TOTO) as other:
        first = one.add_proxy_config(toto(kamailio))
        second = other.add_proxy_config(toto(kamailio))
        await first.registered(timeout=10)
        await second.registered(timeout=10)
        fetched = await first.fetch_bindings(timeout=10)
        stored = await kamailio.bindings("toto")
        assert {str(binding.contact.uri) for binding in fetched} == {binding.contact for binding in stored}
        assert len(stored) == 2
        await first.clear_bindings(timeout=10)
        assert await kamailio.bindings() == ()
        assert first.state is CLEARED


async def test_REG_38_another_server_gets_the_binding_and_the_old_one_loses_it(
    kamailio: Kamailio, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with kamailio_running(tmp_path_factory.mktemp("other"), Options()) as other:
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(toto(kamailio))
            await proxy.registered(timeout=10)
            call_id = (await kamailio.bindings("toto"))[0].call_id
            with proxy.edit() as draft:
                draft.server = other.uri
            await proxy.registered(timeout=10)
            assert await kamailio.bindings() == ()
            assert await agrees(other, proxy)
            assert (await other.bindings("toto"))[0].call_id != call_id


async def test_a_thousand_accounts_on_one_core(kamailio: Kamailio) -> None:
    count = 1000
    async with Core(pacing=Pacing(rate=2000, in_flight=200), shutdown_timeout=20) as core:
        proxies = [
            core.add_proxy_config(
                ProxyParams(
                    f"sip:user{number:04}@sip.titi.com",
                    server=kamailio.uri,
                    auth=AuthInfo(f"user{number:04}", password=f"secret{number:04}"),
                )
            )
            for number in range(count)
        ]
        async with asyncio.timeout(40):
            for proxy in proxies:
                await proxy.registered()
        assert {proxy.state for proxy in proxies} == {OK}
        stored = await kamailio.bindings()
        assert {binding.user for binding in stored} == {f"user{number:04}" for number in range(count)}
        assert len(stored) == count
    assert {proxy.state for proxy in proxies} == {CLEARED}
    assert await kamailio.bindings() == ()
