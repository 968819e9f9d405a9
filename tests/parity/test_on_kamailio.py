"""The rows that are about what a real registrar keeps: GRUUs (RFC 5627) and the parameters of a stored Contact."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from aiosipreg import Binding, Core, ProxyParams
from aiosipreg.wire import SipUri
from tests.accounts import AOR, TOTO
from tests.peers.kamailio import Kamailio, Options

with_gruu = pytest.mark.parametrize("kamailio", [Options(gruu=True)], indirect=True)

FIRST, SECOND = (f"urn:uuid:{UUID(int=number)}" for number in (1, 2))


async def register(kamailio: Kamailio, **settings: Any) -> Binding:
    """Register once, on a core that leaves its binding behind."""
    async with Core(auth=TOTO) as core:
        params = ProxyParams(AOR, server=kamailio.uri, unregister_at_stop=False, **settings)
        return await core.add_proxy_config(params).registered(timeout=10)


def gruu(binding: Binding) -> SipUri:
    assert binding.pub_gruu is not None
    return SipUri.parse(binding.pub_gruu)


@with_gruu
async def test_register_52_register_get_gruu(kamailio: Kamailio) -> None:
    """Better: ``contact`` stays what was registered; both GRUUs stand beside it, the temporary one too."""
    binding = await register(kamailio, supported=("gruu", "path"), instance_id=FIRST)
    assert gruu(binding).params["gr"] == FIRST
    assert binding.temp_gruu is not None
    assert binding.instance_id == FIRST


@with_gruu
async def test_register_53_register_get_gruu_for_multi_device(kamailio: Kamailio) -> None:
    settings: dict[str, Any] = {"supported": ("gruu", "path")}
    first = gruu(await register(kamailio, instance_id=FIRST, **settings))
    second = gruu(await register(kamailio, instance_id=SECOND, **settings))
    again = gruu(await register(kamailio, instance_id=FIRST, **settings))
    assert first != second
    assert {uri.host for uri in (first, second)} == {"sip.titi.com"}
    assert again == first


@with_gruu
async def test_account_16_supported_tags_handled_by_account_without_gruu(kamailio: Kamailio) -> None:
    binding = await register(kamailio, supported=("replaces", "path"), instance_id=FIRST)
    assert (binding.pub_gruu, binding.temp_gruu) == (None, None)


async def test_flexisip_06_registered_contact_does_not_have_regid_param(kamailio: Kamailio) -> None:
    binding = await register(kamailio, instance_id=FIRST)
    (stored,) = await kamailio.bindings("toto")
    assert stored.contact == str(binding.contact.uri)
    assert "reg" not in stored.contact
    assert binding.reg_id is None
