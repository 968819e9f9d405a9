"""liblinphone's suite "Proxy config"; `rows.py` has all of it. Where we do better the docstring says so."""

from __future__ import annotations

import pytest

from aiosipreg import ConfigError, Core, ProxyParams, linphonerc
from aiosipreg.testing import Registrar
from tests.accounts import CLEARED, FAILED, account
from tests.parity.scene import requests, uri

pytestmark = pytest.mark.virtual_clock(delay=0.01)

AOR = "sip:toto@sip.titi.com"


def test_proxy_config_05_load_new_default_value_for_proxy_config() -> None:
    imported = linphonerc.parse(
        "[proxy_default_values]\nreg_expires=600\nrealm=sip.titi.com\nunregister_at_stop=0\n"
        "[proxy_0]\nreg_proxy=sip.titi.com\nreg_identity=sip:toto@sip.titi.com\nreg_expires=60\n"
        "[proxy_1]\nreg_proxy=sip.titi.com\nreg_identity=sip:tata@sip.titi.com\n"
    )
    shared = {"server": "sip.titi.com", "realm": "sip.titi.com", "unregister_at_stop": False}
    assert imported.accounts == (
        ProxyParams("sip:toto@sip.titi.com", expires=60, **shared),  # type: ignore[arg-type]
        ProxyParams("sip:tata@sip.titi.com", expires=600, **shared),  # type: ignore[arg-type]
    )


def test_proxy_config_06_single_route() -> None:
    """A route without ``lr`` gets it: nobody means an outbound proxy to replace the Request-URI."""
    assert ProxyParams(AOR, routes=("sip:p.titi.com;lr",)).routes == ("sip:p.titi.com;lr",)
    assert ProxyParams(AOR, routes=("<sip:p.titi.com;lr>",)).routes == ("sip:p.titi.com;lr",)
    assert ProxyParams(AOR, routes=("p.titi.com",)).routes == ("sip:p.titi.com;lr",)


@pytest.mark.parametrize("malformed", ["sip:", "tel:+33123", "sip:p.titi.com:port", "<sip:p.titi.com", ""])
def test_proxy_config_07_multiple_routes(malformed: str) -> None:
    """Better: a malformed route is named by an error; liblinphone drops it and goes another way than was meant."""
    good = ("sip:p1.titi.com;lr", "sip:p2.titi.com:5070;lr;transport=tcp")
    assert ProxyParams(AOR, routes=good).routes == good
    with pytest.raises(ConfigError) as caught:
        ProxyParams(AOR, routes=(good[0], malformed, good[1]))
    assert caught.value.field == "routes"


async def test_proxy_config_10_dependent_proxy_state_changed() -> None:
    """Better: what follows a failed master is Cleared, for its binding is removed and not just called Failed."""
    async with Registrar(users=None) as registrar, Core() as core:
        master = core.add_proxy_config(account(registrar, "sip:master@sip.titi.com", id="master", expires=60))
        others = [
            core.add_proxy_config(account(registrar, f"sip:user{number}@sip.titi.com", depends_on="master"))
            for number in range(3)  # liblinphone's master has room for one.
        ]
        for proxy in others:
            await proxy.registered(timeout=5)
        await master.unregister(timeout=5)
        for proxy in others:
            await proxy.wait_for(CLEARED, timeout=5)
        assert registrar.bindings == {}
        await master.register(timeout=5)
        for proxy in others:
            await proxy.registered(timeout=5)
        registrar.answer_next(404)
        await master.wait_for(FAILED, timeout=60)
        for proxy in others:
            await proxy.wait_for(CLEARED, timeout=5)
        assert set(registrar.bindings) <= {"sip:master@sip.titi.com"}


@pytest.mark.parametrize("first", ["master", "servant"])
async def test_proxy_config_12_dependent_proxy_dependency_with_core_reloaded(first: str) -> None:
    sections = {
        "master": "reg_identity=sip:master@sip.titi.com\nidkey=m\nreg_proxy={server}\n",
        "servant": "reg_identity=sip:servant@sip.titi.com\nidkey=s\ndepends_on=m\nreg_proxy={server}\n",
    }
    second = "servant" if first == "master" else "master"
    async with Registrar(users=None) as registrar:
        text = f"[proxy_0]\n{sections[first]}[proxy_1]\n{sections[second]}".format(server=registrar.uri)
        for _ in range(2):
            before = len(registrar.requests)
            async with Core() as core:
                for params in linphonerc.parse(text).accounts:
                    core.add_proxy_config(params)
                master, servant = core.proxy_config("m"), core.proxy_config("s")
                assert master is not None
                assert servant is not None
                await servant.registered(timeout=5)
                assert uri(servant.contact) == uri(master.contact)
                order = [uri(request.to).user for request in requests(registrar)[before:]]
                assert order == ["master", "servant"]
            assert registrar.bindings == {}
