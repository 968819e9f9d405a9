"""aiosipreg/standing.py: what an account shows of its registration beside its state, on a whole core."""

from __future__ import annotations

import asyncio
from itertools import combinations
from typing import Any

import pytest

from aiosipreg import AuthInfo, Core, Reason, RegistrationError, RegistrationRejected
from aiosipreg.testing import Registrar
from aiosipreg.wire import NameAddr, ParseError, SipUri
from tests.accounts import AOR, FAILED, OK, TOTO, account, registered

pytestmark = pytest.mark.virtual_clock(delay=0.01)

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
PUBLIC = f"{AOR};gr={INSTANCE}"
DEVICE = {"instance_id": INSTANCE}
ROUTES = [
    ("Service-Route", "<sip:one.titi.com;lr>, <sip:two.titi.com;lr>"),
    ("Service-Route", "<sip:three.titi.com;lr>"),
]


def texts(entries: tuple[NameAddr, ...]) -> list[str]:
    return [str(entry.uri) for entry in entries]


class TestGruu:
    async def test_GRUU_2_3_a_public_one_that_stays_and_temporary_ones_that_pile_up(
        self, sip_registrar: Registrar
    ) -> None:
        async with registered(sip_registrar, settings=DEVICE) as proxy:
            assert proxy.pub_gruu == PUBLIC
            [first] = proxy.temp_gruus
            await asyncio.sleep(1)
            await proxy.refresh(timeout=5)
            assert proxy.pub_gruu == PUBLIC
            assert proxy.temp_gruus[0] == first
            assert len(proxy.temp_gruus) == 2
            # What the registrar bound is shown as it is; the GRUU is another address of the same device.
            assert proxy.contact is not None
            assert str(proxy.contact.uri).startswith("sip:toto@127.0.0.1:")
            assert proxy.binding is not None
            assert proxy.binding.pub_gruu == PUBLIC

    async def test_GRUU_6_7_a_contact_for_other_requests(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, settings=DEVICE) as proxy:
            assert str(proxy.request_contact()) == f"<{PUBLIC}>"
            await asyncio.sleep(1)
            await proxy.refresh(timeout=5)
            assert str(proxy.request_contact(temporary=True)) == f"<{proxy.temp_gruus[-1]}>"
            await proxy.unregister(timeout=5)
            assert (proxy.pub_gruu, proxy.temp_gruus) == (None, ())
            with pytest.raises(RegistrationError, match="Cleared: without a registration there is no address"):
                proxy.request_contact()

    async def test_GRUU_7_before_the_first_registration_there_is_none(self, sip_registrar: Registrar) -> None:
        async with Core(auth=TOTO) as core:
            proxy = core.add_proxy_config(account(sip_registrar, register=False))
            with pytest.raises(RegistrationError) as caught:
                proxy.request_contact()
            assert caught.value.event.message == "not registered"
            sip_registrar.answer_next(403)
            with pytest.raises(RegistrationError):
                await proxy.register(timeout=5)
            assert proxy.state is FAILED
            with pytest.raises(RegistrationError):
                proxy.request_contact(temporary=True)

    async def test_GRUU_1_a_registrar_without_them_and_an_account_that_wants_none(self) -> None:
        async with Registrar(gruu=False) as registrar, registered(registrar, settings=DEVICE) as proxy:
            assert (proxy.pub_gruu, proxy.temp_gruus) == (None, ())
            assert proxy.request_contact().uri == registrar.bindings[AOR][0].contact.uri
            with pytest.raises(LookupError, match="gave no temporary GRUU"):
                proxy.request_contact(temporary=True)
        async with Registrar() as registrar:
            async with registered(registrar, settings={**DEVICE, "supported": ("path",)}) as proxy:
                assert proxy.pub_gruu is None
            assert registrar.requests[-1].request.supported == ("path",)

    async def test_OUTB_20_with_outbound_and_no_gruu_the_contact_says_ob(self) -> None:
        async with Registrar(gruu=False, transports=("tcp",)) as registrar:
            async with registered(registrar, settings={**DEVICE, "outbound": True}) as proxy:
                bound = registrar.bindings[AOR][0].contact.uri
                assert str(proxy.request_contact()) == f"<{bound};ob>"
                [flow] = proxy.flows
                assert (flow.outbound, flow.server) == (True, registrar.uri)
            registrar.outbound = False
            async with registered(registrar, settings={**DEVICE, "outbound": True}) as proxy:
                assert "ob" not in str(proxy.request_contact())


class TestRoutes:
    async def test_RTE_1_3_4_5_the_service_route(self, sip_registrar: Registrar) -> None:
        sip_registrar.headers = tuple(ROUTES)
        settings: dict[str, Any] = {"routes": (sip_registrar.uri,)}
        async with registered(sip_registrar, settings=settings) as proxy:
            three = ["sip:one.titi.com;lr", "sip:two.titi.com;lr", "sip:three.titi.com;lr"]
            assert texts(proxy.service_route) == three
            assert texts(proxy.route_set("sip:bob@titi.com")) == [f"{sip_registrar.uri};lr", *three]
            assert texts(proxy.route_set(SipUri.parse("sips:bob@titi.com")))[1:] == [
                entry.replace("sip:", "sips:") for entry in three
            ]
            await asyncio.sleep(1)
            sip_registrar.headers = (("Service-Route", "<sip:other.titi.com;lr>"),)
            await proxy.refresh(timeout=5)
            assert texts(proxy.service_route) == ["sip:other.titi.com;lr"]
            # It serves other requests and never a REGISTER.
            [route] = sip_registrar.requests[-1].request.routes
            assert str(route.uri) == f"{sip_registrar.uri};lr"
            await asyncio.sleep(1)
            sip_registrar.answer_next(480)
            with pytest.raises(RegistrationError):
                await proxy.refresh(timeout=5)
            assert proxy.service_route == ()
            sip_registrar.headers = ()
            await proxy.wait_for(OK, timeout=70)
            assert proxy.service_route == ()

    async def test_what_is_no_uri_has_no_route(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar) as proxy:
            with pytest.raises(ParseError):
                proxy.route_set("bob")

    async def test_RTE_2_path_of_the_answer(self, sip_registrar: Registrar) -> None:
        sip_registrar.headers = (("Path", "<sip:edge.titi.com;lr>"), ("Path", "<sip:CORE.titi.com;lr>"))
        settings = {"path_hosts": ("edge.titi.com", "Core.titi.com")}
        async with registered(sip_registrar, settings=settings) as proxy:
            assert texts(proxy.path) == ["sip:edge.titi.com;lr", "sip:CORE.titi.com;lr"]
            assert proxy.last_event is not None
            assert proxy.last_event.reason is Reason.NONE

    @pytest.mark.parametrize("row", ["<sip:edge.titi.com;lr>, <sip:mallory.example.net;lr>", "<tel:+1>"])
    async def test_RTE_2_an_unexpected_proxy_is_told(self, sip_registrar: Registrar, row: str) -> None:
        sip_registrar.headers = (("Path", row),)
        async with registered(sip_registrar, settings={"path_hosts": ("edge.titi.com",)}) as proxy:
            event = proxy.last_event
            assert event is not None
            assert (event.state, event.reason) == (OK, Reason.UNEXPECTED_PROXY)
            assert "path_hosts" in event.message
        async with registered(sip_registrar) as proxy:
            assert proxy.last_event is not None
            assert proxy.last_event.reason is Reason.NONE

    async def test_RTE_7_associated_uris(self, sip_registrar: Registrar) -> None:
        sip_registrar.headers = (("P-Associated-URI", "<sip:toto@titi.com>, <tel:+33123>"),)
        async with registered(sip_registrar) as proxy:
            assert texts(proxy.associated_uris) == ["sip:toto@titi.com", "tel:+33123"]
            assert len(proxy.bindings) == 1
            await asyncio.sleep(1)
            sip_registrar.headers = (("P-Associated-URI", ""),)
            await proxy.refresh(timeout=5)
            assert proxy.associated_uris == ()

    async def test_RTE_8_feature_caps_are_those_of_the_newest_answer(self, sip_registrar: Registrar) -> None:
        sip_registrar.headers = (("Feature-Caps", '*;+g.3gpp.srvcc;+sip.x="<a>"'),)
        async with registered(sip_registrar) as proxy:
            [caps] = proxy.feature_caps
            assert dict(caps.params) == {"+g.3gpp.srvcc": None, "+sip.x": "<a>"}
            await asyncio.sleep(1)
            sip_registrar.headers = ()
            await proxy.refresh(timeout=5)
            assert proxy.feature_caps == ()
            sip_registrar.headers = (("Feature-Caps", "*;+g.3gpp.srvcc"),)
            await asyncio.sleep(1)
            await proxy.refresh(timeout=5)
            await proxy.unregister(timeout=5)
            assert proxy.feature_caps == ()


class TestCapabilities:
    async def test_CAP_2_they_are_repeated_in_every_refresh(self, sip_registrar: Registrar) -> None:
        settings = {"contact_params": {"audio": None, "+sip.message": "TRUE"}}
        async with registered(sip_registrar, settings=settings) as proxy:
            await asyncio.sleep(1)
            await proxy.refresh(timeout=5)
        for packet in sip_registrar.requests:
            [contact] = packet.request.contacts
            assert {"audio", "+sip.message"} <= set(contact.params)

    async def test_CAP_3_two_addresses_of_record_have_two_contacts(self) -> None:
        async with Registrar({"toto": "secret", "tata": "secret"}) as registrar, Core(auth=TOTO) as core:
            tata = AuthInfo("tata", password="secret")
            wishes: list[tuple[str, dict[str, Any]]] = [
                (AOR, {"contact_params": {"audio": None}, "contact_uri_params": {"line": "1"}}),
                ("sip:tata@sip.titi.com", {"contact_params": {"video": None}, "auth": tata}),
                # The same user elsewhere: there the settings tell the two apart.
                ("sip:toto@other.com", {"contact_params": {"text": None}, "contact_uri_params": {"line": "2"}}),
            ]
            proxies = [core.add_proxy_config(account(registrar, aor, **settings)) for aor, settings in wishes]
            for proxy in proxies:
                await proxy.registered(timeout=5)
            uris = [proxy.contact.uri for proxy in proxies if proxy.contact is not None]
            assert len(uris) == 3
            assert all(one != other for one, other in combinations(uris, 2))

    async def test_CAP_3_a_contact_does_not_depend_on_what_other_accounts_there_are(self) -> None:
        async with Registrar() as registrar, Core(auth=TOTO) as core:
            first = core.add_proxy_config(account(registrar, contact_params={"audio": None}))
            alone = (await first.registered(timeout=5)).contact.uri
            other = core.add_proxy_config(account(registrar, "sip:toto@other.com", contact_params={"video": None}))
            assert (await other.registered(timeout=5)).contact.uri == alone
            await first.refresh(timeout=5)
            assert first.contact is not None
            assert first.contact.uri == alone

    async def test_CAP_4_5_neither_pref_nor_allow_is_sent_unasked(self, sip_registrar: Registrar) -> None:
        async with registered(sip_registrar, settings={"contact_params": {"audio": None}}):
            answer = await sip_registrar.options(AOR)
            # What is answered with anything but 405 and 501 (TRA-17).
            assert answer.headers.get("Allow") == "OPTIONS, NOTIFY"
        for packet in sip_registrar.requests:
            assert {"Require", "Allow", "Accept-Contact"}.isdisjoint(dict(packet.request.headers.items()))
        # On request it is; this registrar does not know it.
        with pytest.raises(RegistrationRejected, match="420"):
            async with registered(sip_registrar, settings={"headers": (("Require", "pref"),)}):
                pass
        assert sip_registrar.requests[-1].request.require == ("pref",)
