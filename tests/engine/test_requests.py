"""What other requests of a registered user need: RFC 3608 6.1, RFC 5626 4.3, RFC 5627 4.4."""

from __future__ import annotations

import pytest

from aiosipreg.engine.requests import request_contact, route_set
from aiosipreg.wire import NameAddr, SipUri

SERVICE = (NameAddr.parse("<sip:orig@scscf.example.org;lr>"), NameAddr.parse("<tel:+33123>;x=1"))
CONTACT = NameAddr.parse('<sip:alice@198.51.100.7:5060;transport=tcp>;+sip.instance="<urn:uuid:1>";reg-id=1')


def test_RTE_5_our_proxies_come_before_the_service_route() -> None:
    route = route_set(("sip:edge.example.org;lr", "sip:core.example.org;lr"), SERVICE, SipUri.parse("sip:bob@titi.com"))
    assert list(map(str, route)) == [
        "<sip:edge.example.org;lr>",
        "<sip:core.example.org;lr>",
        "<sip:orig@scscf.example.org;lr>",
        "<tel:+33123>;x=1",
    ]
    assert route_set((), (), SipUri.parse("sip:bob@titi.com")) == ()


def test_RTE_6_with_a_sips_uri_every_entry_is_one() -> None:
    route = route_set(("sip:edge.example.org;lr", "sips:b;lr"), SERVICE, SipUri.parse("sips:bob@titi.com"))
    assert [str(entry.uri) for entry in route] == [
        "sips:edge.example.org;lr",
        "sips:b;lr",
        "sips:orig@scscf.example.org;lr",
        "tel:+33123",
    ]


@pytest.mark.parametrize(
    ("outbound", "contact"),
    [(True, "<sip:alice@198.51.100.7:5060;transport=tcp;ob>"), (False, "<sip:alice@198.51.100.7:5060;transport=tcp>")],
)
def test_OUTB_20_without_a_gruu_the_flow_is_asked_for(outbound: bool, contact: str) -> None:
    assert str(request_contact(CONTACT, None, outbound=outbound)) == contact


def test_OUTB_20_another_kind_of_contact_is_left_alone() -> None:
    assert str(request_contact(NameAddr.parse("<tel:+33123>"), None, outbound=True)) == "<tel:+33123>"


@pytest.mark.parametrize(
    "gruu",
    [
        "sip:alice@example.org;gr=urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6",
        "sip:a%3Bb%2c@EXAMPLE.org:5070;X-Odd=%41;gr;transport=tcp;maddr=192.0.2.1;ttl=3;user=phone;lr",
        "sips:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr",
    ],
)
def test_GRUU_6_a_gruu_is_used_as_it_was_given(gruu: str) -> None:
    assert str(request_contact(CONTACT, gruu, outbound=True)) == f"<{gruu}>"
