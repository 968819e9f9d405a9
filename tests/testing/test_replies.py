"""aiosipreg/testing/replies.py: Via, destination, lifetimes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiosipreg.testing.replies import ExpiresIn, phrase
from aiosipreg.testing.scripted import ScriptedRegistrar
from tests.testing.requests import CONTACT, register, response

if TYPE_CHECKING:
    from aiosipreg.wire import Response

SOURCE = ("192.0.2.9", 40_000)


def answer_to(data: bytes, source: tuple[str, int] = SOURCE) -> tuple[Response, tuple[str, int]]:
    """The parsed answer and where it goes."""
    ((answer, address),) = ScriptedRegistrar(None).receive(data, source, 0.0)
    return response(answer), address


@pytest.mark.parametrize(
    ("via", "source", "received", "rport", "destination"),
    [
        ("SIP/2.0/UDP 10.0.0.1:5062;rport", SOURCE, "192.0.2.9", 40_000, SOURCE),
        ("SIP/2.0/UDP 192.0.2.9:40000;rport", SOURCE, "192.0.2.9", 40_000, SOURCE),
        ("SIP/2.0/UDP 10.0.0.1:5062", SOURCE, "192.0.2.9", None, ("192.0.2.9", 5062)),
        ("SIP/2.0/UDP 192.0.2.9:5062", SOURCE, None, None, ("192.0.2.9", 5062)),
        ("SIP/2.0/UDP 192.0.2.9", SOURCE, None, None, ("192.0.2.9", 5060)),
        ("SIP/2.0/UDP client.example.org", SOURCE, "192.0.2.9", None, ("192.0.2.9", 5060)),
        ("SIP/2.0/UDP 10.0.0.1:5062;received=6.6.6.6;rport=66", SOURCE, "192.0.2.9", 40_000, SOURCE),
        ("SIP/2.0/UDP [2001:db8::9]:5062;rport", ("2001:db8::1", 7), "2001:db8::1", 7, ("2001:db8::1", 7)),
    ],
)
def test_via_and_destination_follow_rfc3261_18_2_and_rfc3581(
    via: str, source: tuple[str, int], received: str | None, rport: int | None, destination: tuple[str, int]
) -> None:
    answer, address = answer_to(register(via=via), source)
    assert answer.via is not None
    assert (answer.via.received, answer.via.rport) == (received, rport)
    assert address == destination


def test_all_vias_are_returned_in_order() -> None:
    data = register(
        via="SIP/2.0/UDP 10.0.0.1;rport", rows=("Via: SIP/2.0/UDP 10.0.0.2;branch=b, SIP/2.0/TCP 10.0.0.3",)
    )
    answer, _ = answer_to(data)
    assert [via.host for via in answer.vias] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert [via.received for via in answer.vias] == ["192.0.2.9", None, None]


def test_a_to_tag_is_added_only_where_there_is_none() -> None:
    fresh, _ = answer_to(register())
    kept, _ = answer_to(register(to="<sip:toto@sip.titi.com>;tag=mine"))
    bare, _ = answer_to(register(to="sip:toto@sip.titi.com"))
    assert fresh.to is not None
    assert fresh.to.tag
    assert kept.headers.get("To") == "<sip:toto@sip.titi.com>;tag=mine"
    assert bare.to is not None
    assert bare.to.tag


@pytest.mark.parametrize(
    ("expires_in", "parameter", "header"), [("contact", 600, None), ("header", None, 600), ("both", 600, 600)]
)
def test_the_lifetime_is_written_where_it_was_asked_for(
    expires_in: ExpiresIn, parameter: int | None, header: int | None
) -> None:
    registrar = ScriptedRegistrar(None, expires_in=expires_in)
    ((data, _),) = registrar.receive(register(f"{CONTACT};expires=600"), SOURCE, 0.0)
    answer = response(data)
    assert answer.contacts[0].expires == parameter
    assert answer.expires == header


def test_the_header_has_the_shortest_lifetime_and_zero_after_a_removal() -> None:
    registrar = ScriptedRegistrar(None, expires_in="header")
    both = register(f"{CONTACT};expires=600, <sip:other@h>;expires=60", cseq=1)
    ((data, _),) = registrar.receive(both, SOURCE, 0.0)
    assert response(data).expires == 60
    ((data, _),) = registrar.receive(register("*", rows=("Expires: 0",), cseq=2), SOURCE, 0.0)
    assert response(data).expires == 0
    assert response(data).contacts == ()


def test_contact_parameters_come_back_as_they_were() -> None:
    entry = f'"Toto, T." {CONTACT};+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>";reg-id=1;q=0.5'
    answer, _ = answer_to(register(entry))
    (contact,) = answer.contacts
    assert contact.display_name == "Toto, T."
    assert contact.params["+sip.instance"] == "<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"
    assert (contact.params["reg-id"], contact.q, contact.expires) == ("1", 0.5, 3600)


def test_every_status_has_a_phrase() -> None:
    assert phrase(423) == "Interval Too Brief"
    assert phrase(499)


@pytest.mark.parametrize(
    ("keep", "via", "answered"),
    [(30, "keep", "30"), (0, "keep", "0"), (None, "keep", None), (30, "rport", None)],
)
def test_keep_gets_its_value_where_both_want_it(keep: int | None, via: str, answered: str | None) -> None:
    registrar = ScriptedRegistrar(None, keep=keep)
    data = register(via=f"SIP/2.0/UDP 192.0.2.9:40000;{via}")
    ((octets, _),) = registrar.receive(data, SOURCE, 0.0)
    answer = response(octets)
    assert answer.via is not None
    assert answer.via.params.get("keep") == answered


def test_keep_belongs_to_a_success() -> None:
    registrar = ScriptedRegistrar(None, keep=30)
    registrar.answer_next(503)
    ((octets, _),) = registrar.receive(register(via="SIP/2.0/UDP 192.0.2.9:40000;keep"), SOURCE, 0.0)
    answer = response(octets)
    assert answer.via is not None
    assert answer.via.params["keep"] is None
