"""liblinphone's suite "Flexisip" as far as registrations go; `rows.py` has all of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from aiosipreg import AuthInfo, Core, ProxyParams, Reason, TransportParams
from aiosipreg.testing import Registrar
from tests.accounts import AOR, FAILED, OK, REFRESHING, registered
from tests.certificates import authority
from tests.parity.scene import TRUSTING, Asking, by_tls, hosts, refusing, uri

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from aiosipreg import RegistrationEvent
    from tests.certificates import Identity

pytestmark = pytest.mark.virtual_clock(delay=0.01)

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


async def rejected(directory: Path, shown: Identity, registrar: Registrar, asked: Asking) -> RegistrationEvent:
    """Show this certificate to a server that does not like it."""
    tls = TRUSTING.replace(client_cert=shown.pem, client_key=shown.key_pem())
    async with registrar, Core(auth=asked, tls=tls, dns=hosts(directory, "titi.com")) as core:
        event = await core.add_proxy_config(by_tls(registrar)).wait_for(FAILED, timeout=20)
        await asyncio.sleep(0.1)
        return event


def wants(directory: Path) -> ssl.SSLContext:
    return authority().issue(dns=["titi.com"]).context(directory, clients=authority().pem)


async def test_flexisip_01_tls_authentication_client_rejected_due_to_cn_mismatch(tmp_path: Path) -> None:
    """The certificate is good, and for somebody else: a password has to help, which nobody has."""
    registrar, asked = Registrar(transports=["tls"], tls=wants(tmp_path)), Asking()
    event = await rejected(tmp_path, authority().issue(common="sip:tata@titi.com"), registrar, asked)
    assert (event.reason, event.status) == (Reason.AUTH_UNAVAILABLE, 401)
    assert asked.count == 1


async def test_flexisip_02_tls_authentication_client_rejected_due_to_unrecognized_certificate_chain(
    tmp_path: Path,
) -> None:
    """Better: told with what the server said in its alert, and tried again: its trust may change, as ours."""
    registrar, asked = Registrar(users=None, transports=["tls"], tls=wants(tmp_path)), Asking()
    event = await rejected(tmp_path, authority("Nobody").issue(common="toto"), registrar, asked)
    assert (event.reason, event.retry_at is None) == (Reason.IO_ERROR, False)
    assert "alert unknown ca" in event.message
    assert (asked.count, registrar.requests) == (0, ())


async def test_flexisip_03_tls_authentication_client_rejected_due_to_unmatched_certificate_subject(
    tmp_path: Path,
) -> None:
    registrar = Registrar(users=None, transports=["tls"], tls=wants(tmp_path), hook=refusing([403]))
    event = await rejected(tmp_path, authority().issue(common="toto"), registrar, Asking())
    assert (event.reason, event.status, event.retry_at) == (Reason.FORBIDDEN, 403, None)


async def test_flexisip_04_removing_old_tport_on_flexisip_for_the_same_client() -> None:
    """The server closes the connection of the first one when the same device comes again."""
    first, second = ({"instance_id": INSTANCE, "unregister_at_stop": at_stop} for at_stop in (True, False))
    async with (
        Registrar(users=None, transports=["tcp"]) as registrar,
        registered(registrar, settings=first) as proxy,
    ):
        await asyncio.sleep(60)
        old = registrar.connections[0]
        async with registered(registrar, settings=second):
            old.close()
            await proxy.wait_for(REFRESHING, timeout=5)
            await proxy.wait_for(OK, timeout=5)
            assert old not in registrar.connections
        await asyncio.sleep(60)
        assert proxy.state is OK
        assert len(registrar.connections) == 1


async def test_flexisip_05_protection_against_transport_address_re_assignation() -> None:
    """What was meant for the account that had this address before finds nobody here."""
    users = {"toto": "secret", "tata": "secret"}
    port = TransportParams(udp=12088)
    async with Registrar(users) as registrar:
        async with registered(registrar, settings={"unregister_at_stop": False}, transports=port):
            pass
        async with Core(auth=AuthInfo("tata", password="secret"), transports=port) as core:
            tata = core.add_proxy_config(ProxyParams("sip:tata@sip.titi.com", server=registrar.uri))
            await tata.registered(timeout=5)
            assert [uri(binding.contact).port for binding in registrar.bindings[AOR]] == [12088]
            assert (await registrar.options(AOR)).status == 404
            assert (await registrar.options("sip:tata@sip.titi.com")).status == 200
