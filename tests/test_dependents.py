"""Accounts that depend on another one, on the whole core and a registrar of its own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from aiosipreg import AuthInfo, ConfigError, Core, ProxyConfig, ProxyParams, RegistrationState
from aiosipreg.testing import Registrar
from aiosipreg.wire import Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.virtual_clock(delay=0.01)

NONE, OK, CLEARED, FAILED = (
    RegistrationState.NONE,
    RegistrationState.OK,
    RegistrationState.CLEARED,
    RegistrationState.FAILED,
)


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Registrar, Core]]:
    users = {"master": "one", "servant": "two"}
    infos = [AuthInfo(user, password=password) for user, password in users.items()]
    async with Registrar(users=users) as registrar, Core(auth=infos) as core:
        yield registrar, core


def account(registrar: Registrar, user: str, **settings: object) -> ProxyParams:
    return ProxyParams(f"sip:{user}@sip.titi.com", server=registrar.uri, id=user, **settings)  # type: ignore[arg-type]


def servant(registrar: Registrar, core: Core) -> ProxyConfig:
    return core.add_proxy_config(account(registrar, "servant", depends_on="master"))


async def test_an_account_waits_for_the_one_it_depends_on_and_shares_its_contact() -> None:
    async with running() as (registrar, core):
        dependent = servant(registrar, core)
        await asyncio.sleep(60)
        assert dependent.state is NONE
        assert not registrar.requests
        master = core.add_proxy_config(account(registrar, "master"))
        await dependent.registered(timeout=5)
        assert master.contact is not None
        assert dependent.contact is not None
        assert dependent.contact.uri == master.contact.uri


async def test_an_account_that_comes_later_finds_the_other_one_registered() -> None:
    async with running() as (registrar, core):
        master = core.add_proxy_config(account(registrar, "master"))
        await master.registered(timeout=5)
        dependent = servant(registrar, core)
        await dependent.registered(timeout=5)
        assert dependent.contact is not None
        assert dependent.contact.uri.user == "master"  # type: ignore[union-attr]


async def test_an_account_follows_the_one_it_depends_on() -> None:
    async with running() as (registrar, core):
        master = core.add_proxy_config(account(registrar, "master"))
        dependent = servant(registrar, core)
        await dependent.registered(timeout=5)
        await master.unregister(timeout=5)
        await dependent.wait_for(CLEARED, timeout=5)
        assert not registrar.bindings
        await master.register(timeout=5)
        await dependent.registered(timeout=5)
        registrar.hook = lambda request, default: (
            Response(403, "No") if b"To: <sip:master" in bytes(request) else default
        )
        await master.wait_for(FAILED, timeout=4000)
        await dependent.wait_for(CLEARED, timeout=5)


async def test_the_removal_of_the_other_one_makes_an_account_independent() -> None:
    async with running() as (registrar, core):
        master = core.add_proxy_config(account(registrar, "master"))
        dependent = servant(registrar, core)
        await dependent.registered(timeout=5)
        await core.remove_proxy_config(master)
        await dependent.wait_for(OK, timeout=5)
        assert dependent.contact is not None
        assert dependent.contact.uri.user == "servant"  # type: ignore[union-attr]
        assert list(registrar.bindings) == ["sip:servant@sip.titi.com"]


async def test_shutdown_registers_nobody_anew() -> None:
    async with running() as (registrar, core):
        core.add_proxy_config(account(registrar, "master"))
        await servant(registrar, core).registered(timeout=5)
        await core.clear_proxy_configs()
        assert not registrar.bindings
        sent = core.stats.sent
    assert core.stats.sent == sent


async def test_whom_an_account_depends_on_stays_as_it_was_added() -> None:
    async with running() as (registrar, core):
        proxy = core.add_proxy_config(account(registrar, "master"))
        with pytest.raises(ConfigError, match="depends_on"), proxy.edit() as draft:
            draft.depends_on = "servant"


async def test_an_account_that_is_not_to_register_follows_nobody() -> None:
    async with running() as (registrar, core):
        dependent = core.add_proxy_config(account(registrar, "servant", depends_on="master", register=False))
        master = core.add_proxy_config(account(registrar, "master"))
        await master.registered(timeout=5)
        assert dependent.state is NONE
        await core.remove_proxy_config(master)
        assert dependent.state is NONE
        await core.remove_proxy_config(dependent)
