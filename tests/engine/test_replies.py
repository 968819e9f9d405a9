"""Every row of the response table, section 8.1 of the requirements, on a whole registration."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.effects import Ask, Connect, Locate
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.engine.replies import TABLE, Row, Then, decide, wait_after
from aiosipreg.engine.targets import Transport
from aiosipreg.engine.timers import RetryPolicy
from aiosipreg.params import Redirect
from aiosipreg.states import Reason, RegistrationState
from tests.engine.driver import START, Driver, challenge, flow, params, parse_response, response_to, target

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState

BO, SLOW, SOON, STOP = (30, 60), (900, 1800), (2.1, 4.0), None


@dataclass(frozen=True)
class Case:
    """What the table says of a code that ends the attempt.

    ``ra``: with Retry-After it is tried again although it says stop. ``fresh``: the next attempt resolves again.
    ``net``: a network that comes back is a reason to try again. ``anew``: the next attempt has a new Call-ID.
    """

    id: str
    status: int
    wait: tuple[float, float] | None
    reason: Reason
    ra: bool = False
    fresh: bool = False
    net: bool = False
    anew: bool = False


ENDS = [
    Case("RSP-380", 380, SLOW, Reason.REDIRECT_REFUSED),
    Case("RSP-400", 400, STOP, Reason.BAD_RESPONSE, ra=True),
    Case("RSP-402", 402, STOP, Reason.REJECTED),
    Case("RSP-403", 403, STOP, Reason.FORBIDDEN),
    Case("RSP-404", 404, STOP, Reason.NOT_FOUND, ra=True),
    Case("RSP-405", 405, STOP, Reason.REJECTED, net=True),
    Case("RSP-406", 406, STOP, Reason.NOT_ACCEPTABLE),
    Case("RSP-410", 410, STOP, Reason.GONE, ra=True),
    Case("RSP-4XX (412)", 412, STOP, Reason.CONDITIONAL_REQUEST_FAILED, ra=True),
    Case("RSP-413", 413, STOP, Reason.REJECTED, ra=True),
    Case("RSP-414", 414, STOP, Reason.REJECTED),
    Case("RSP-415", 415, STOP, Reason.UNSUPPORTED_CONTENT),
    Case("RSP-416", 416, STOP, Reason.REJECTED),
    Case("RSP-420", 420, STOP, Reason.REJECTED),
    Case("RSP-421", 421, STOP, Reason.REJECTED),
    Case("RSP-423", 423, BO, Reason.INTERVAL_TOO_BRIEF),
    Case("RSP-430", 430, BO, Reason.IO_ERROR, fresh=True),
    Case("RSP-439", 439, STOP, Reason.REJECTED),
    Case("RSP-440", 440, SLOW, Reason.REJECTED),
    Case("RSP-480", 480, BO, Reason.TEMPORARILY_UNAVAILABLE, fresh=True),
    Case("RSP-481", 481, BO, Reason.NO_MATCH, anew=True),
    Case("RSP-482", 482, SLOW, Reason.REJECTED, fresh=True),
    Case("RSP-483", 483, SLOW, Reason.REJECTED, fresh=True),
    Case("RSP-484", 484, STOP, Reason.ADDRESS_INCOMPLETE),
    Case("RSP-484 (485)", 485, STOP, Reason.ADDRESS_INCOMPLETE),
    Case("RSP-486", 486, SLOW, Reason.BUSY),
    Case("RSP-486 (487)", 487, SLOW, Reason.REJECTED),
    Case("RSP-486 (488)", 488, SLOW, Reason.NOT_ACCEPTABLE),
    Case("RSP-489", 489, SLOW, Reason.BAD_EVENT),
    Case("RSP-491", 491, SOON, Reason.TEMPORARILY_UNAVAILABLE),
    Case("RSP-493", 493, STOP, Reason.REJECTED),
    Case("RSP-494", 494, STOP, Reason.REJECTED),
    Case("RSP-4XX", 499, STOP, Reason.REJECTED, ra=True),
    Case("RSP-500", 500, BO, Reason.REJECTED, fresh=True, anew=True),
    Case("RSP-501", 501, STOP, Reason.NOT_IMPLEMENTED, net=True),
    Case("RSP-502", 502, BO, Reason.BAD_GATEWAY, fresh=True),
    Case("RSP-504", 504, BO, Reason.SERVER_TIMEOUT, fresh=True),
    Case("RSP-505", 505, STOP, Reason.REJECTED),
    Case("RSP-555", 555, STOP, Reason.REJECTED),
    Case("RSP-580", 580, SLOW, Reason.REJECTED),
    Case("RSP-5XX", 599, BO, Reason.REJECTED, fresh=True, anew=True),
    Case("RSP-600", 600, SLOW, Reason.DO_NOT_DISTURB),
    Case("RSP-603", 603, SLOW, Reason.DECLINED),
    Case("RSP-604", 604, STOP, Reason.NOT_FOUND, ra=True),
    Case("RSP-606", 606, SLOW, Reason.NOT_ACCEPTABLE),
    Case("RSP-6XX", 699, SLOW, Reason.REJECTED),
]

each_end = pytest.mark.parametrize("case", ENDS, ids=lambda case: case.id)


def registered(**changes: object) -> Driver:
    driver = Driver(params(**changes))
    driver.register()
    driver.ok()
    assert driver.state is OK
    return driver


def refreshing(**changes: object) -> Driver:
    """An account whose refresh is under way, with time left on the binding."""
    driver = registered(**changes)
    driver.step()
    assert driver.state is REFRESHING
    return driver


@each_end
def test_first_registration(case: Case) -> None:
    driver = Driver()
    driver.register()
    driver.final(case.status, reason="No \x1b way")
    assert driver.moves == ["F-01", "F-07" if case.wait is None else "F-06"]
    event = driver.event
    assert (event.old, event.state, event.status, event.reason) == (PROGRESS, FAILED, case.status, case.reason)
    assert (event.phrase, event.target, event.retry_after) == ("No \\x1b way", "udp:192.0.2.1:5060", None)
    assert event.retry_at == driver.lease.retry_at
    assert len(driver.requests) == 1
    if case.wait is None:
        assert driver.wait is None
        assert "next attempt" not in event.message
        assert driver.machine.deadline is None
    else:
        assert driver.waits(*case.wait)
        assert f"next attempt in {driver.wait:.0f} s" in event.message


@each_end
def test_refresh_with_time_left(case: Case) -> None:
    driver = refreshing()
    expires_at = driver.lease.expires_at
    driver.final(case.status)
    if case.wait is None:
        assert (driver.moves[-1], driver.state, driver.wait) == ("F-28", FAILED, None)
        assert (driver.lease.binding, driver.lease.residual_until) == (None, expires_at)
    else:
        assert (driver.moves[-1], driver.state) == ("F-26", REFRESHING)
        assert driver.lease.expires_at == expires_at
        assert driver.waits(*case.wait)
    assert (driver.event.old, driver.event.status, driver.event.reason) == (REFRESHING, case.status, case.reason)


@each_end
@pytest.mark.parametrize("retry_after", [7, 3000])
def test_OUTB_17_retry_after_lengthens_and_never_shortens(case: Case, retry_after: int) -> None:
    driver = Driver()
    driver.register()
    driver.final(case.status, f"Retry-After: {retry_after}")
    assert driver.event.retry_after == retry_after
    wait = BO if case.ra else case.wait
    if wait is None:
        assert (driver.moves[-1], driver.wait) == ("F-07", None)
        return
    assert driver.moves[-1] == "F-06"
    assert driver.waits(max(wait[0], retry_after), max(wait[1], retry_after))


@each_end
def test_target_and_call_id_of_the_next_attempt(case: Case) -> None:
    driver = refreshing()
    before, looked_up = driver.last, driver.questions[Locate]
    driver.final(case.status)
    if case.wait is None:
        driver.now += 1
        driver.register()
    while len(driver.requests) < 3:
        driver.step()
    assert driver.questions[Locate] == looked_up + case.fresh
    same = driver.last.request.call_id == before.request.call_id
    assert same is not case.anew
    assert driver.last.request.cseq is not None
    assert driver.last.request.cseq.number == (1 if case.anew else 3)


@each_end
def test_F_39_a_network_that_comes_back(case: Case) -> None:
    driver = Driver()
    driver.register()
    driver.final(case.status)
    driver.network(up=False)
    assert driver.machine.deadline is None
    driver.network(up=True)
    # SEC-17: over UDP anybody could have sent the refusal, so it holds for this network only.
    assert driver.waits(0, 2)
    assert driver.lease.failures == 1
    driver.step()
    assert (driver.moves[-1], len(driver.requests)) == ("F-36", 2)
    driver.final(480)
    assert driver.lease.failures == 2


@each_end
def test_SEC_17_a_network_that_comes_back_after_a_protected_answer(case: Case) -> None:
    driver = Driver(targets=[target(transport=Transport.TLS)])
    driver.register()
    driver.final(case.status)
    assert not driver.event.unverified
    driver.network(up=False)
    driver.network(up=True)
    assert (driver.machine.deadline is None) is (case.wait is None and not case.net)


@pytest.mark.parametrize("case", [case for case in ENDS if case.ra], ids=lambda case: case.id)
def test_F_39_a_stop_with_retry_after_is_not_final_for_the_network(case: Case) -> None:
    driver = Driver()
    driver.register()
    driver.final(case.status, "Retry-After: 100")
    driver.network(up=False)
    driver.network(up=True)
    assert driver.waits(0, 2)


# Rows that keep the attempt going


@pytest.mark.parametrize(
    "status", [pytest.param(100, id="RSP-100"), *(range(180, 184)), pytest.param(199, id="RSP-1XX")]
)
def test_TXN_13_provisional_answers_change_nothing_but_the_copies(status: int) -> None:
    driver = Driver()
    driver.register()
    driver.final(status)
    driver.final(status)
    assert (driver.state, driver.moves, len(driver.sent)) == (PROGRESS, ["F-01"], 1)
    # TXN-5: from now on at T2.
    driver.run(START + 8.5)
    assert [sent.at - START for sent in driver.sent] == [0, 0.5, 4.5, 8.5]
    driver.ok()
    assert driver.moves == ["F-01", "F-05"]


def test_TXN_13_a_408_is_a_timeout_of_that_target() -> None:
    ends = []
    for gave_up in (True, False):
        driver = Driver(targets=[target(1), target(2)])
        driver.register()
        if gave_up:
            driver.final(408)
        else:
            driver.run(START + 32)
        assert driver.session.avoid == target(1)
        driver.ok()
        ends.append(([sent.flow.target for sent in driver.requests], driver.moves))
    assert ends[0] == ends[1] == ([target(1), target(2)], ["F-01", "F-05"])


@pytest.mark.parametrize(("status", "id_"), [(200, "RSP-200"), (202, "RSP-2XX"), (204, "RSP-2XX"), (299, "RSP-2XX")])
def test_RSP_200_RSP_2XX_a_binding(status: int, id_: str) -> None:
    driver = Driver()
    driver.register()
    driver.final(status)
    assert decide(status).id == id_
    assert (driver.moves, driver.event.reason) == (["F-01", "F-05"], Reason.NONE)
    assert driver.event.binding is driver.lease.binding is not None
    assert driver.event.expires_at == START + 3600
    refresh_at = driver.lease.refresh_at
    assert refresh_at is not None
    assert START + 0.9 * 3240 <= refresh_at <= START + 3240


def test_RSP_200A_our_contact_is_not_listed() -> None:
    driver = Driver()
    driver.register()
    driver.ok("Contact: <sip:alice@other.example>;expires=100, <sip:alice@third.example>;expires=100")
    assert (driver.moves[-1], driver.event.reason) == ("F-05", Reason.CONTACT_MISMATCH)
    assert driver.event.expires_at == START + 3600


@pytest.mark.parametrize("contact", ["Contact: <sip:alice@other.example>;expires=100", None])
def test_RSP_200A_RSP_200B_strict_binding_fails_with_back_off(contact: str | None) -> None:
    driver = Driver(params(strict_binding=True))
    driver.register()
    driver.ok(*([contact] if contact else []), contacts=False)
    assert (driver.moves[-1], driver.event.reason, driver.event.status) == ("F-06", Reason.CONTACT_MISMATCH, 200)
    assert driver.waits(30, 60)


def test_RSP_200B_no_contact_at_all() -> None:
    driver = Driver()
    driver.register()
    driver.ok("Expires: 600", contacts=False)
    assert (driver.moves[-1], driver.event.reason) == ("F-05", Reason.CONTACT_MISMATCH)
    assert driver.event.expires_at == START + 600


@pytest.mark.parametrize("refresh", [False, True])
def test_RSP_200C_REG_16_a_lifetime_of_zero_is_a_failure(refresh: bool) -> None:
    driver = refreshing() if refresh else Driver()
    if not refresh:
        driver.register()
    driver.ok("Contact: <sip:alice@198.51.100.7:5060>;expires=0")
    assert (driver.moves[-1], driver.event.reason) == ("F-26" if refresh else "F-08", Reason.BINDING_NOT_CREATED)
    assert driver.waits(30, 60)
    assert driver.session.flow is None


def test_RSP_200C_a_200_that_cannot_be_read() -> None:
    driver = Driver()
    driver.register()
    driver.ok("Contact: *, <sip:alice@198.51.100.7:5060>")
    assert (driver.moves[-1], driver.event.reason) == ("F-08", Reason.BINDING_NOT_CREATED)
    assert "'*' alone" in driver.event.message


def test_RSP_200D_a_removal_is_confirmed() -> None:
    driver = registered()
    driver.unregister()
    driver.ok(contacts=False)
    assert (driver.moves[-1], driver.state, driver.lease.residual_until) == ("F-33", CLEARED, None)


def test_RSP_200D_REG_24_a_removal_that_still_lists_us_is_unconfirmed() -> None:
    driver = registered()
    driver.unregister()
    driver.ok("Contact: <sip:alice@198.51.100.7:5060>;expires=77")
    assert (driver.moves[-1], driver.state, driver.event.reason) == ("F-33", CLEARED, Reason.UNCONFIRMED)
    assert driver.lease.residual_until == START + 77


@pytest.mark.parametrize("status", [401, 407], ids=["RSP-401", "RSP-407"])
def test_challenges_are_answered_at_once(status: int) -> None:
    driver = Driver()
    driver.register()
    driver.final(status, challenge(proxy=status == 407))
    assert (driver.state, driver.moves) == (PROGRESS, ["F-01"])
    assert len(driver.requests) == 2
    assert driver.last.authorized
    assert driver.last.branch != driver.requests[0].branch
    driver.ok()
    assert driver.state is OK


@pytest.mark.parametrize("status", [401, 407], ids=["RSP-401", "RSP-407"])
def test_a_refused_secret_is_final(status: int) -> None:
    driver = Driver()
    driver.register()
    for _ in range(2):
        driver.final(status, challenge(proxy=status == 407))
    assert (driver.moves[-1], driver.event.reason, driver.event.status) == ("F-07", Reason.UNAUTHORIZED, status)
    assert (driver.wait, len(driver.requests)) == (None, 2)


@pytest.mark.parametrize("row", ["", 'WWW-Authenticate: Basic realm="example.org"'])
def test_RSP_401_nothing_to_answer_is_final(row: str) -> None:
    driver = Driver()
    driver.register()
    driver.final(401, *([row] if row else []))
    assert (driver.moves[-1], driver.event.reason, driver.wait) == ("F-07", Reason.AUTH_UNAVAILABLE, None)


@pytest.mark.parametrize("status", [408, 503], ids=["RSP-408", "RSP-503"])
def test_the_next_target_is_tried_at_once(status: int) -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    driver.final(status)
    assert (driver.state, driver.last.at) == (PROGRESS, START)
    assert [sent.flow.target for sent in driver.requests] == [target(1), target(2)]
    driver.final(status, "Retry-After: 120")
    assert (driver.moves[-1], driver.event.reason) == ("F-06", decide(status).reason)
    assert driver.wait == pytest.approx(120)
    assert driver.lease.tried == {"udp:192.0.2.1:5060": str(status), "udp:192.0.2.2:5060": str(status)}


@pytest.mark.parametrize("status", [408, 503], ids=["RSP-408", "RSP-503"])
def test_a_refresh_without_another_target_keeps_the_answer(status: int) -> None:
    driver = refreshing()
    driver.final(status, "Retry-After: 3000")
    assert (driver.moves[-1], driver.event.status) == ("F-26", status)
    assert (driver.event.reason, driver.event.retry_after) == (decide(status).reason, 3000)
    assert driver.wait == pytest.approx(3000)


def test_RSP_503_OUTB_17_retry_after_zero_permits_one_early_attempt() -> None:
    driver = Driver()
    driver.register()
    driver.final(503, "Retry-After: 0")
    assert driver.wait == pytest.approx(1)
    driver.step()
    driver.final(503, "Retry-After: 0")
    assert driver.waits(60, 120)


def test_RSP_491_soon_only_once() -> None:
    driver = Driver()
    driver.register()
    driver.final(491)
    driver.step()
    driver.final(491)
    assert driver.waits(60, 120)


@pytest.mark.parametrize(
    "status", [300, 301, 302, 305, 399], ids=["RSP-300", "RSP-301", "RSP-302", "RSP-305", "RSP-3XX"]
)
def test_redirects_are_followed_at_once(status: int) -> None:
    driver = Driver()
    driver.register()
    driver.final(status, "Contact: <sip:two.example.org>")
    assert (driver.state, driver.moves, driver.last.at) == (PROGRESS, ["F-01"], START)
    question = [asked for asked in driver.asked if isinstance(asked, Locate)][-1]
    assert question.uri.host == "two.example.org"
    expected = "sip:example.org" if status == 305 else "sip:two.example.org"
    assert driver.last.request.uri == expected
    driver.ok()
    assert driver.state is OK


@pytest.mark.parametrize(
    "status", [300, 301, 302, 305, 399], ids=["RSP-300", "RSP-301", "RSP-302", "RSP-305", "RSP-3XX"]
)
def test_redirects_that_lead_nowhere_are_slow(status: int) -> None:
    driver = Driver(params(redirect=Redirect.NEVER))
    driver.register()
    driver.final(status, "Contact: <sip:two.example.org>")
    assert (driver.moves[-1], driver.event.status) == ("F-06", status)
    assert driver.waits(900, 1800)
    assert "sip:two.example.org: redirects are switched off" in driver.event.message


def test_RSP_403_retry_403_is_slow_and_keeps_retry_after_and_the_network() -> None:
    driver = Driver(params(retry_403=True))
    driver.register()
    driver.final(403)
    assert driver.waits(900, 1800)
    driver.step()
    driver.final(403, "Retry-After: 3500")
    assert driver.wait == pytest.approx(3500)
    driver.network(up=False)
    driver.network(up=True)
    assert driver.waits(0, 2)


# The repairs; what they change is tested with engine.repairs


@pytest.mark.parametrize(
    ("status", "row"),
    [
        pytest.param(420, "Unsupported: path", id="RSP-420"),
        pytest.param(421, "Require: path", id="RSP-421"),
        pytest.param(423, "Min-Expires: 7200", id="RSP-423"),
        pytest.param(513, "X-Nothing: 1", id="RSP-513"),
        pytest.param(555, "X-Nothing: 1", id="RSP-555"),
    ],
)
def test_a_repair_is_made_once_in_an_attempt(status: int, row: str) -> None:
    supported = () if status == 421 else None
    driver = Driver(params(supported=supported, contact_uri_params={"pn-provider": "x"}))
    driver.register()
    driver.final(status, row)
    assert (driver.state, driver.last.at, len(driver.requests)) == (PROGRESS, START, 2)
    first, second = (bytes(sent.request) for sent in driver.requests)
    assert first != second
    driver.final(status, row.replace("7200", "9000"))
    assert (driver.state, len(driver.requests)) == (FAILED, 2)
    assert driver.moves[-1] == ("F-06" if status == 423 else "F-07")


# Without an answer


def test_RSP_BAD_what_does_not_fit_is_dropped_and_timer_F_decides() -> None:
    driver = Driver()
    driver.register()
    request = driver.last.request
    good = bytes(response_to(request, 200)).decode()
    for old, new in [
        ("branch=z9hG4bK", "branch=z9hG4bKx"),
        ("CSeq: 1 ", "CSeq: 2 "),
        ("tag=", "tag=x"),
        ("sip:alice@example.org>;tag=server", "sip:bob@example.org>;tag=server"),
        ("Call-ID: ", "Call-ID: x"),
    ]:
        response = parse_response(good.replace(old, new))
        driver.deliver(response)
    assert driver.dropped == ["branch", "CSeq", "From", "To", "Call-ID"]
    assert (driver.state, driver.moves) == (PROGRESS, ["F-01"])
    driver.run(START + 32)
    assert driver.event.reason is Reason.NO_RESPONSE


def test_RSP_F0_silence_goes_to_the_next_target_and_then_backs_off() -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    driver.run(START + 32)
    assert [(sent.at, sent.flow.target) for sent in driver.requests] == [(START, target(1)), (START + 32, target(2))]
    assert driver.state is PROGRESS
    driver.run(START + 64)
    assert (driver.moves, driver.event.reason, driver.event.status) == (["F-01", "F-06"], Reason.NO_RESPONSE, 0)
    assert driver.lease.tried == {"udp:192.0.2.1:5060": "no answer", "udp:192.0.2.2:5060": "no answer"}
    assert driver.waits(30, 60)


def test_RSP_F1_silence_after_a_provisional_answer_is_no_reason_for_another_target() -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    driver.final(100)
    driver.run(START + 32)
    assert (driver.moves, driver.event.reason, len(driver.requests)) == (["F-01", "F-06"], Reason.NO_RESPONSE, 1)
    assert driver.waits(30, 60)
    assert driver.session.avoid == target(1)


@pytest.mark.parametrize("how", ["not connected", "lost"])
def test_RSP_REF_an_unreachable_target_is_left_at_once(how: str) -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.by_hand.add(Connect)
    driver.register()
    for number in (1, 2):
        assert isinstance(driver.question, Connect)
        assert driver.question.target == target(number)
        if how == "lost":
            driver.connect()
            driver.lost("refused")
        else:
            driver.not_connected("refused")
    assert (driver.now, driver.moves, driver.event.reason) == (START, ["F-01", "F-06"], Reason.IO_ERROR)
    assert "udp:192.0.2.1:5060: refused, udp:192.0.2.2:5060: refused" in driver.event.message
    assert driver.waits(30, 60)


def test_RSP_CLOSE_a_connection_that_was_closed_is_made_anew_once_then_the_next_target_is_tried() -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    driver.lost("closed by the server", "RSP-CLOSE")
    assert [sent.flow.target for sent in driver.requests] == [target(1), target(1)]
    assert driver.requests[0].branch != driver.requests[1].branch
    driver.lost("closed by the server", "RSP-CLOSE")
    assert driver.last.flow.target == target(2)
    driver.lost("closed by the server", "RSP-CLOSE")
    assert (driver.moves, driver.event.reason, len(driver.requests)) == (["F-01", "F-06"], Reason.IO_ERROR, 3)
    assert driver.event.message.startswith("the server closed the connection instead of answering")
    assert driver.waits(30, 60)


def test_RSP_CLOSE_a_connection_that_is_gone_takes_its_request_along_TRA_13() -> None:
    driver = Driver()
    driver.register()
    driver.flow_lost(flow(target(2)))
    assert len(driver.requests) == 1
    driver.flow_lost()
    assert (len(driver.requests), driver.state) == (2, PROGRESS)
    driver.ok()
    driver.refresh()
    driver.flow_lost()
    assert (len(driver.requests), driver.state) == (4, REFRESHING)


def test_RSP_CLOSE_ends_a_removal_F_34() -> None:
    driver = registered()
    driver.unregister()
    driver.lost("closed by the server", "RSP-CLOSE")
    assert (driver.moves[-1], len(driver.requests)) == ("F-34", 2)


def test_RSP_TLS_a_target_without_secure_connection_is_left_for_the_next() -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.by_hand.add(Connect)
    driver.register()
    driver.not_connected("the handshake took too long", "RSP-TLS")
    driver.not_connected("the handshake took too long", "RSP-TLS")
    assert (driver.moves, driver.event.reason, driver.sent) == (["F-01", "F-06"], Reason.TLS_ERROR, [])
    assert driver.waits(30, 60)


@pytest.mark.parametrize(
    "rows",
    [("TLS-1", "TLS-1"), ("TLS-1", "RSP-REF"), ("RSP-REF", "TLS-1")],
    ids=["of both", "of the first", "of the second"],
)
def test_RSP_TLS_wrong_certificates_are_final_when_every_target_has_one(rows: tuple[str, str]) -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.by_hand.add(Connect)
    driver.register()
    for row in rows:
        driver.not_connected("the certificate is for another name", row)
    everywhere = rows == ("TLS-1", "TLS-1")
    assert (driver.moves[-1], driver.wait is None) == (("F-07", True) if everywhere else ("F-06", False))
    assert driver.event.reason is (Reason.IO_ERROR if rows[1] == "RSP-REF" else Reason.TLS_ERROR)
    assert not driver.lease.stopped  # another network may lead to another server (marked net)


def test_RSP_KA_a_lost_connection_is_replaced_at_once_spread_over_two_seconds() -> None:
    driver = registered()
    driver.now = START + 600
    driver.flow_lost(cause="no pong")
    assert (driver.moves[-1], driver.state, driver.event.reason) == ("F-16", REFRESHING, Reason.IO_ERROR)
    assert driver.event.message.startswith("the connection to the server was lost (no pong); next attempt in ")
    assert driver.waits(0, 2)
    driver.step()
    assert (driver.questions[Locate], driver.requests[1].request.call_id) == (2, driver.requests[0].request.call_id)
    driver.ok()
    assert driver.moves[-1] == "F-25"


def test_RSP_KA_F_16_a_connection_is_as_old_as_its_first_registration_not_its_last() -> None:
    driver = registered()
    driver.now = START + 20
    driver.refresh()
    driver.ok()
    driver.now = START + 29
    driver.flow_lost()
    assert (driver.state, driver.waits(30, 60)) == (REFRESHING, True)
    driver = registered()
    driver.now = START + 20
    driver.refresh()
    driver.ok()
    driver.now = START + 31
    driver.flow_lost()
    assert (driver.state, driver.waits(0, 2)) == (REFRESHING, True)
    driver.step()
    driver.ok()
    driver.flow_lost()
    assert (driver.state, driver.waits(30, 60)) == (REFRESHING, True)


def test_RSP_KA_F_16_no_refresh_comes_later_because_the_connection_is_lost() -> None:
    driver = registered(expires=60)
    refresh_at = driver.lease.refresh_at
    assert refresh_at is not None
    driver.now = START + 25
    driver.flow_lost()
    assert (driver.state, driver.lease.retry_at) == (REFRESHING, refresh_at)


def test_RSP_KA_a_lost_flow_of_somebody_else_means_nothing() -> None:
    driver = registered()
    driver.flow_lost(flow(target(2)))
    assert (driver.state, len(driver.requests)) == (OK, 1)


def test_RSP_KA_REG_36_a_server_that_agrees_and_hangs_up_causes_no_loop() -> None:
    driver = Driver()
    driver.register()

    def agree_and_hang_up(driver: Driver) -> None:
        while driver.machine.branch is not None:
            driver.ok()
            driver.flow_lost()

    driver.run(START + 3600, agree_and_hang_up)
    assert 2 <= len(driver.requests) <= 120


def test_RSP_KA_a_refusal_followed_by_a_close_counts_once_REG_36() -> None:
    driver = registered()
    driver.refresh()
    driver.final(503, "Retry-After: 300")
    retry_at = driver.lease.retry_at
    driver.flow_lost()
    assert (driver.lease.retry_at, driver.lease.failures, driver.moves[-1]) == (retry_at, 1, "F-26")


def test_RSP_KA_a_connection_lost_while_credentials_are_asked_for_is_replaced_before_the_answer() -> None:
    driver = Driver()
    driver.by_hand.add(Ask)
    driver.register()
    driver.challenged()
    driver.flow_lost()
    driver.supply(AuthInfo("alice", password="secret"))
    assert (driver.questions[Connect], driver.last.authorized) == (2, True)
    driver.ok()
    assert driver.state is OK


@pytest.mark.parametrize("absent", [True, False], ids=["RSP-DNS", "RSP-DNS2"])
def test_no_targets(absent: bool) -> None:
    driver = Driver()
    driver.by_hand.add(Locate)
    driver.register()
    driver.not_located("example.org has no address", absent=absent)
    assert (driver.moves, driver.event.reason) == (["F-01", "F-06"], Reason.DNS_ERROR)
    assert driver.event.message.startswith("the server's name does not exist" if absent else "the name server does not")
    assert driver.waits(30, 60)


def test_RSP_DNS_nothing_is_lost_of_a_binding() -> None:
    driver = refreshing()
    driver.by_hand.add(Locate)
    driver.lost()
    driver.not_located(absent=False)
    assert (driver.moves[-1], driver.state, driver.event.reason) == ("F-26", REFRESHING, Reason.DNS_ERROR)


def test_RSP_NET_waits_for_the_network_and_counts_no_failure() -> None:
    driver = Driver()
    driver.network(up=False)
    driver.register()
    assert (driver.moves, driver.event.reason) == (["F-01", "F-06"], Reason.NETWORK_DOWN)
    assert (driver.lease.failures, driver.machine.deadline, driver.sent) == (0, None, [])
    driver.network(up=True)
    assert driver.waits(0, 2)
    driver.step()
    driver.ok()
    assert driver.state is OK


def test_RSP_CB_a_provider_that_fails_is_no_refusal() -> None:
    driver = Driver()
    driver.by_hand.add(Ask)
    driver.register()
    driver.challenged()
    driver.not_supplied("the vault is closed")
    assert (driver.moves[-1], driver.event.reason) == ("F-06", Reason.AUTH_PROVIDER_FAILED)
    assert "the vault is closed" in driver.event.message
    assert driver.waits(30, 60)


def test_RSP_LOC_an_attempt_that_takes_too_long() -> None:
    driver = Driver(targets=[target(number) for number in range(1, 9)])
    driver.register()
    driver.run(START + 128)
    assert (driver.now, driver.moves, driver.event.reason) == (START + 128, ["F-01", "F-06"], Reason.IO_ERROR)
    assert driver.waits(30, 60)


# The table itself


@pytest.mark.parametrize("code", [*range(100, 700)])
def test_REG_34_an_unknown_code_is_the_first_of_its_class(code: int) -> None:
    row = decide(code)
    if code in TABLE:
        assert row is TABLE[code]
    else:
        assert row.id == f"RSP-{code // 100}XX"


def test_every_code_of_the_table_has_a_case() -> None:
    going_on = {100, 200, 300, 301, 302, 305, 401, 407, 408, 503, 513}
    assert {case.status for case in ENDS} | going_on >= set(TABLE)
    assert {row.id for row in TABLE.values()} == {f"RSP-{code}" for code in TABLE} - {"RSP-485", "RSP-487", "RSP-488"}


def row(then: Then) -> Row:
    return Row("X", then, Reason.NONE)


@pytest.mark.parametrize("failures", [1, 2, 3, 4, 5, 6, 7, 1000])
def test_OUTB_14_back_off_doubles_up_to_the_cap(failures: int) -> None:
    longest = min(1800, 30 * 2 ** min(failures, 10))
    draws = [wait_after(row(Then.BACK_OFF), None, failures, RetryPolicy(), Random(seed)) or 0 for seed in range(1000)]
    assert longest / 2 <= min(draws) < 0.51 * longest
    assert 0.99 * longest < max(draws) <= longest


def test_max_attempts_ends_every_wait() -> None:
    policy = RetryPolicy(max_attempts=2)
    for then in (Then.BACK_OFF, Then.SLOW, Then.SOON_ONCE, Then.NEXT_TARGET, Then.REDIRECT):
        assert wait_after(row(then), 5.0, 1, policy, Random(1)) is not None
        assert wait_after(row(then), 5.0, 2, policy, Random(1)) is None


def test_max_attempts_is_final_for_the_network() -> None:
    driver = Driver(retry=RetryPolicy(max_attempts=1))
    driver.register()
    driver.final(500)
    assert (driver.moves[-1], driver.wait) == ("F-07", None)
    driver.network(up=False)
    driver.network(up=True)
    assert driver.machine.deadline is None


FORGED = 'Authentication-Info: rspauth="00000000000000000000000000000000"'


def test_RSP_200F_AUTH_30_a_wrong_proof_is_told_and_the_binding_kept() -> None:
    driver = Driver()
    driver.register()
    driver.challenged()
    driver.ok(FORGED)
    assert (driver.state, driver.event.reason) == (OK, Reason.SERVER_NOT_AUTHENTICATED)
    assert driver.event.message == "registered, but the server's proof of knowing the secret is wrong"


def test_RSP_200F_AUTH_30_strict_the_registration_is_given_up() -> None:
    driver = Driver(policy=DigestPolicy(require_server_proof=True))
    driver.register()
    driver.challenged()
    driver.ok(FORGED)
    assert (driver.moves, driver.wait) == (["F-01", "F-07"], None)
    assert driver.event.reason is Reason.SERVER_NOT_AUTHENTICATED
    assert driver.event.message.startswith("the server's proof of knowing the secret is wrong")


def test_SEC_1_a_downgrade_is_told_with_the_registration() -> None:
    driver = registered_with("algorithm=SHA-256")
    driver.refresh()
    driver.challenged("stale=true")
    driver.ok()
    assert (driver.state, driver.event.reason) == (OK, Reason.AUTH_DOWNGRADE)
    assert driver.event.message == "registered, but with weaker authentication than this realm accepted before"


def test_SEC_1_a_downgrade_is_refused_by_policy() -> None:
    driver = registered_with("algorithm=SHA-256", policy=DigestPolicy(refuse_downgrade=True))
    driver.refresh()
    driver.challenged("stale=true")
    assert (driver.moves[-1], driver.event.reason, driver.wait) == ("F-28", Reason.AUTH_DOWNGRADE, None)


def test_SEC_6_a_realm_of_another_domain_is_told_with_the_registration() -> None:
    driver = registered_with(proves=("titi.com",))
    assert (driver.state, driver.event.reason) == (OK, Reason.REALM_MISMATCH)
    assert driver.event.message.startswith("registered, but the realm that asked for the password is none of")


def test_SEC_6_a_realm_of_another_domain_is_refused_by_policy() -> None:
    driver = Driver(policy=DigestPolicy(refuse_realm_mismatch=True))
    driver.proves = ("titi.com",)
    driver.register()
    driver.challenged()
    assert (driver.moves, driver.wait, len(driver.requests)) == (["F-01", "F-07"], None, 1)
    assert driver.event.reason is Reason.REALM_MISMATCH
    assert "credentials that name the realm answer it all the same (401 Because, realm example.org)" in (
        driver.event.message
    )
    driver.info = AuthInfo("toto", password="secret", realm="example.org")
    driver.credentials_changed()
    driver.challenged()
    driver.ok()
    assert (driver.state, driver.event.reason) == (OK, Reason.NONE)


def test_SEC_6_the_realm_of_the_settings_is_expected() -> None:
    driver = registered_with(proves=("titi.com",), realm="example.org")
    assert (driver.state, driver.event.reason) == (OK, Reason.NONE)


def test_REG_14_strict_binding_is_about_the_contact_only() -> None:
    driver = registered_with("algorithm=SHA-256", strict_binding=True)
    driver.refresh()
    driver.challenged("stale=true")
    driver.ok()
    assert (driver.state, driver.event.reason) == (OK, Reason.AUTH_DOWNGRADE)


WARNS_380 = 'Warning: 399 pbx "Busy", 380 titi.com "SIPS Not Allowed"'
WARNS_381 = 'Warning: 381 titi.com "SIPS Required"'
SIPS = {"identity": "sips:alice@example.org", "server": "sips:example.org"}


@pytest.mark.parametrize(("status", "rows"), [(480, (WARNS_380,)), (480, (WARNS_380, "Retry-After: 60")), (416, ())])
def test_SIPS_2_RSP_480_RSP_416_no_sips_is_final(status: int, rows: tuple[str, ...]) -> None:
    driver = Driver(params(**SIPS), targets=[target(transport=Transport.TLS)])
    driver.register()
    driver.final(status, *rows)
    driver.network(up=False)
    driver.network(up=True)
    assert (driver.moves[-1], driver.wait, len(driver.requests)) == ("F-07", None, 1)


def test_SIPS_2_it_is_said_why() -> None:
    driver = Driver(params(**SIPS))
    driver.register()
    driver.final(480, WARNS_380)
    assert driver.event.reason is Reason.TEMPORARILY_UNAVAILABLE
    assert driver.event.message.startswith("the server does not allow sips here (Warning 380)")
    assert driver.event.warnings == ("Busy", "SIPS Not Allowed")


def test_SIPS_2_to_a_sip_request_the_same_warning_means_nothing() -> None:
    driver = Driver()
    driver.register()
    driver.final(480, WARNS_380)
    assert (driver.moves[-1], driver.wait is None) == ("F-06", False)


@pytest.mark.parametrize("status", [403, 480])
def test_SIPS_2_a_wish_for_sips_is_told_and_nothing_else(status: int) -> None:
    driver = Driver()
    driver.register()
    driver.final(status, WARNS_381)
    assert (driver.wait is None) is (status == 403)
    assert f"({status} Because, it wants a sips URI, which only the settings can bring)" in driver.event.message
    assert driver.event.warnings == ("SIPS Required",)
    driver.register()
    assert driver.last.request.uri == "sip:example.org"


def registered_with(
    *challenged: str, policy: DigestPolicy | None = None, proves: tuple[str, ...] = (), **changes: Any
) -> Driver:
    """An account that answered a challenge."""
    driver = Driver(params(**changes), policy=policy)
    driver.proves = proves
    driver.register()
    driver.challenged(*challenged)
    driver.ok()
    driver.now += 100
    return driver


def test_RSP_439_outbound_is_left_out_once_and_not_offered_again_OUTB_12() -> None:
    driver = Driver(params(supported=("path", "outbound")))
    driver.register()
    driver.final(439)
    assert [sent.request.headers.get("Supported") for sent in driver.requests] == ["path, outbound", "path"]
    driver.ok()
    driver.refresh()
    assert driver.last.request.headers.get("Supported") == "path"


def test_RSP_439_a_second_one_is_final() -> None:
    driver = Driver(params(supported=("outbound",)))
    driver.register()
    driver.final(439)
    driver.final(439)
    assert (driver.moves[-1], driver.wait, len(driver.requests)) == ("F-07", None, 2)
