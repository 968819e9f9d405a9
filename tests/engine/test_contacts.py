"""Which Contacts a REGISTER names: our own, further ones, and those that are taken back."""

from __future__ import annotations

from typing import Any

import pytest

from aiosipreg.engine.contacts import Purpose, contact_address, contact_rows
from aiosipreg.engine.effects import Flow
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.params import ExpiresIn, ProxyParams
from aiosipreg.wire import NameAddr
from tests.engine.driver import Driver, params

FLOW = Flow(Target("192.0.2.10", 5060, Transport.UDP, "example.org"), "192.0.2.1", 5070)
TOTO = ProxyParams("sip:toto@example.org")
CONTACT = NameAddr.parse("<sip:toto@192.0.2.1:5070>")
STALE = NameAddr.parse("<sip:toto@10.0.0.1:5060>;q=0.7")
INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
DESK, LAB = "<sip:toto@desk.example.org>;q=0.3", '"Lab" <sip:toto@lab.example.org>;expires=60'


def flow(transport: Transport = Transport.UDP, host: str = "192.0.2.1", port: int = 5070) -> Flow:
    return Flow(Target("192.0.2.10", 5060, transport, "example.org"), host, port)


# Our own


@pytest.mark.parametrize(
    ("transport", "uri"),
    [
        (Transport.UDP, "sip:toto@192.0.2.1:5070"),
        (Transport.TCP, "sip:toto@192.0.2.1:5070;transport=tcp"),
        (Transport.TLS, "sip:toto@192.0.2.1:5070"),
        (Transport.WS, "sip:toto@192.0.2.1:5070;transport=ws"),
        (Transport.WSS, "sip:toto@192.0.2.1:5070;transport=ws"),
    ],
)
def test_REG_11_contact_is_the_address_of_the_flow(transport: Transport, uri: str) -> None:
    assert str(contact_address(TOTO, flow(transport)).uri) == uri


def test_REG_11_contact_by_ipv6() -> None:
    assert str(contact_address(TOTO, flow(host="2001:db8::1"))) == "<sip:toto@[2001:db8::1]:5070>"


def test_NAT_3_public_address_replaces_our_own() -> None:
    assert str(contact_address(TOTO, FLOW, ("203.0.113.5", 1024))) == "<sip:toto@203.0.113.5:1024>"


@pytest.mark.parametrize("public", [None, ("203.0.113.5", 1024)])
def test_WS_4_the_contact_is_a_name_that_leads_nowhere(public: tuple[str, int] | None) -> None:
    there = Target("192.0.2.10", 443, Transport.WSS, "example.org")
    contact = contact_address(TOTO, Flow(there, "0a1b2c.invalid", None, 1), public)
    assert str(contact.uri) == "sip:toto@0a1b2c.invalid;transport=ws"


@pytest.mark.parametrize(
    "settings",
    [
        {"server": "sips:example.org"},
        {"identity": "sips:toto@example.org", "server": "sips:example.org"},
        {"routes": ("sips:proxy.example.org", "sip:inner.example.org")},
        {"routes": ("SIPS:proxy.example.org",)},
    ],
)
def test_REG_10_contact_is_sips_when_the_way_is(settings: dict[str, Any]) -> None:
    assert str(contact_address(TOTO.replace(**settings), flow(Transport.TLS)).uri) == "sips:toto@192.0.2.1:5070"


def test_REG_10_contact_is_sip_when_only_a_later_route_is_sips() -> None:
    params = TOTO.replace(routes=("sip:proxy.example.org", "sips:inner.example.org"))
    assert str(contact_address(params, FLOW).uri) == "sip:toto@192.0.2.1:5070"


def test_OUTB_2_instance_id_in_quotes_and_brackets() -> None:
    contact = contact_address(TOTO.replace(instance_id=INSTANCE), FLOW)
    assert str(contact) == f'<sip:toto@192.0.2.1:5070>;+sip.instance="<{INSTANCE}>"'


def test_CAP_1_features_of_the_contact() -> None:
    features = {
        "audio": None, "mobility": "mobile", "methods": "OPTIONS,NOTIFY", "description": "<a phone>", "+sip.ice": None,
        "+g.app": "true", "+sip.x": "<a>", "q": "0.5",
    }  # fmt: skip
    contact = contact_address(TOTO.replace(contact_params=features), FLOW)
    assert str(contact) == (
        '<sip:toto@192.0.2.1:5070>;audio;mobility="mobile";methods="OPTIONS,NOTIFY";description="<a phone>";+sip.ice'
        ';+g.app="true";+sip.x="<a>";q=0.5'
    )
    assert NameAddr.parse(str(contact)).params == features


def test_PUSH_9_parameters_of_push_can_be_left_out() -> None:
    params = TOTO.replace(contact_uri_params={"pn-provider": "acme", "PN-prid": "secret", "ob": None})
    assert contact_address(params, FLOW).uri.params.keys() == {"pn-provider", "pn-prid", "ob"}  # type: ignore[union-attr]
    assert str(contact_address(params, FLOW, push=False).uri) == "sip:toto@192.0.2.1:5070;ob"


# Further ones


def test_REG_7_further_contacts_follow_our_own_each_with_its_own_q_and_lifetime() -> None:
    rows = contact_rows(TOTO.replace(extra_contacts=(DESK, LAB)), Purpose.REGISTER, CONTACT, 600).splitlines()
    assert rows == [
        "Contact: <sip:toto@192.0.2.1:5070>;expires=600",
        "Contact: <sip:toto@desk.example.org>;q=0.3;expires=600",
        'Contact: "Lab" <sip:toto@lab.example.org>;expires=60',
        "Expires: 600",
    ]


def test_REG_27_every_contact_gets_the_lifetime_that_the_registrar_insists_on() -> None:
    rows = contact_rows(TOTO.replace(extra_contacts=(LAB,)), Purpose.REGISTER, CONTACT, 600, floor=300).splitlines()
    assert rows[1] == 'Contact: "Lab" <sip:toto@lab.example.org>;expires=300'


def test_REG_8_a_lifetime_of_its_own_is_kept_where_the_header_has_the_other() -> None:
    settings = TOTO.replace(extra_contacts=(DESK, LAB), lifetime_in=ExpiresIn.HEADER)
    rows = contact_rows(settings, Purpose.REGISTER, CONTACT, 600, [STALE]).splitlines()
    assert rows[1:] == [
        "Contact: <sip:toto@desk.example.org>;q=0.3",
        'Contact: "Lab" <sip:toto@lab.example.org>;expires=60',
        "Contact: <sip:toto@10.0.0.1:5060>;expires=0",
        "Expires: 600",
    ]


def test_REG_22_a_removal_names_what_is_held_and_nothing_else() -> None:
    rows = contact_rows(TOTO.replace(extra_contacts=(DESK,)), Purpose.REMOVE, CONTACT, 600, [STALE]).splitlines()
    assert rows == [
        "Contact: <sip:toto@192.0.2.1:5070>;expires=0",
        "Contact: <sip:toto@10.0.0.1:5060>;expires=0",
        "Expires: 0",
    ]


@pytest.mark.parametrize("purpose", [Purpose.FETCH, Purpose.CLEAR])
def test_REG_21_REG_23_fetch_and_clear_name_none(purpose: Purpose) -> None:
    rows = contact_rows(TOTO.replace(extra_contacts=(DESK,)), purpose, CONTACT, 600, [STALE]).splitlines()
    assert rows == ([] if purpose is Purpose.FETCH else ["Contact: *", "Expires: 0"])


def test_a_further_contact_that_is_taken_out_is_removed_once() -> None:
    driver = Driver(params(extra_contacts=(DESK, LAB)))
    driver.register()
    driver.ok()
    driver.edit(extra_contacts=(DESK,))
    assert driver.last.contacts[1:] == [
        "<sip:toto@desk.example.org>;q=0.3;expires=3600",
        "<sip:toto@lab.example.org>;expires=0",
    ]
    driver.ok()
    driver.now += 10
    driver.refresh()
    assert driver.last.contacts[1:] == ["<sip:toto@desk.example.org>;q=0.3;expires=3600"]


def test_a_further_contact_whose_removal_was_refused_is_removed_by_the_next_one() -> None:
    driver = Driver(params(extra_contacts=(DESK,)))
    driver.register()
    driver.ok()
    driver.edit(extra_contacts=())
    driver.final(500)
    driver.step()
    assert driver.last.contacts[1:] == ["<sip:toto@desk.example.org>;expires=0"]


def test_REG_22_unregistering_removes_the_further_contacts_that_are_held() -> None:
    driver = Driver(params(extra_contacts=(DESK,)))
    driver.register()
    driver.ok()
    driver.unregister()
    assert driver.last.contacts == [
        "<sip:alice@198.51.100.7:5060>;expires=0",
        "<sip:toto@desk.example.org>;expires=0",
    ]


def test_REG_35_an_old_address_goes_and_the_further_contacts_stay() -> None:
    driver = Driver(params(extra_contacts=(DESK,)))
    driver.register()
    driver.ok()
    driver.local = "198.51.100.8"
    driver.network(up=False)
    driver.network(up=True)
    driver.step()
    assert driver.last.contacts == [
        "<sip:alice@198.51.100.8:5060>;expires=3600",
        "<sip:toto@desk.example.org>;q=0.3;expires=3600",
        "<sip:alice@198.51.100.7:5060>;expires=0",
    ]
