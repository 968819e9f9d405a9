"""liblinphone's suite "Setup" as far as registrations go; `rows.py` has all of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from aiosipreg import Core, CoreClosedError
from tests.accounts import AOR, CLEARED, TOTO, account, methods, registered
from tests.parity.scene import requests, uri

if TYPE_CHECKING:
    from aiosipreg.testing import Registrar

pytestmark = pytest.mark.virtual_clock(delay=0.01)


async def test_setup_04_core_init_uninit() -> None:
    for core in (Core(), Core(auth=TOTO, user_agent=None, shutdown_timeout=1)):
        async with core:
            assert core.proxy_configs == ()
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_setup_05_core_init_stop_uninit(sip_registrar: Registrar) -> None:
    core = Core(auth=TOTO)
    await core.start()
    proxy = core.add_proxy_config(account(sip_registrar))
    await proxy.registered(timeout=5)
    await core.stop()
    assert (proxy.state, sip_registrar.bindings) == (CLEARED, {})
    await core.stop()
    assert methods(sip_registrar) == [3600, 3600, 0]


async def test_setup_07_core_init_stop_start_uninit(sip_registrar: Registrar) -> None:
    """Better: another start is another core, so nothing of the first one can be left; it says so when asked."""
    for _ in range(2):
        async with registered(sip_registrar, settings={"id": "one"}) as proxy:
            assert AOR in sip_registrar.bindings
        assert sip_registrar.bindings == {}
        with pytest.raises(CoreClosedError, match="make another"):
            await proxy.core.start()
    call_ids = {request.call_id for request in requests(sip_registrar)}
    assert len(call_ids) == 2


async def test_setup_09_random_transport_port(sip_registrar: Registrar) -> None:
    async with registered(sip_registrar) as one, registered(sip_registrar) as other:
        ports = {uri(proxy.contact).port for proxy in (one, other)}
        assert len(ports) == 2
        assert not ports & {None, 0}
