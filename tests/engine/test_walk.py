"""From target to target within one attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiosipreg.engine.replies import TROUBLES, Row, decide
from aiosipreg.engine.walk import Walk
from aiosipreg.wire import SipUri
from tests.engine.driver import parse_response, target

if TYPE_CHECKING:
    from aiosipreg.engine.targets import Target

SILENCE, REFUSED, TLS, CERTIFICATE = (TROUBLES[row] for row in ("RSP-F0", "RSP-REF", "RSP-TLS", "TLS-1"))
OVERLOADED = decide(503)
ANSWER = parse_response("SIP/2.0 503 Busy\r\n\r\n")


def walk(*targets: Target, avoid: Target | None = None) -> Walk:
    subject = Walk()
    subject.offer(targets, lambda to: (to == avoid,), lambda _: True)
    return subject


def leave(subject: Walk, to: Target, row: Row = SILENCE, until: float | None = None) -> None:
    subject.leave(to, row, row.id, None, until)


def test_DNS_15_one_after_the_other() -> None:
    subject = walk(target(1), target(2))
    assert [subject.next(), subject.next(), subject.next()] == [target(1), target(2), None]


def test_DNS_18_the_one_to_avoid_comes_last() -> None:
    subject = walk(target(1), target(2), target(3), avoid=target(1))
    assert [subject.next(), subject.next(), subject.next()] == [target(2), target(3), target(1)]


def test_DNS_19_at_most_eight_those_of_an_earlier_list_included() -> None:
    subject = Walk()
    assert (subject.listed, subject.next()) == (False, None)
    leave(subject, target(1))
    subject.offer([target(number) for number in range(1, 20)], lambda _: (), lambda _: True)
    assert subject.listed
    assert [subject.next() for _ in range(8)] == [*(target(number) for number in range(2, 9)), None]


def test_SEC_20_one_that_may_not_be_used_is_told_of() -> None:
    subject = Walk()
    subject.offer([target(1), target(2)], lambda _: (), lambda to: to == target(2))
    assert (subject.next(), subject.next()) == (target(2), None)
    assert subject.tried == {target(1): "no redirect may lead there"}


def test_what_happened_last_decides() -> None:
    subject = walk(target(1), target(2))
    assert subject.why == (REFUSED, None)
    leave(subject, target(1))
    subject.leave(target(2), OVERLOADED, "503", ANSWER, None)
    assert subject.why[0] == OVERLOADED
    assert subject.why[1] is ANSWER
    assert subject.until is None
    assert subject.summary() == subject.summary(ANSWER) == "udp:192.0.2.1:5060: RSP-F0, udp:192.0.2.2:5060: 503"


def test_an_answer_that_was_the_only_event_speaks_for_itself() -> None:
    subject = walk(target(1))
    subject.leave(target(1), OVERLOADED, "503", ANSWER, None)
    assert subject.summary(ANSWER) == ""
    assert subject.summary() == "udp:192.0.2.1:5060: 503"


def test_a_name_that_leads_nowhere_is_told_of_too() -> None:
    subject = Walk()
    name = SipUri.parse("sip:b.test")
    assert subject.unlocated(name, "no such name") == "no such name"
    leave(subject, target(1))
    assert subject.unlocated(name, "gone") == "sip:b.test: gone, udp:192.0.2.1:5060: RSP-F0"


@pytest.mark.parametrize(
    ("rows", "decides"),
    [
        ((CERTIFICATE,), CERTIFICATE),
        ((CERTIFICATE, CERTIFICATE), CERTIFICATE),
        ((SILENCE, CERTIFICATE), TLS),
        ((CERTIFICATE, SILENCE), SILENCE),
    ],
)
def test_RSP_TLS_a_certificate_is_final_when_it_is_wrong_everywhere(rows: tuple[Row, ...], decides: Row) -> None:
    subject = Walk()
    for number, row in enumerate(rows):
        leave(subject, target(number), row)
    assert subject.why[0] == decides


def test_OVL_7_when_all_were_left_alone_the_first_that_may_be_asked_sets_the_time() -> None:
    subject = Walk()
    leave(subject, target(1), SILENCE, 200.0)
    leave(subject, target(2), REFUSED, 100.0)
    leave(subject, target(3), SILENCE, 300.0)
    assert (subject.why[0], subject.until) == (SILENCE, 100.0)


@pytest.mark.parametrize("first", [True, False])
def test_OVL_7_what_the_account_met_itself_decides_instead(first: bool) -> None:
    subject = Walk()
    if first:
        leave(subject, target(1), OVERLOADED)
    leave(subject, target(2), SILENCE, 200.0)
    if not first:
        leave(subject, target(1), OVERLOADED)
    assert (subject.why[0], subject.until) == (OVERLOADED, None)
    assert len(subject.tried) == 2


def test_RDR_3_elsewhere_all_begins_anew_but_the_count() -> None:
    subject = walk(target(1), target(2))
    leave(subject, target(1))
    subject.turn(decide(302), ANSWER)
    assert (subject.why, subject.listed, subject.next()) == ((decide(302), ANSWER), False, None)
    leave(subject, target(2), SILENCE, 200.0)
    assert (subject.why[0], subject.until) == (SILENCE, 200.0)
    assert list(subject.tried) == [target(1), target(2)]
