"""aiosipreg/testing/extensions.py: outbound, GRUU and Path, through the registrar that uses them."""

from __future__ import annotations

import pytest

from aiosipreg.testing.scripted import ScriptedRegistrar
from tests.testing.requests import AOR, CONTACT, ask, register

INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
OTHER = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
OUTBOUND = ("Supported: path, outbound",)
GRUU = ("Supported: gruu",)


def contact(uri: str = "sip:toto@127.0.0.1:5062", instance: str | None = INSTANCE, reg_id: str | None = "1") -> str:
    """A Contact as outbound clients write it."""
    first = "" if instance is None else f';+sip.instance="<{instance}>"'
    return f"<{uri}>{first}" + ("" if reg_id is None else f";reg-id={reg_id}")


def test_outbound_is_agreed_on_with_those_who_ask() -> None:
    registrar = ScriptedRegistrar(None, flow_timer=120)
    answer = ask(registrar, register(contact(), rows=OUTBOUND))
    assert (answer.status, answer.require, answer.flow_timer) == (200, ("outbound",), 120)
    (binding,) = registrar.bindings[AOR]
    assert (binding.instance_id, binding.reg_id) == (INSTANCE, 1)
    registrar.flow_timer = None
    answer = ask(registrar, register(contact(), rows=OUTBOUND, cseq=2))
    assert (answer.require, answer.flow_timer) == (("outbound",), None)


@pytest.mark.parametrize(
    ("entry", "rows"),
    [
        (contact(), ()),
        (contact(instance=None), OUTBOUND),
        (contact(reg_id=None), OUTBOUND),
        (contact(reg_id="one"), OUTBOUND),
        (contact(reg_id="12345678901"), OUTBOUND),
        (contact(reg_id="²"), OUTBOUND),
        (None, OUTBOUND),
    ],
)
def test_there_is_no_outbound_without_all_three_of_its_signs(entry: str | None, rows: tuple[str, ...]) -> None:
    registrar = ScriptedRegistrar(None, flow_timer=120)
    answer = ask(registrar, register(entry, rows=rows))
    assert (answer.status, answer.require, answer.flow_timer) == (200, (), None)
    assert [binding.reg_id for binding in registrar.bindings.get(AOR, ())] == ([] if entry is None else [None])


def test_a_registrar_may_know_nothing_of_outbound() -> None:
    registrar = ScriptedRegistrar(None, outbound=False, flow_timer=120)
    answer = ask(registrar, register(contact(), rows=OUTBOUND))
    assert (answer.status, answer.require, answer.flow_timer) == (200, (), None)
    ask(registrar, register(contact("sip:toto@192.0.2.7"), rows=OUTBOUND, cseq=2))
    assert len(registrar.bindings[AOR]) == 2


def test_one_binding_for_each_instance_and_reg_id() -> None:
    registrar = ScriptedRegistrar(None)
    same = "sip:toto@192.0.2.7"
    entries = (contact(), contact(reg_id="2"), contact(instance=OTHER), contact(same), contact(same, reg_id="2"))
    for cseq, entry in enumerate(entries, 1):
        ask(registrar, register(entry, rows=OUTBOUND, cseq=cseq))
    found = [(str(b.contact.uri), b.instance_id, b.reg_id, b.cseq) for b in registrar.bindings[AOR]]
    assert found == [(same, INSTANCE, 1, 4), (same, INSTANCE, 2, 5), ("sip:toto@127.0.0.1:5062", OTHER, 1, 3)]
    ask(registrar, register(f"{contact(same)};expires=0", rows=OUTBOUND, cseq=6))
    assert [(b.instance_id, b.reg_id) for b in registrar.bindings[AOR]] == [(INSTANCE, 2), (OTHER, 1)]


def test_a_plain_registration_replaces_the_outbound_one_of_its_uri() -> None:
    registrar = ScriptedRegistrar(None)
    ask(registrar, register(contact(), rows=OUTBOUND))
    ask(registrar, register(CONTACT, cseq=2))
    assert [(binding.reg_id, binding.cseq) for binding in registrar.bindings[AOR]] == [(None, 2)]


def test_two_contacts_for_one_flow_are_a_bad_request() -> None:
    registrar = ScriptedRegistrar(None)
    assert ask(registrar, register(f"{contact()}, <sip:other@192.0.2.7>", rows=OUTBOUND)).status == 400
    assert registrar.bindings == {}
    answer = ask(registrar, register(f"{contact()}, <sip:other@192.0.2.7>;expires=0", rows=OUTBOUND))
    assert (answer.status, len(answer.contacts)) == (200, 1)


def test_a_first_hop_without_outbound_is_an_answer_like_any_other() -> None:
    registrar = ScriptedRegistrar(None)
    registrar.answer_next(439)
    answer = ask(registrar, register(contact(), rows=OUTBOUND))
    assert (answer.status, answer.reason) == (439, "First Hop Lacks Outbound Support")
    assert ask(registrar, register(CONTACT, cseq=2)).status == 200


def test_gruus_are_given_to_instances_that_ask() -> None:
    registrar = ScriptedRegistrar(None)
    (listed,) = ask(registrar, register(contact(reg_id=None), rows=GRUU)).contacts
    (binding,) = registrar.bindings[AOR]
    assert listed.params["pub-gruu"] == binding.pub_gruu == f"{AOR};gr={INSTANCE}"
    assert listed.params["temp-gruu"] == binding.temp_gruu
    assert binding.temp_gruu is not None
    assert binding.temp_gruu.startswith("sip:tgruu.")
    assert binding.temp_gruu.endswith("@sip.titi.com;gr")


def test_each_refresh_brings_another_temporary_one() -> None:
    registrar = ScriptedRegistrar(None)
    ask(registrar, register(contact(), rows=GRUU))
    first = registrar.bindings[AOR][0]
    ask(registrar, register(contact("sip:other@192.0.2.7", OTHER), rows=GRUU, cseq=2))
    assert registrar.bindings[AOR][0] == first
    ask(registrar, register(contact(), rows=GRUU, cseq=3))
    again = registrar.bindings[AOR][0]
    assert again.pub_gruu == first.pub_gruu
    assert again.temp_gruu != first.temp_gruu


@pytest.mark.parametrize(
    ("entry", "rows", "options"),
    [
        (contact(), (), {}),
        (CONTACT, GRUU, {}),
        (contact(), GRUU, {"gruu": False}),
    ],
)
def test_nobody_else_gets_any(entry: str, rows: tuple[str, ...], options: dict[str, bool]) -> None:
    answer = ask(ScriptedRegistrar(None, **options), register(entry, rows=rows))  # type: ignore[arg-type]
    assert "pub-gruu" not in answer.contacts[0].params


def test_a_telephone_number_has_no_gruu() -> None:
    answer = ask(ScriptedRegistrar(None), register(contact(), to="<tel:+15551234>", rows=GRUU))
    assert answer.status == 200
    assert "pub-gruu" not in answer.contacts[0].params


def test_who_does_not_ask_is_not_shown_the_gruus_of_others() -> None:
    registrar = ScriptedRegistrar(None)
    ask(registrar, register(contact(), rows=GRUU))
    assert "pub-gruu" not in ask(registrar, register(None, cseq=2)).contacts[0].params
    assert "pub-gruu" in ask(registrar, register(None, rows=GRUU, cseq=3)).contacts[0].params


def test_what_a_client_says_of_its_gruus_counts_for_nothing() -> None:
    entry = f'{contact()};pub-gruu="sip:me@evil.example;gr=1";temp-gruu="sip:t@evil.example;gr"'
    (listed,) = ask(ScriptedRegistrar(None), register(entry)).contacts
    assert "pub-gruu" not in listed.params
    assert "temp-gruu" not in listed.params


def test_an_instance_id_is_escaped_where_a_uri_needs_it() -> None:
    registrar = ScriptedRegistrar(None)
    ask(registrar, register(contact(instance="urn:x;y=z"), rows=GRUU))
    assert registrar.bindings[AOR][0].pub_gruu == f"{AOR};gr=urn:x%3By%3Dz"


def test_a_path_comes_back_to_those_who_understand_it() -> None:
    registrar = ScriptedRegistrar(None)
    rows = ("Path: <sip:edge.example.org;lr;ob>", "Path: <sip:core.example.org;lr>")
    answer = ask(registrar, register(rows=("Supported: path", *rows)))
    assert [str(entry.uri) for entry in answer.path] == ["sip:edge.example.org;lr;ob", "sip:core.example.org;lr"]
    assert ask(registrar, register(rows=rows, cseq=2)).path == ()
