"""What a type checker tells users of the package: `make check` reads this file, and it runs as well."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, assert_type

import pytest

import aiosipreg
from aiosipreg import (
    AuthChallenge,
    AuthInfo,
    Binding,
    Core,
    Draft,
    IncomingRequest,
    ProxyConfig,
    ProxyParams,
    Reason,
    RegistrationError,
    RegistrationEvent,
    RegistrationState,
    Stats,
)
from aiosipreg.wire import NameAddr, Response
from tests.accounts import TOTO, account

if TYPE_CHECKING:
    from aiosipreg.testing import Registrar


async def ask(challenge: AuthChallenge) -> AuthInfo | None:
    assert_type(challenge.proxy_config, ProxyConfig)
    assert_type(challenge.algorithms, tuple[str, ...])
    assert_type(challenge.attempt, int)
    return AuthInfo(challenge.username, password="secret") if challenge.attempt == 1 else None


async def answer(incoming: IncomingRequest) -> Response | None:
    assert_type(incoming.source, tuple[str, int])
    return incoming.response(200, "OK") if incoming.request.method == "OPTIONS" else None


@pytest.mark.virtual_clock
async def test_everything_public_has_the_type_that_it_says(sip_registrar: Registrar) -> None:
    async with Core(auth=ask, on_request=answer, user_agent=None) as core:
        assert_type(core, Core)
        proxy = core.add_proxy_config(account(sip_registrar))
        assert_type(proxy, ProxyConfig)
        assert_type(await proxy.registered(timeout=5), Binding)
        assert_type(await proxy.register(), Binding)
        assert_type(await proxy.refresh(timeout=5), Binding)
        assert_type(await proxy.wait_for(RegistrationState.OK, RegistrationState.FAILED, timeout=5), RegistrationEvent)
        assert_type(await proxy.fetch_bindings(), tuple[Binding, ...])

        assert_type(proxy.core, Core)
        assert_type(proxy.params, ProxyParams)
        assert_type(proxy.state, RegistrationState)
        assert_type(proxy.contact, NameAddr | None)
        assert_type(proxy.binding, Binding | None)
        assert_type(proxy.bindings, tuple[Binding, ...])
        assert_type(proxy.expires_at, float | None)
        assert_type(proxy.refresh_at, float | None)
        assert_type(proxy.retry_at, float | None)
        assert_type(proxy.last_event, RegistrationEvent | None)
        assert_type(proxy.service_route, tuple[NameAddr, ...])

        assert_type(core.proxy_configs, tuple[ProxyConfig, ...])
        assert_type(core.proxy_config("id"), ProxyConfig | None)
        assert_type(core.default_proxy_config, ProxyConfig | None)
        assert_type(core.auth_infos, tuple[AuthInfo, ...])
        assert_type(core.network_reachable, bool)
        assert_type(core.stats, Stats)
        assert_type(core.events(), AsyncGenerator[RegistrationEvent, None])

        async for event in proxy.events():
            assert_type(event, RegistrationEvent)
            assert_type(event.proxy_config, ProxyConfig)
            assert_type(event.old, RegistrationState)
            assert_type(event.reason, Reason)
            assert_type(event.warnings, tuple[str, ...])
            assert_type(event.retry_after, float | None)
            break

        with proxy.edit() as draft:
            assert_type(draft, Draft)
            draft.expires = 300
        await proxy.unregister(timeout=5)
        assert_type(proxy.params.replace(expires=60), ProxyParams)
        assert_type(Reason.from_status(404), Reason)
        await core.remove_proxy_config(proxy)


def test_errors_carry_what_they_are_about() -> None:
    try:
        raise aiosipreg.ServerUnreachable("nobody there", None, {"udp:192.0.2.1:5060": "no answer"})
    except aiosipreg.ServerUnreachable as error:
        assert_type(error.event, RegistrationEvent)
        assert_type(error.tried, dict[str, str])
    try:
        raise aiosipreg.RegistrationTimeout("late")
    except (RegistrationError, TimeoutError) as error:
        assert isinstance(error, RegistrationError)  # noqa: PT017
    wrong: list[AuthInfo] = [TOTO]
    assert Core(auth=wrong).auth_infos == (TOTO,)


def test_a_type_checker_refuses_what_cannot_work() -> None:
    """Each line is wrong; `warn_unused_ignores` complains if a checker should take one for right."""

    def plain(challenge: AuthChallenge) -> AuthInfo | None:
        return None

    with pytest.raises(TypeError):
        Core(auth=plain)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Core(TOTO)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        ProxyParams("sip:toto@titi.com", expire=60)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        AuthInfo("toto", "secret")  # type: ignore[call-arg]
    params = ProxyParams("sip:toto@titi.com")
    with pytest.raises(AttributeError):
        params.expires = 60  # type: ignore[misc]
    with pytest.raises(AttributeError):
        ProxyConfig.state.expires = 60  # type: ignore[attr-defined]
