"""The GRUUs of one account: RFC 5627, as far as a registration learns and loses them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aiosipreg.engine.binding import Binding
from aiosipreg.engine.gruu import NO_GRUUS, Gruus
from aiosipreg.engine.outbound import join
from aiosipreg.wire import NameAddr, Params
from tests.engine.driver import Driver, challenge, params

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
PUBLIC = f"sip:alice@example.org;gr={INSTANCE}"


def binding(public: str | None = None, temporary: str | None = None, *, scheme: str = "sip") -> Binding:
    contact = NameAddr.parse(f"<{scheme}:alice@198.51.100.7>")
    gruus = {"pub-gruu": public, "temp-gruu": temporary}
    given = Params.of({name: gruu for name, gruu in gruus.items() if gruu is not None})
    return Binding(replace(contact, params=given), 3600, 4600)


def learnt(*bindings: Binding) -> Gruus:
    gruus = NO_GRUUS
    for entry in bindings:
        gruus = gruus.learnt(entry)
    return gruus


def temporary(number: int) -> str:
    return f"sip:tgruu.{number}@example.org;gr"


@pytest.mark.parametrize("public", [None, PUBLIC])
@pytest.mark.parametrize("temp", [None, temporary(1)])
def test_GRUU_2_none_either_or_both(public: str | None, temp: str | None) -> None:
    gruus = learnt(binding(public, temp))
    assert (gruus.public, gruus.temporary) == (public, () if temp is None else (temp,))


@pytest.mark.parametrize("text", ["", "tel:+123", "http://example.org", "sip:", "sip:a b@c", "\x00"])
def test_GRUU_2_only_a_sip_uri_will_do(text: str) -> None:
    gruus = learnt(binding(text, text))
    assert (gruus.public, gruus.temporary) == (None, ())


def test_GRUU_3_a_public_one_is_replaced_and_temporary_ones_pile_up() -> None:
    gruus = learnt(binding(PUBLIC, temporary(1)), binding("sip:alice@example.org;gr=other", temporary(2)))
    assert gruus.public == "sip:alice@example.org;gr=other"
    assert gruus.temporary == (temporary(1), temporary(2))
    gruus = gruus.learnt(binding(None, temporary(2)))
    assert gruus.public is None
    assert gruus.temporary == (temporary(1), temporary(2))


def test_GRUU_3_at_most_64_are_kept_the_newest() -> None:
    gruus = learnt(*(binding(PUBLIC, temporary(number)) for number in range(100)))
    assert gruus.temporary == tuple(temporary(number) for number in range(36, 100))


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.org;gr=urn:uuid:F81D4FAE;x-Odd=%41;lr",
        "sip:a%3bb@EXAMPLE.org:5070;gr;transport=tcp;maddr=192.0.2.1;user=phone",
        "SIP:alice@example.org;gr",
    ],
)
def test_GRUU_6_nothing_of_it_is_changed(text: str) -> None:
    assert learnt(binding(text, text)).public == text
    assert learnt(binding(text, text)).temporary == (text,)


def test_GRUU_8_the_scheme_is_that_of_the_registered_contact() -> None:
    secure = learnt(binding("sip:alice@example.org;gr=%61", "sip:t@example.org;gr", scheme="sips"))
    assert (secure.public, secure.temporary) == ("sips:alice@example.org;gr=%61", ("sips:t@example.org;gr",))
    plain = learnt(binding("SIPS:alice@example.org;gr", scheme="sip"))
    assert plain.public == "sip:alice@example.org;gr"


# In the life of an account.


def with_gruus(driver: Driver, number: int, *rows: str, public: str = PUBLIC) -> None:
    """Answer the newest request with a binding that has both kinds."""
    contact = driver.last.contacts[0].partition(";expires")[0]
    row = f'Contact: {contact};expires=600;pub-gruu="{public}";temp-gruu="{temporary(number)}"'
    driver.ok(row, *rows)


def started(**settings: Any) -> Driver:
    driver = Driver(params(instance_id=INSTANCE, **settings))
    driver.register()
    return driver


def gruus(driver: Driver) -> tuple[str | None, tuple[str, ...]]:
    known = driver.session.gruus
    return known.public, known.temporary


def test_GRUU_1_what_a_request_says() -> None:
    driver = started()
    for number in (1, 2):
        request = driver.last.request
        assert "gruu" in request.supported
        [contact] = request.contacts
        assert contact.params["+sip.instance"] == f"<{INSTANCE}>"
        assert not {"pub-gruu", "temp-gruu"} & set(contact.params)
        assert contact.uri != driver.settings.aor
        assert str(contact.uri) not in (PUBLIC, temporary(1))
        with_gruus(driver, number)
        driver.step()
    assert "gruu" not in Driver(params()).session.series.concessions.tags(params())


def test_GRUU_2_quotes_are_undone() -> None:
    driver = started()
    with_gruus(driver, 1, public=r"sip:\alice@example.org;gr=urn:\uuid:1")
    assert gruus(driver) == ("sip:alice@example.org;gr=urn:uuid:1", (temporary(1),))
    driver.refresh()
    with_gruus(driver, 2, public=r"sip:alice@example.org;gr=\"odd\"")
    assert gruus(driver)[0] == 'sip:alice@example.org;gr="odd"'


def test_GRUU_4_another_call_id_ends_temporary_ones() -> None:
    driver = started()
    with_gruus(driver, 1)
    driver.refresh()
    driver.final(500)
    assert gruus(driver) == (PUBLIC, ())
    driver.step()
    with_gruus(driver, 2)
    assert gruus(driver) == (PUBLIC, (temporary(2),))


def test_GRUU_4_another_registrar_ends_them_too() -> None:
    driver = started()
    with_gruus(driver, 1)
    driver.edit(server="sip:other.example.org")
    driver.ok()
    assert gruus(driver) == (None, ())


def test_GRUU_5_a_refusal_leaves_them_alone() -> None:
    driver = started()
    with_gruus(driver, 1)
    for status in (401, 480, 503):
        driver.refresh()
        driver.now += 2
        driver.final(status, *([challenge()] if status == 401 else []))
        assert gruus(driver) == (PUBLIC, (temporary(1),))
        if status == 401:
            with_gruus(driver, 1)


def test_GRUU_5_expiry_of_the_binding_ends_them() -> None:
    driver = started()
    with_gruus(driver, 1)
    driver.refresh()
    driver.run(driver.now + 601)
    assert gruus(driver) == (None, ())


def test_GRUU_5_with_several_flows_one_that_lives_keeps_them() -> None:
    one, other = (Driver(params(instance_id=INSTANCE, outbound=True), reg_id=reg_id) for reg_id in (1, 2))
    join((one.machine, other.machine))
    for number, driver in enumerate((one, other), 1):
        driver.register()
        with_gruus(driver, number, "Require: outbound")
    assert gruus(one) == gruus(other) == (PUBLIC, (temporary(1), temporary(2)))
    one.unregister()
    one.ok()
    assert gruus(other) == (PUBLIC, (temporary(1), temporary(2)))
    other.refresh()
    other.run(other.now + 601)
    assert gruus(other) == (None, ())


def test_GRUU_7_after_the_removal_there_is_none() -> None:
    driver = started()
    with_gruus(driver, 1)
    driver.unregister()
    driver.ok()
    assert gruus(driver) == (None, ())


def test_NAT_3_a_contact_with_a_gruu_is_not_followed_up() -> None:
    driver = started()
    contact = driver.last.contacts[0].partition(";expires")[0]
    seen = ("203.0.113.9", 40_000)
    driver.ok(f'Contact: {contact};expires=600;pub-gruu="{PUBLIC}"', seen=seen)
    assert len(driver.requests) == 1
    assert driver.session.mapped == seen
    driver.step()
    assert driver.last.contacts[0] == driver.requests[0].contacts[0]


def test_NAT_3_nor_is_it_taken_back_when_a_challenge_told_the_address() -> None:
    driver = started()
    seen = ("203.0.113.9", 40_000)
    driver.final(401, challenge(), seen=seen)
    with_gruus(driver, 1)
    driver.step()
    assert all("203.0.113.9:40000" in sent.contacts[0] for sent in driver.requests[1:])
