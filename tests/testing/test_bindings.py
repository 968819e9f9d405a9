"""aiosipreg/testing/bindings.py: RFC 3261 10.3, through the registrar that uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aiosipreg.testing.scripted import ScriptedRegistrar
from tests.testing.requests import AOR, register, response

if TYPE_CHECKING:
    from aiosipreg.wire import Response

SOURCE = ("192.0.2.9", 40_000)
ONE = "<sip:toto@192.0.2.1:5060>"
TWO = "<sip:toto@192.0.2.2:5060>"


class Session:
    """A registrar, and a client that counts its CSeq."""

    def __init__(self, registrar: ScriptedRegistrar | None = None) -> None:
        self.registrar = registrar or ScriptedRegistrar(None)
        self.cseq = 0
        self.now = 0.0

    def ask(self, contact: str | None = ONE, **options: object) -> Response:
        if "cseq" not in options:
            self.cseq += 1
            options["cseq"] = self.cseq
        ((data, _),) = self.registrar.receive(register(contact, **options), SOURCE, self.now)  # type: ignore[arg-type]
        return response(data)

    @property
    def contacts(self) -> list[str]:
        return [str(binding.contact.uri) for binding in self.registrar.bindings_at(self.now).get(AOR, ())]


def listed(answer: Response) -> list[tuple[str, int | None]]:
    """URI and lifetime of every contact of an answer."""
    return [(str(contact.uri), contact.expires) for contact in answer.contacts]


def test_several_contacts_each_with_its_own_lifetime_and_q() -> None:
    session = Session()
    answer = session.ask(f"{ONE};expires=60;q=0.7, {TWO};q=0.5", rows=("Expires: 120",))
    assert listed(answer) == [("sip:toto@192.0.2.1:5060", 60), ("sip:toto@192.0.2.2:5060", 120)]
    assert [contact.q for contact in answer.contacts] == [0.7, 0.5]


def test_the_contact_parameter_wins_over_the_header_and_the_default_is_last() -> None:
    session = Session(ScriptedRegistrar(None, default_expires=77))
    assert session.ask(f"{ONE};expires=10", rows=("Expires: 20",)).contacts[0].expires == 10
    assert session.ask(rows=("Expires: 20",)).contacts[0].expires == 20
    assert session.ask().contacts[0].expires == 77
    assert session.ask(f"{ONE};expires=soon", rows=("Expires: soon",)).contacts[0].expires == 77


def test_an_answer_lists_all_bindings_with_what_is_left_of_them() -> None:
    session = Session()
    session.ask(f"{ONE};expires=600")
    session.now = 100.4
    answer = session.ask(f"{TWO};expires=60")
    assert listed(answer) == [("sip:toto@192.0.2.1:5060", 500), ("sip:toto@192.0.2.2:5060", 60)]


def test_without_contact_nothing_changes() -> None:
    session = Session()
    session.ask(f"{ONE};expires=600")
    session.now = 100.0
    assert listed(session.ask(None)) == [("sip:toto@192.0.2.1:5060", 500)]
    assert listed(Session().ask(None)) == []


def test_a_binding_lapses_at_its_time() -> None:
    session = Session()
    session.ask(f"{ONE};expires=60")
    session.now = 59.9
    assert listed(session.ask(None)) == [("sip:toto@192.0.2.1:5060", 1)]
    session.now = 60.0
    assert session.contacts == []
    assert listed(session.ask(None)) == []


def test_expires_zero_removes_one_contact() -> None:
    session = Session()
    session.ask(f"{ONE}, {TWO}")
    assert [uri for uri, _ in listed(session.ask(f"{ONE};expires=0"))] == ["sip:toto@192.0.2.2:5060"]
    assert listed(session.ask(TWO, rows=("Expires: 0",))) == []
    assert session.ask(f"{ONE};expires=0").status == 200


def test_contacts_are_found_by_the_comparison_of_rfc3261_19_1_4() -> None:
    session = Session()
    session.ask("<sip:toto@EXAMPLE.org;transport=tcp;lr>")
    session.ask("<SIP:%74oto@example.ORG;lr;transport=TCP>")
    assert len(session.contacts) == 1
    session.ask("<sip:toto@example.org:5060;transport=tcp>")
    session.ask("<sip:Toto@example.org;transport=tcp>")
    assert len(session.contacts) == 3


@pytest.mark.parametrize("cseq", [4, 5])
@pytest.mark.parametrize("contact", [ONE, f"{ONE};expires=0"])
def test_a_cseq_that_is_not_higher_is_refused_on_the_same_call_id(cseq: int, contact: str) -> None:
    session = Session()
    session.ask(f"{ONE};expires=600", cseq=5)
    answer = session.ask(contact, cseq=cseq)
    assert (answer.status, answer.reason) == (500, "CSeq Out Of Order")
    assert session.registrar.bindings[AOR][0].expires_at == 600.0


def test_another_call_id_overrides_whatever_its_cseq() -> None:
    session = Session()
    session.ask(cseq=50, call_id="before the reboot")
    assert session.ask(cseq=1, call_id="after").status == 200
    assert [(b.call_id, b.cseq) for b in session.registrar.bindings[AOR]] == [("after", 1)]


def test_a_request_is_carried_out_as_a_whole_or_not_at_all() -> None:
    session = Session(ScriptedRegistrar(None, min_expires=60))
    session.ask(ONE, cseq=5)
    assert session.ask(f"{TWO}, {ONE}", cseq=5).status == 500
    assert session.ask(f"{TWO}, {ONE};expires=10", cseq=6).status == 423
    assert session.contacts == ["sip:toto@192.0.2.1:5060"]


def test_star_removes_everything() -> None:
    session = Session()
    session.ask(f"{ONE}, {TWO}")
    session.ask("<sip:toto@192.0.2.3>", call_id="other", cseq=900)
    assert listed(session.ask("*", rows=("Expires: 0",))) == []
    assert session.contacts == []


@pytest.mark.parametrize(
    ("contact", "rows"),
    [("*", ()), ("*", ("Expires: 60",)), (f"*, {ONE}", ("Expires: 0",)), ("*;expires=0", ())],
)
def test_star_alone_and_with_expires_zero_only(contact: str, rows: tuple[str, ...]) -> None:
    session = Session()
    session.ask()
    assert session.ask(contact, rows=rows).status == 400
    assert len(session.contacts) == 1


def test_star_obeys_the_order_of_cseq() -> None:
    session = Session()
    session.ask(cseq=5)
    assert session.ask("*", rows=("Expires: 0",), cseq=5).status == 500
    assert session.ask("*", rows=("Expires: 0",), cseq=1, call_id="another").status == 200


def test_a_malformed_contact_is_a_bad_request() -> None:
    session = Session()
    assert session.ask(f"{ONE}, <sip:nobody").status == 400
    assert session.contacts == []


def test_lifetimes_too_brief_get_a_423_that_says_the_least() -> None:
    session = Session(ScriptedRegistrar(None, min_expires=300))
    answer = session.ask(f"{ONE};expires=299")
    assert (answer.status, answer.min_expires) == (423, 300)
    assert session.ask(f"{ONE};expires=300").status == 200
    assert session.ask(f"{ONE};expires=0").status == 200


def test_long_lifetimes_are_cut() -> None:
    session = Session(ScriptedRegistrar(None, max_expires=300))
    assert session.ask(f"{ONE};expires=3600").contacts[0].expires == 300
    assert session.ask(f"{ONE};expires=30").contacts[0].expires == 30


def test_addresses_of_record_are_apart_and_without_parameters() -> None:
    session = Session()
    session.ask(to="<sip:toto@SIP.titi.com;user=phone>")
    session.ask(to="<sip:tata@sip.titi.com>", call_id="other")
    session.ask(to="<sip:j%40s0n@sip.titi.com:5070>", call_id="third")
    session.ask(to="<tel:+33123>", call_id="fourth")
    session.ask(to="<sips:[2001:DB8::1]>", call_id="fifth")
    assert set(session.registrar.bindings) == {
        AOR,
        "sip:tata@sip.titi.com",
        "sip:j@s0n@sip.titi.com:5070",
        "tel:+33123",
        "sips:[2001:db8::1]",
    }


class OneContactModel(RuleBasedStateMachine):
    """The table against a dictionary, for any order of registrations, removals and waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session()
        self.model: dict[str, float] = {}

    @rule(number=st.integers(0, 3), lifetime=st.integers(0, 100))
    def register(self, number: int, lifetime: int) -> None:
        uri = f"sip:toto@192.0.2.{number}"
        assert self.session.ask(f"<{uri}>;expires={lifetime}").status == 200
        if lifetime:
            self.model[uri] = self.session.now + lifetime
        else:
            self.model.pop(uri, None)

    @rule()
    def remove_all(self) -> None:
        assert self.session.ask("*", rows=("Expires: 0",)).status == 200
        self.model.clear()

    @rule(seconds=st.integers(1, 60))
    def wait(self, seconds: int) -> None:
        self.session.now += seconds

    @invariant()
    def agrees(self) -> None:
        alive = {uri: at - self.session.now for uri, at in self.model.items() if at > self.session.now}
        assert dict(listed(self.session.ask(None))) == alive


TestAnyOrder = OneContactModel.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
