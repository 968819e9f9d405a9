"""What an account keeps from attempt to attempt, and what makes it forget."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

import pytest

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.authenticator import Question, Verdict
from aiosipreg.engine.contacts import Purpose
from aiosipreg.engine.effects import Flow
from aiosipreg.engine.outbound import join
from aiosipreg.engine.repairs import Concessions
from aiosipreg.engine.session import Session
from aiosipreg.engine.setup import Setup
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.params import ExpiresIn, NatMode, ProxyParams
from aiosipreg.wire import NameAddr, Request, Response, parse_message
from tests.engine.driver import Driver, parse_response

TARGET = Target("192.0.2.10", 5060, Transport.UDP, "example.org")
FLOW = Flow(TARGET, "192.0.2.1", 5070)
TOTO = ProxyParams("sip:toto@example.org")
CONTACT = NameAddr.parse("<sip:toto@192.0.2.1:5070>")
PUBLIC = ("203.0.113.5", 1024)
NOTHING = (*[None] * 6, False)


def session(params: ProxyParams = TOTO) -> Session:
    return Session(params, Setup(random=Random(1), user_agent="test/1"))


def busy(params: ProxyParams = TOTO) -> Session:
    """A session that has learnt all that there is to learn."""
    subject = session(params)
    subject.series.render(Purpose.REGISTER, FLOW, "z9hG4bKb", contact=CONTACT, lifetime=60)
    subject.flow, subject.contact, subject.bound, subject.avoid = FLOW, CONTACT, CONTACT, TARGET
    subject.offered, subject.doubtful, subject.home = (CONTACT,), (CONTACT,), TARGET
    subject.public, subject.asymmetric = PUBLIC, True
    subject.series.concede(Concessions(floor=7200))
    challenge = Response(401, "", [("WWW-Authenticate", 'Digest realm="r", nonce="n"')])
    assert isinstance(subject.authenticator.challenged(challenge, "example.org"), Question)
    assert subject.authenticator.supply(AuthInfo("toto", password="s")) is Verdict.ANSWER
    return subject


def learnt(subject: Session) -> tuple[Any, ...]:
    contacts = subject.contact, subject.bound, *subject.offered, *subject.doubtful
    return (subject.flow, *contacts, subject.avoid, subject.home, subject.public, subject.asymmetric)


def test_session_begins_empty() -> None:
    subject = session()
    assert learnt(subject) == NOTHING
    assert (subject.series.cseq, subject.authenticator.algorithm, subject.questions) == (0, None, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"identity": "sip:titi@example.org"},
        {"server": "sip:other.example.org"},
        {"routes": ("sip:proxy.example.org",)},
        {"auth": AuthInfo("toto", password="other")},
    ],
)
def test_REG_38_another_account_starts_clean(changes: dict[str, Any]) -> None:
    subject = busy()
    before = subject.series
    params = TOTO.replace(**changes)
    assert subject.adopt(params)
    assert learnt(subject) == NOTHING
    assert subject.params is subject.series.params is params
    assert (subject.series.cseq, subject.lifetime, subject.authenticator.algorithm) == (0, 3600, None)
    assert subject.series.call_id != before.call_id


@pytest.mark.parametrize("changes", [{"expires": 60}, {"ref_key": "x"}, {"headers": (("X-A", "1"),)}, {}])
def test_REG_4_38_same_account_keeps_everything(changes: dict[str, Any]) -> None:
    subject = busy()
    before = (learnt(subject), subject.series, subject.series.call_id, subject.series.cseq)
    params = TOTO.replace(**changes)
    assert not subject.adopt(params)
    assert (learnt(subject), subject.series, subject.series.call_id, subject.series.cseq) == before
    assert subject.params is subject.series.params is params
    assert (subject.lifetime, subject.authenticator.algorithm) == (7200, "MD5")


def test_REG_27_new_call_id_keeps_what_the_registrar_insists_on() -> None:
    subject = busy()
    before = subject.series
    subject.renew()
    assert subject.series.call_id != before.call_id
    assert (subject.series.cseq, subject.lifetime) == (0, 7200)
    assert learnt(subject)[0] is FLOW


def test_REG_15_lifetime_is_what_the_settings_say_but_not_below_the_floor() -> None:
    subject = session(TOTO.replace(expires=600))
    assert (subject.lifetime, subject.assumed) == (600, 600.0)
    subject.series.concede(Concessions(floor=300))
    assert (subject.lifetime, subject.assumed) == (600, 600.0)
    subject.series.concede(Concessions(floor=1800))
    assert (subject.lifetime, subject.assumed) == (1800, 1800.0)


@pytest.mark.parametrize(
    ("place", "assumed"),
    [(ExpiresIn.BOTH, 60), (ExpiresIn.CONTACT, 60), (ExpiresIn.HEADER, 60), (ExpiresIn.NOWHERE, 3600)],
)
def test_REG_13_lifetime_that_nobody_named(place: ExpiresIn, assumed: float) -> None:
    assert session(TOTO.replace(expires=60, lifetime_in=place)).assumed == assumed


def test_MSG_22_answer_must_be_to_the_last_request() -> None:
    subject = session()
    rows = [
        ("Via", "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKb"),
        ("From", f"<sip:toto@example.org>;tag={subject.series.call_id}"),
        ("To", "<sip:toto@example.org>"),
        ("Call-ID", subject.series.call_id),
        ("CSeq", "1 REGISTER"),
    ]
    subject.series.render(Purpose.REGISTER, FLOW, "z9hG4bKb", contact=CONTACT, lifetime=60)
    assert subject.mismatch(Response(200, "OK", rows)) is None
    subject.series.render(Purpose.REGISTER, FLOW, "z9hG4bKc", contact=CONTACT, lifetime=60)
    assert subject.mismatch(Response(200, "OK", rows)) == "CSeq"


def test_DNS_18_failed_target_is_left_and_avoided() -> None:
    subject = busy()
    other = Target("192.0.2.11", 5060, Transport.UDP, "example.org")
    subject.leave(other)
    assert (subject.flow, subject.hop, subject.home, subject.avoid) == (None, None, None, other)
    assert (subject.bound, subject.public) == (CONTACT, PUBLIC)


# The Contact and the address that others see


def test_NAT_3_contact_follows_the_public_address() -> None:
    subject = session()
    assert str(subject.contact_on(FLOW)) == "<sip:toto@192.0.2.1:5070>"
    assert subject.learn(PUBLIC, again=False)
    assert str(subject.contact_on(FLOW)) == "<sip:toto@203.0.113.5:1024>"
    assert not subject.learn(PUBLIC, again=False)
    # The NAT went away.
    assert subject.learn(None, again=False)
    assert str(subject.contact_on(FLOW)) == "<sip:toto@192.0.2.1:5070>"


def test_NAT_4_address_that_changes_each_time_is_left_alone() -> None:
    subject = session()
    assert subject.learn(PUBLIC, again=False)
    assert not subject.learn(("203.0.113.5", 1025), again=True)
    assert subject.asymmetric
    assert subject.public == PUBLIC
    assert not subject.learn(("203.0.113.5", 1026), again=False)
    assert subject.public == PUBLIC


def test_NAT_3_may_be_switched_off() -> None:
    subject = session(TOTO.replace(nat=NatMode.OFF))
    assert not subject.learn(PUBLIC, again=False)
    assert subject.public is None


def test_contact_of_the_account_that_this_one_depends_on() -> None:
    subject = session(TOTO.replace(contact_params={"q": "0.5"}))
    subject.shared = NameAddr.parse("<sip:master@203.0.113.9:5060>;expires=3")
    assert str(subject.contact_on(FLOW)) == "<sip:master@203.0.113.9:5060>;q=0.5"
    assert not subject.learn(PUBLIC, again=False)


def test_REG_9_a_shared_contact_is_the_one_of_now_though_its_uri_counts_as_the_same() -> None:
    subject = session()
    for contact in ("<sip:master@203.0.113.9:5060>", "<sip:master@203.0.113.9:5060;x-line=2>"):
        subject.shared = NameAddr.parse(contact)
        assert str(subject.contact_on(FLOW)) == contact


def test_PUSH_9_contact_without_push_once_the_registrar_refused_it() -> None:
    subject = session(TOTO.replace(contact_uri_params={"pn-prid": "x", "ob": None}))
    assert "pn-prid" in str(subject.contact_on(FLOW))
    subject.series.concede(Concessions(without_push=True))
    assert str(subject.contact_on(FLOW)) == "<sip:toto@192.0.2.1:5070;ob>"


def test_REG_9_a_sips_account_registers_the_contact_of_another_as_sips() -> None:
    subject = session(ProxyParams("sips:toto@example.org"))
    subject.shared = NameAddr.parse("<sip:master@203.0.113.9:5060>")
    assert str(subject.contact_on(FLOW).uri) == "sips:master@203.0.113.9:5060"
    subject.shared = NameAddr.parse("<tel:+33123>")
    assert str(subject.contact_on(FLOW).uri) == "sips:toto@192.0.2.1:5070"


# What the registrar may hold

FIRST, SECOND = (Flow(TARGET, f"192.0.2.{number}", 5070) for number in (1, 2))
ONE, TWO = "sip:toto@192.0.2.1:5070", "sip:toto@192.0.2.2:5070"


def held(subject: Session) -> list[str]:
    return [str(contact.uri) for contact in subject.held()]


def stale(subject: Session, flow: Flow) -> list[str]:
    """What the next registration on a flow takes away."""
    contact = subject.offer(Purpose.REGISTER, flow)
    request = parse_message(subject.request(Purpose.REGISTER, flow, contact, 0.0).data)
    assert isinstance(request, Request)
    kept, *removed = request.contacts
    assert kept.uri == contact.uri
    assert all(entry.expires == 0 for entry in removed)
    return [str(entry.uri) for entry in removed]


def test_N4_contact_that_was_offered_may_be_held() -> None:
    subject = session()
    assert held(subject) == []
    contact = subject.offer(Purpose.REGISTER, FIRST)
    assert held(subject) == [ONE]
    subject.bind(contact)
    assert (held(subject), subject.offered, subject.bound) == ([ONE], (), contact)


def test_N4_request_without_answer_leaves_doubt_that_the_next_grant_ends() -> None:
    subject = session()
    subject.offer(Purpose.REGISTER, FIRST)
    subject.unanswered()
    subject.unanswered()
    assert held(subject) == [ONE]
    assert stale(subject, FIRST) == []
    assert stale(subject, SECOND) == [ONE]
    assert held(subject) == [ONE, TWO]
    subject.bind(subject.contact_on(SECOND))
    assert held(subject) == [TWO]
    assert stale(subject, SECOND) == []


def test_N4_doubt_has_a_limit() -> None:
    subject = session()
    for number in range(1, 20):
        subject.offer(Purpose.REGISTER, Flow(TARGET, f"192.0.2.{number}", 5070))
        subject.unanswered()
    assert held(subject) == [f"sip:toto@192.0.2.{number}:5070" for number in range(12, 20)]


@pytest.mark.parametrize(("confirmed", "left"), [(True, []), (False, [ONE, TWO])])
def test_N4_release_of_what_may_be_held(confirmed: bool, left: list[str]) -> None:
    subject = session()
    subject.bind(subject.offer(Purpose.REGISTER, FIRST))
    subject.offer(Purpose.REGISTER, SECOND)
    subject.release(confirmed=confirmed)
    assert (held(subject), subject.bound, subject.offered) == (left, None, ())


@pytest.mark.parametrize("purpose", [Purpose.REMOVE, Purpose.CLEAR])
def test_REG_22_removal_is_of_the_contact_that_was_sent(purpose: Purpose) -> None:
    subject = session()
    assert str(subject.offer(purpose, SECOND).uri) == TWO
    contact = subject.offer(Purpose.REGISTER, FIRST)
    assert subject.offer(purpose, SECOND) is contact


def test_REG_21_question_offers_nothing() -> None:
    subject = session()
    subject.offer(Purpose.FETCH, FIRST)
    assert (held(subject), subject.contact) == ([], None)


def test_N4_further_contacts_may_be_held_too() -> None:
    extra = "sip:toto@203.0.113.7"
    subject = session(TOTO.replace(extra_contacts=(extra,)))
    subject.offer(Purpose.REGISTER, FIRST)
    subject.unanswered()
    assert held(subject) == [ONE, extra]
    subject.adopt(TOTO)
    assert stale(subject, SECOND) == [ONE, extra]
    assert [str(entry.uri) for entry in subject.stale(Purpose.REMOVE, subject.contact_on(FIRST))] == [extra, TWO]


# Outbound


OUTBOUND = TOTO.replace(instance_id="urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", outbound=True)
CONTACT_OF_A_FLOW = '<sip:toto@192.0.2.1:5070>;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>";reg-id=1'


def test_OUTB_2_3_the_contact_of_a_flow_is_the_same_every_time() -> None:
    subject = session(OUTBOUND)
    assert str(subject.contact_on(FLOW)) == str(subject.contact_on(FLOW)) == CONTACT_OF_A_FLOW
    subject.series.concede(Concessions(without_tags=frozenset({"outbound"})))
    assert "reg-id" not in str(subject.contact_on(FLOW))


def test_NAT_3_no_address_is_followed_while_outbound_is_hoped_for() -> None:
    subject = session(OUTBOUND)
    assert not subject.learn(PUBLIC, again=False)
    assert (subject.mapped, subject.public) == (PUBLIC, None)
    subject.outbound = True
    assert not subject.learn(PUBLIC, again=False)
    subject.outbound = False
    assert subject.learn(PUBLIC, again=False)
    assert subject.public == PUBLIC


def test_OUTB_11_a_refusal_that_came_by_the_flow_leaves_it() -> None:
    subject = session(OUTBOUND)
    busy, broken = Response(503, ""), Response(430, "")
    subject.flow = FLOW
    assert not subject.holds_on(FLOW, busy)
    subject.outbound = True
    assert subject.holds_on(FLOW, busy)
    assert not subject.holds_on(FLOW, broken)
    assert not subject.holds_on(None, busy)
    assert not subject.holds_on(Flow(TARGET, "192.0.2.1", 5071), busy)


def test_OUTB_7_stale_contacts_are_named_where_no_reg_id_replaces_them() -> None:
    subject = session(OUTBOUND)
    subject.bind(NameAddr.parse("<sip:toto@192.0.2.9:5070>"))
    contact = subject.contact_on(FLOW)
    assert subject.stale(Purpose.REGISTER, contact) == [subject.bound]
    subject.outbound = True
    assert subject.stale(Purpose.REGISTER, contact) == []
    assert subject.stale(Purpose.REGISTER, CONTACT) == [subject.bound]


def test_OUTB_19_what_speaks_against_a_target() -> None:
    one, other = (Driver(OUTBOUND, reg_id=reg_id, targets=[TARGET]) for reg_id in (1, 2))
    join((one.machine, other.machine))
    assert other.session.reluctance(TARGET) == (False, False)
    one.register()
    one.ok("Require: outbound")
    assert one.session.reluctance(TARGET) == (False, False)
    assert other.session.reluctance(TARGET) == (False, True)
    other.session.avoid = TARGET
    assert other.session.reluctance(TARGET) == (True, True)


def test_REG_11_contact_is_made_once_for_as_long_as_what_it_is_made_of_lasts() -> None:
    subject = session()
    first = subject.contact_on(FLOW)
    assert subject.contact_on(FLOW) is first
    subject.public = PUBLIC
    followed = subject.contact_on(FLOW)
    assert str(followed) == "<sip:toto@203.0.113.5:1024>"
    assert str(subject.contact_on(Flow(TARGET, "192.0.2.9", 5099))) == str(followed)
    subject.public = None
    assert str(subject.contact_on(Flow(TARGET, "192.0.2.9", 5099))) == "<sip:toto@192.0.2.9:5099>"
    subject.params = ProxyParams("sip:titi@example.org", contact_uri_params={"pn-provider": "acme"})
    assert str(subject.contact_on(FLOW)) == "<sip:titi@192.0.2.1:5070;pn-provider=acme>"
    subject.series.concede(Concessions(without_push=True))
    assert str(subject.contact_on(FLOW)) == "<sip:titi@192.0.2.1:5070>"
    subject.shared = NameAddr.parse("<sip:other@192.0.2.77>")
    assert str(subject.contact_on(FLOW)) == "<sip:other@192.0.2.77>"


def test_OUTB_4_our_own_address_is_registered_where_requests_take_the_flow() -> None:
    subject = session(ProxyParams("sip:toto@example.org", instance_id=f"urn:uuid:{UUID(int=1)}", outbound=True))
    subject.public = PUBLIC
    assert subject.contact_on(FLOW).uri == CONTACT.uri
    subject.outbound = False
    assert str(subject.contact_on(FLOW).uri) == "sip:toto@203.0.113.5:1024"


@pytest.mark.parametrize(
    ("status", "offered", "packed"),
    [(200, (), True), (401, (), True), (401, (CONTACT,), False), (407, (CONTACT,), False)],
)
def test_an_answer_is_kept_small_unless_another_one_is_expected(
    status: int, offered: tuple[NameAddr, ...], packed: bool
) -> None:
    subject, response = session(), parse_response(f"SIP/2.0 {status} x\r\nServer: y\r\n\r\n")
    subject.offered = offered
    subject.settle(response)
    assert ("headers" not in vars(response)) is packed


def test_a_challenge_that_nobody_reacts_to_the_answer_of_is_kept_small() -> None:
    driver = Driver()
    driver.register()
    driver.challenged()
    answer = driver.session.answer
    assert answer is not None
    assert "headers" in vars(answer)
    driver.close()
    assert "headers" not in vars(answer)


@pytest.mark.parametrize("purpose", [Purpose.CLEAR, Purpose.FETCH])
def test_REG_21_23_a_request_that_names_no_contact_of_ours_takes_none_back(purpose: Purpose) -> None:
    subject = busy()
    subject.doubtful = (NameAddr.parse("<sip:toto@198.51.100.1>"),)
    assert subject.stale(Purpose.REGISTER, CONTACT) == [*subject.doubtful]
    assert subject.stale(purpose, CONTACT) == []


def test_REG_20_a_flow_is_asked_for_unless_somebody_knows_that_it_need_not_be() -> None:
    subject = session()
    subject.flow = FLOW
    assert subject.asks
