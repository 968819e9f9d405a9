"""One attempt: its round trips, its limits and what comes too late (section 8 of the requirements)."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.contacts import Purpose
from aiosipreg.engine.cycle import Cycle, Step
from aiosipreg.engine.effects import (
    Answered,
    Ask,
    Connect,
    Connected,
    Locate,
    Located,
    NotAnswered,
    NotConnected,
    NotLocated,
)
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.engine.timers import SipTimers
from aiosipreg.params import NatMode, Redirect
from aiosipreg.states import Reason, RegistrationState
from tests.engine.driver import START, Driver, Sent, challenge, flow, params, response_to, target

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.engine.effects import Answer, Flow
    from aiosipreg.wire import SipUri

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState
PUBLIC = ("203.0.113.9", 40_000)
OTHER = ("203.0.113.9", 40_001)


def started(**changes: object) -> Driver:
    driver = Driver(params(**changes))
    driver.register()
    return driver


def registered(**changes: object) -> Driver:
    driver = started(**changes)
    driver.ok()
    return driver


def numbers(driver: Driver) -> list[int]:
    """The CSeq of every request, copies left out."""
    return [sent.request.cseq.number for sent in driver.requests if sent.request.cseq is not None]


def uris(sent: Sent) -> list[str]:
    """The Contact URIs of a request that it wants kept, then those that it removes, in parentheses."""
    entries = sent.request.contacts
    return [f"({entry.uri})" if entry.expires == 0 else str(entry.uri) for entry in entries]


# The request


def test_REG_5_cseq_grows_by_one_across_401_423_420_and_fail_over() -> None:
    driver = Driver(targets=[target(1), target(2), target(3)])
    driver.register()
    driver.challenged()
    driver.final(423, "Min-Expires: 7200")
    driver.final(420, "Unsupported: path")
    driver.final(503)
    driver.lost()
    driver.run(START + 1)
    driver.ok()
    driver.step()
    driver.challenged("stale=true")
    driver.ok()
    driver.unregister()
    assert numbers(driver) == list(range(1, 10))
    assert len({sent.request.call_id for sent in driver.sent}) == 1
    assert len({sent.branch for sent in driver.requests}) == 9
    copies = [sent for sent in driver.sent if sent.again]
    assert copies
    assert all(bytes(copy.request) in [bytes(sent.request) for sent in driver.requests] for copy in copies)


def test_AUTH_22_a_challenge_is_answered_by_a_new_transaction() -> None:
    driver = started()
    driver.run(START + 4)
    driver.challenged()
    first, answer = driver.requests
    assert numbers(driver) == [1, 2]
    assert answer.branch != first.branch
    for name in ("Call-ID", "From", "To"):
        assert answer.request.headers.get(name) == first.request.headers.get(name)
    # Its timers begin anew, and the copies of the first end.
    driver.run(START + 4 + 3.5)
    assert [sent.at - START for sent in driver.sent if sent.branch == answer.branch] == [4, 4.5, 5.5, 7.5]
    assert [sent.at - START for sent in driver.sent if sent.branch == first.branch] == [0, 0.5, 1.5, 3.5]


def test_REG_30_an_outbound_proxy_is_a_loose_route_and_the_next_hop() -> None:
    driver = started(routes=("sip:edge.example.net", "sip:core.example.net;lr"))
    request = driver.last.request
    assert request.uri == "sip:example.org"
    assert request.headers.get_all("Route") == ("<sip:edge.example.net;lr>", "<sip:core.example.net;lr>")
    assert [str(asked.uri) for asked in driver.asked if isinstance(asked, Locate)] == ["sip:edge.example.net;lr"]


@pytest.mark.parametrize(
    ("server", "routes", "resolved"),
    [
        (None, (), "sip:example.org"),
        ("sip:registrar.example.net:5070", (), "sip:registrar.example.net:5070"),
        ("sips:example.net", (), "sips:example.net"),
        ("sips:example.net", ("sip:edge.example.net",), "sips:edge.example.net;lr"),
        ("sips:example.net", ("sips:edge.example.net",), "sips:edge.example.net;lr"),
        ("sip:example.net", ("sips:edge.example.net",), "sips:edge.example.net;lr"),
    ],
)
def test_REG_31_next_hop(server: str | None, routes: tuple[str, ...], resolved: str) -> None:
    driver = Driver(params(server=server, routes=routes))
    driver.by_hand.add(Locate)
    driver.register()
    assert isinstance(driver.question, Locate)
    assert str(driver.question.uri) == resolved


def test_REG_20_DNS_20_refreshes_go_where_the_registration_went() -> None:
    driver = registered()
    driver.targets = [target(5), target(6)]
    for _ in range(5):
        driver.step()
        driver.ok()
    assert {sent.flow.target for sent in driver.sent} == {target(1)}
    assert driver.questions[Locate] == 1


def test_REG_20_a_refresh_asks_for_no_flow_while_nothing_is_in_the_way_of_the_one_in_use() -> None:
    free: list[Flow] = []
    driver = Driver(at_once=free.__contains__)
    driver.register()
    driver.ok()
    assert driver.questions[Connect] == 1, "there was no flow to go by"
    driver.step()
    driver.ok()
    assert driver.questions[Connect] == 2, "something is in its way"
    free.append(driver.last.flow)
    driver.step()
    assert (driver.state, driver.last.at, driver.last.flow, driver.questions[Connect]) == (
        RegistrationState.REFRESHING, driver.now, free[0], 2,
    )  # fmt: skip
    driver.lost()
    driver.step()
    assert driver.questions[Connect] == 3, "one that failed is not in use any more"


def test_an_attempt_asks_for_no_target_and_no_flow_where_the_way_is_known() -> None:
    ways: list[Flow | None] = [flow(target(1)), None]
    asked: list[SipUri] = []

    def way(uri: SipUri) -> Flow | None:
        asked.append(uri)
        return ways[0]

    driver = Driver(way=way, targets=[target(2)])
    driver.register()
    assert (driver.last.flow, driver.questions, asked) == (ways[0], Counter(), [driver.settings.registrar])
    driver.final(503)
    assert driver.lease.tried == {str(target(1)): "503"}
    ways.pop(0)
    driver.step()
    assert (driver.last.flow.target, driver.questions) == (target(2), {Locate: 1, Connect: 1})


def test_SEC_20_nor_does_a_known_way_lead_where_no_redirect_may() -> None:
    inside = Target("127.0.0.1", 5060, Transport.UDP, "example.org")
    driver = Driver(way=lambda uri: flow(inside if uri.host.startswith("deep") else target(1)))
    driver.register()
    driver.final(302, "Contact: <sip:deep.example.org>")
    assert (driver.state, driver.questions, len(driver.sent)) == (FAILED, Counter(), 1)
    assert driver.lease.tried[str(inside)] == "no redirect may lead there"


def test_AUTH_25_credentials_of_the_account_are_not_asked_for() -> None:
    driver = Driver(params(auth=[AuthInfo("alice", password="secret"), AuthInfo("proxy", password="p", realm="p")]))
    driver.register()
    driver.final(407, challenge("p", proxy=True), challenge("example.org"))
    assert driver.questions[Ask] == 0
    assert 'username="proxy", realm="p"' in (driver.last.request.headers.get("Proxy-Authorization") or "")
    assert 'username="alice", realm="example.org"' in (driver.last.request.headers.get("Authorization") or "")
    driver.ok()
    assert driver.state is OK


def test_AUTH_25_what_the_account_has_none_for_is_asked_for() -> None:
    driver = Driver(params(auth=AuthInfo("alice", password="secret", realm="elsewhere")))
    driver.register()
    driver.challenged()
    assert (driver.questions[Ask], len(driver.sent)) == (1, 2)


def test_DNS_18_the_target_that_failed_comes_last_at_the_next_attempt() -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    driver.final(500)
    driver.step()
    assert driver.last.flow.target == target(2)
    driver.final(500)
    driver.step()
    assert driver.last.flow.target == target(1)


def test_DNS_14_targets_are_tried_one_after_the_other() -> None:
    families = [target(1), Target("2001:db8::1", 5060, Transport.UDP, "example.org"), target(2)]
    driver = Driver(targets=families)
    driver.register()
    driver.run(START + 31.9)
    assert {sent.flow.target for sent in driver.sent} == {families[0]}
    assert driver.questions[Connect] == 1
    driver.run(START + 32)
    assert {sent.flow.target for sent in driver.sent if sent.at == START + 32} == {families[1]}
    driver.ok()
    driver.run(START + 64)
    assert [sent.flow.target for sent in driver.requests] == families[:2]


def silence(driver: Driver) -> None:
    driver.run(START + 32)


def silence_after_a_provisional_answer(driver: Driver) -> None:
    driver.final(100)
    driver.run(START + 32)


@pytest.mark.parametrize(
    ("end", "moves_on"),
    [
        pytest.param(lambda driver: driver.final(503), True, id="503"),
        pytest.param(lambda driver: driver.lost("Connection refused"), True, id="refused"),
        pytest.param(silence, True, id="silence"),
        # RFC 4320 4.2: a 408 means what silence does.
        pytest.param(lambda driver: driver.final(408), True, id="408"),
        pytest.param(silence_after_a_provisional_answer, False, id="silence after 100"),
        *[
            pytest.param(lambda driver, status=status: driver.final(status), False, id=str(status))
            for status in (400, 401, 403, 404, 480, 481, 491, 500, 502, 504, 505, 580, 600, 603)
        ],
    ],
)
def test_DNS_15_another_target_is_for_503_loss_and_silence(end: Callable[[Driver], None], moves_on: bool) -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    end(driver)
    tried = [sent.flow.target for sent in driver.requests]
    if not moves_on:
        assert tried == [target(1)]
        assert driver.state is FAILED
        return
    assert tried == [target(1), target(2)]
    first, second = driver.requests
    assert (numbers(driver), second.request.call_id) == ([1, 2], first.request.call_id)
    assert second.branch != first.branch
    assert (driver.state, driver.moves) == (PROGRESS, ["F-01"])


@pytest.mark.parametrize(
    ("status", "told"),
    [(None, ("RSP-F0", None)), (408, ("RSP-408", None)), (503, ("RSP-503", 120.0)), (500, None), (403, None)],
)
def test_DNS_15_a_target_that_is_left_is_told(status: int | None, told: tuple[str, float | None] | None) -> None:
    driver = started()
    if status is None:
        driver.run(START + 32)
    else:
        driver.final(status, *(["Retry-After: 120"] if status == 503 else []))
    assert driver.failures == ([] if told is None else [(target(), *told)])


def test_DNS_17_SEC_21_what_is_told_of_a_retry_after_is_capped() -> None:
    driver = started()
    driver.final(503, "Retry-After: 4294967295")
    assert driver.failures == [(target(), "RSP-503", 3600.0)]


def test_OVL_7_a_target_left_alone_for_the_sake_of_others_ends_the_attempt_without_a_packet() -> None:
    driver = Driver()
    driver.by_hand.add(Connect)
    driver.register()
    driver.not_connected("not tried", "RSP-F0", until=START + 500)
    assert (driver.moves, driver.sent, driver.failures) == (["F-01", "F-06"], [], [])
    assert (driver.event.reason, driver.event.target) == (Reason.NO_RESPONSE, "udp:192.0.2.1:5060")
    assert driver.event.message == "no server answered (udp:192.0.2.1:5060: not tried); next attempt in 500 s"
    assert driver.waits(500, 500)


def test_OVL_7_the_others_of_the_list_are_tried() -> None:
    driver = Driver(targets=[target(1), target(2), target(3)])
    driver.by_hand.add(Connect)
    driver.register()
    driver.not_connected("not tried", "RSP-F0", until=START + 500)
    driver.connect()
    assert driver.last.flow.target == target(2)
    driver.lost()
    driver.not_connected("not tried", "DNS-17", until=START + 400)
    # It tried one itself, so that its own back-off counts.
    assert (driver.event.reason, driver.failures) == (Reason.IO_ERROR, [(target(2), "RSP-REF", None)])
    assert driver.waits(30, 60)
    assert driver.lease.tried["udp:192.0.2.3:5060"] == "not tried"


def test_OVL_7_a_refresh_is_left_for_later_while_the_binding_lives() -> None:
    driver = registered()
    driver.by_hand.add(Connect)
    driver.step()
    driver.not_connected("not tried", "RSP-F0", until=driver.now + 40)
    assert (driver.moves[-1], driver.state, len(driver.requests)) == ("F-26", REFRESHING, 1)
    assert driver.waits(40, 40)


def test_OVL_7_a_name_that_leads_nowhere_decides_for_itself() -> None:
    driver = registered()
    driver.by_hand = {Connect, Locate}
    driver.step()
    driver.not_connected("not tried", "RSP-F0", until=driver.now + 400)
    driver.not_located()
    assert driver.event.reason is Reason.DNS_ERROR
    assert driver.waits(30, 60)


def test_REG_26_the_same_target_is_not_asked_again_before_the_back_off() -> None:
    driver = started()
    driver.run(START + 32)
    assert (driver.state, len(driver.requests)) == (FAILED, 1)
    while len(driver.requests) == 1:
        driver.step()
    assert driver.last.at >= START + 32 + 30


def test_REG_26_the_target_of_a_refresh_is_not_asked_again_in_the_same_attempt() -> None:
    driver = registered()
    driver.step()
    driver.lost()
    assert driver.questions[Locate] == 2
    assert (driver.state, len(driver.requests)) == (REFRESHING, 2)
    assert driver.waits(30, 60)


# The limits


def test_AUTH_23_six_challenge_rounds() -> None:
    driver = started()
    realms = (f"realm {number}" for number in itertools.count())
    while driver.state is PROGRESS:
        driver.final(407, challenge(next(realms), proxy=True))
    assert (len(driver.requests), driver.event.status) == (7, 407)
    assert driver.waits(30, 60)


def test_AUTH_19_a_server_that_calls_every_nonce_stale() -> None:
    driver = started()
    while driver.state is PROGRESS:
        driver.challenged("stale=true")
    assert len(driver.requests) <= 7
    assert (driver.moves[-1], driver.event.reason) == ("F-06", Reason.UNAUTHORIZED)


def test_sixteen_requests() -> None:
    driver = Driver(params(contact_uri_params={"pn-provider": "x"}), targets=[target(number) for number in range(1, 9)])
    driver.register()
    # Two for each of the first six targets, which is all challenges that are answered.
    for number in range(6):
        driver.final(407, challenge(f"realm {number}", proxy=True))
        driver.final(503)
    # One for the seventh, and the eighth has as many wishes as it can.
    driver.final(503)
    driver.final(423, "Min-Expires: 7200")
    driver.final(420, "Unsupported: path")
    assert (driver.state, len(driver.requests)) == (PROGRESS, 16)
    driver.final(421, "Require: path")
    assert (driver.moves[-1], len(driver.requests), driver.event.reason) == ("F-06", 16, Reason.IO_ERROR)
    assert driver.event.message.startswith("the attempt took too many requests or too long")
    assert driver.waits(30, 60)


@pytest.mark.parametrize("refresh", [False, True])
def test_DNS_19_eight_targets_the_one_of_the_binding_included(refresh: bool) -> None:
    driver = registered() if refresh else Driver()
    driver.targets = [target(number) for number in range(1, 20)]
    if refresh:
        driver.step()
    else:
        driver.register()
    while driver.state in (PROGRESS, REFRESHING) and driver.wait is None:
        driver.lost("refused")
    tried = {sent.flow.target for sent in driver.requests}
    assert tried == {target(number) for number in range(1, 9)}
    assert driver.event.reason is Reason.IO_ERROR


def test_DNS_19_all_targets_together_have_a_time() -> None:
    driver = Driver(targets=[target(number) for number in range(1, 9)])
    driver.register()
    driver.run(START + 127.9)
    assert (driver.state, len(driver.requests)) == (PROGRESS, 4)
    driver.run(START + 128)
    assert (driver.state, len(driver.requests)) == (FAILED, 4)
    assert driver.event.message.count("no answer") == 4


def test_DNS_19_after_a_long_sleep_there_is_no_time_to_look_elsewhere() -> None:
    driver = registered()
    driver.by_hand.add(Locate)
    driver.refresh()
    driver.tick(driver.now + 200)
    assert driver.machine.deadline is not None
    assert driver.machine.deadline > driver.now
    assert (driver.moves[-1], driver.questions[Locate]) == ("F-26", 1)


def test_DNS_19_that_time_follows_the_timers() -> None:
    driver = Driver(timers=SipTimers(t1=0.25), targets=[target(number) for number in range(1, 9)])
    driver.register()
    driver.run(START + 64)
    assert (driver.state, len(driver.requests)) == (FAILED, 4)


@pytest.mark.parametrize("kind", [Ask, Connect, Locate])
def test_DNS_19_that_time_is_also_for_a_question_without_answer(kind: type[Ask | Connect | Locate]) -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    driver.by_hand.add(kind)
    if kind is Ask:
        driver.challenged()
    elif kind is Connect:
        driver.final(503)
    else:
        driver.final(302, "Contact: <sip:b.example.org>")
    assert isinstance(driver.question, kind)
    assert driver.machine.deadline == START + 128
    driver.step()
    assert (driver.moves[-1], driver.machine.branch) == ("F-06", None)


def test_no_more_is_begun_when_the_time_is_up() -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    driver.now = START + 128
    driver.lost()
    assert (driver.moves[-1], len(driver.requests)) == ("F-06", 1)
    driver = started()
    driver.now = START + 128
    driver.final(302, "Contact: <sip:b.example.org>")
    assert (driver.moves[-1], len(driver.requests)) == ("F-06", 1)


def test_OVL_8_waiting_for_a_turn_does_not_count() -> None:
    driver = Driver()
    driver.by_hand.add(Connect)
    driver.register()
    assert driver.machine.deadline is None
    driver.now += 1000
    driver.connect()
    assert driver.machine.deadline == START + 1000.5
    driver.run(START + 1031)
    assert driver.state is PROGRESS


# What comes too late


def stale_answers(token: int) -> list[Answer]:
    return [
        Located(token, [target(9)]),
        NotLocated(token, "x", absent=True),
        Connected(token, flow(target(9))),
        NotConnected(token, "x"),
        Answered(token, AuthInfo("mallory", password="x")),
        Answered(token, None),
        NotAnswered(token, "x"),
    ]


def test_an_answer_to_another_question_is_ignored() -> None:
    driver = Driver()
    driver.by_hand = {Locate, Connect, Ask}

    def disturb() -> None:
        """Answer everything but the open question."""
        current = driver.question.token if driver.question is not None else None
        before = (driver.moves[:], len(driver.sent), driver.asked[:])
        for token in range(-1, 10):
            for answer in stale_answers(token) if token != current else ():
                driver.answer(answer)
        assert (driver.moves, len(driver.sent), driver.asked) == before

    driver.register()
    disturb()
    driver.locate(target())
    disturb()
    driver.connect()
    disturb()
    driver.challenged()
    disturb()
    driver.supply(AuthInfo("alice", password="secret"))
    disturb()
    driver.ok()
    assert driver.state is OK
    disturb()


def test_a_question_is_answered_once() -> None:
    driver = Driver()
    driver.by_hand.add(Ask)
    driver.register()
    driver.challenged()
    assert driver.question is not None
    token = driver.question.token
    driver.supply(AuthInfo("alice", password="secret"))
    assert len(driver.requests) == 2
    driver.answer(Answered(token, None))
    driver.answer(NotAnswered(token, "late"))
    assert (driver.state, len(driver.requests)) == (PROGRESS, 2)


def test_no_question_of_a_later_attempt_has_the_token_of_an_earlier_one() -> None:
    driver = Driver()
    driver.by_hand.add(Locate)
    driver.register()
    assert driver.question is not None
    late = Located(driver.question.token, [target(9)])
    driver.unregister()
    driver.register()
    driver.answer(late)
    assert isinstance(driver.question, Locate)
    assert driver.sent == []
    driver.locate(target(1))
    assert driver.last.flow.target == target(1)
    assert len({asked.token for asked in driver.asked}) == len(driver.asked)


def test_an_answer_to_an_earlier_request_is_ignored() -> None:
    driver = started()
    first = driver.last.request
    driver.challenged()
    driver.deliver(response_to(first, 200))
    driver.deliver(response_to(first, 403))
    assert (driver.dropped, driver.state) == (["branch", "branch"], PROGRESS)
    driver.ok()
    assert driver.state is OK
    driver.final(200)
    assert driver.dropped == ["branch"] * 3


def test_nothing_reaches_an_attempt_that_was_given_up() -> None:
    driver = started()
    cycle = Cycle(driver.session, Purpose.REGISTER, START)
    cycle.start(START)
    cycle.take(Located(driver.session.questions, [target()]), START)
    cycle.take(Connected(driver.session.questions, flow()), START)
    assert (cycle.step, cycle.deadline) == (Step.TRYING, START + 0.5)
    cycle.abandon()
    assert (cycle.step, cycle.deadline, cycle.branch) == (Step.OVER, None, None)
    answer = response_to(driver.last.request, 200)
    effects = cycle.received(answer, START) + cycle.tick(START + 500) + cycle.failed("x", START)
    assert effects + cycle.take(Located(driver.session.questions, [target()]), START) == []
    assert cycle.outcome is None


def test_a_transport_that_fails_while_nothing_is_out_means_nothing() -> None:
    driver = Driver()
    driver.by_hand.add(Connect)
    driver.register()
    driver.lost()
    assert (driver.state, len(driver.asked)) == (PROGRESS, 2)


# The public address


def test_NAT_3_the_contact_follows_and_the_private_one_is_removed() -> None:
    driver = started()
    driver.ok(seen=PUBLIC)
    assert (driver.state, len(driver.requests)) == (PROGRESS, 2)
    assert uris(driver.last) == ["sip:alice@203.0.113.9:40000", "(sip:alice@198.51.100.7:5060)"]
    driver.ok(seen=PUBLIC)
    assert (driver.state, len(driver.requests)) == (OK, 2)
    assert driver.session.public == PUBLIC
    driver.step()
    assert uris(driver.last) == ["sip:alice@203.0.113.9:40000"]
    driver.ok(seen=PUBLIC)
    driver.unregister()
    assert uris(driver.last) == ["(sip:alice@203.0.113.9:40000)"]


def test_NAT_3_a_challenge_tells_early_enough() -> None:
    driver = started()
    driver.final(401, challenge(), seen=PUBLIC)
    assert uris(driver.last) == ["sip:alice@203.0.113.9:40000"]
    driver.ok(seen=PUBLIC)
    assert (driver.state, len(driver.requests)) == (OK, 2)


def test_NAT_4_a_new_mapping_is_followed_once() -> None:
    driver = started()
    driver.final(401, challenge(), seen=PUBLIC)
    driver.ok(seen=PUBLIC)
    driver.step()
    driver.ok(seen=OTHER)
    assert uris(driver.last) == ["sip:alice@203.0.113.9:40001", "(sip:alice@203.0.113.9:40000)"]
    driver.ok(seen=OTHER)
    assert (driver.state, driver.session.asymmetric, len(driver.requests)) == (OK, False, 4)


def test_NAT_4_another_mapping_each_time_is_left_alone() -> None:
    driver = started()
    driver.ok(seen=PUBLIC)
    driver.ok(seen=OTHER)
    assert (driver.state, driver.session.asymmetric, len(driver.requests)) == (OK, True, 2)
    for port in range(5):
        driver.step()
        driver.final(401, challenge(), seen=("203.0.113.9", 50_000 + port))
        driver.ok(seen=("203.0.113.9", 51_000 + port))
        assert driver.state is OK
    assert {uri for sent in driver.requests[1:] for uri in uris(sent)} == {
        "sip:alice@203.0.113.9:40000",
        "(sip:alice@198.51.100.7:5060)",
    }


def test_NAT_4_a_nat_that_is_gone_is_forgotten() -> None:
    driver = started()
    driver.ok(seen=PUBLIC)
    driver.ok(seen=PUBLIC)
    driver.step()
    driver.ok()
    assert uris(driver.last) == ["sip:alice@198.51.100.7:5060", "(sip:alice@203.0.113.9:40000)"]
    driver.ok()
    assert (driver.state, driver.session.public) == (OK, None)


def test_NAT_3_not_when_it_is_switched_off() -> None:
    driver = started(nat=NatMode.OFF)
    driver.final(401, challenge(), seen=PUBLIC)
    driver.ok(seen=PUBLIC)
    assert (driver.state, len(driver.requests)) == (OK, 2)
    assert uris(driver.last) == ["sip:alice@198.51.100.7:5060"]


def test_NAT_3_not_for_an_account_that_shares_a_contact() -> None:
    master = registered()
    driver = Driver()
    driver.session.shared = master.session.contact
    driver.local = "198.51.100.8"
    driver.register()
    driver.ok(seen=PUBLIC)
    assert (driver.state, len(driver.requests)) == (OK, 1)
    assert uris(driver.last) == ["sip:alice@198.51.100.7:5060"]


def test_REG_35_another_local_address_removes_the_old_contact() -> None:
    driver = registered()
    driver.network(up=False)
    driver.local = "198.51.100.77"
    driver.network(up=True)
    driver.step()
    assert uris(driver.last) == ["sip:alice@198.51.100.77:5060", "(sip:alice@198.51.100.7:5060)"]
    driver.ok()
    driver.step()
    assert uris(driver.last) == ["sip:alice@198.51.100.77:5060"]


# The removal


def test_a_removal_does_not_wait_for_its_turn() -> None:
    driver = registered()
    driver.by_hand = {Locate, Connect}
    driver.unregister()
    assert driver.question is None
    assert (driver.last.at, driver.last.lifetime) == (START, 0)


def test_a_removal_looks_for_no_other_server() -> None:
    for status in (None, 302, 408, 503):
        driver = registered()
        driver.targets = [target(1), target(2)]
        driver.unregister()
        if status is None:
            driver.lost()
        else:
            driver.final(status, "Contact: <sip:b.example.org>")
        assert (driver.moves[-1], driver.state, len(driver.requests)) == ("F-34", NONE, 2)


def test_REG_25_a_removal_answers_a_challenge() -> None:
    driver = registered()
    driver.unregister()
    driver.challenged()
    assert driver.last.authorized
    driver.ok(contacts=False)
    assert driver.state is CLEARED


# Forged and odd answers


def test_SEC_21_retry_after_is_capped() -> None:
    driver = started()
    driver.final(480, "Retry-After: 4294967295")
    assert driver.event.retry_after == 3600
    assert driver.waits(3600, 3600)


def test_SEC_21_over_tls_a_day_may_be_asked_for() -> None:
    driver = Driver(targets=[Target("192.0.2.1", 5061, Transport.TLS, "example.org")])
    driver.register()
    driver.final(480, "Retry-After: 4294967295")
    assert driver.event.retry_after == 86400
    assert driver.waits(86400, 86400)


def test_SEC_17_a_clear_answer_leads_no_further_than_the_policy() -> None:
    driver = started(redirect=Redirect.SAME_DOMAIN)
    driver.final(302, "Contact: <sip:evil.test>")
    assert {sent.flow.target for sent in driver.sent} == {target()}


def test_the_outcome_names_what_failed() -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    driver.lost("port unreachable")
    driver.final(480, "Warning: 399 edge full")
    assert (driver.event.target, driver.event.warnings) == ("udp:192.0.2.2:5060", ())
    assert driver.lease.tried == {"udp:192.0.2.1:5060": "port unreachable"}


def test_RSP_DNS_RSP_CB_RSP_REF_end_a_first_attempt() -> None:
    driver = Driver()
    driver.by_hand = {Locate, Ask, Connect}
    driver.register()
    driver.not_located("nobody knows", absent=False)
    assert (driver.event.reason, driver.event.target) == (Reason.DNS_ERROR, None)
    driver.step()
    driver.locate(target(3))
    driver.not_connected("unreachable")
    assert (driver.event.reason, driver.event.target) == (Reason.IO_ERROR, "udp:192.0.2.3:5060")
    driver.step()
    driver.locate(target(3))
    driver.connect()
    driver.challenged()
    driver.not_supplied("the vault is closed")
    assert driver.event.reason is Reason.AUTH_PROVIDER_FAILED


def test_a_name_without_targets() -> None:
    driver = Driver()
    driver.by_hand.add(Locate)
    driver.register()
    driver.locate()
    assert (driver.moves[-1], driver.event.reason) == ("F-06", Reason.IO_ERROR)


def test_AUTH_20_AUTH_24_a_refused_secret_and_none_at_all() -> None:
    driver = started()
    driver.challenged()
    driver.challenged()
    assert (driver.moves[-1], driver.event.reason, driver.event.status) == ("F-07", Reason.UNAUTHORIZED, 401)
    driver = Driver()
    driver.info = None
    driver.register()
    driver.challenged()
    assert (driver.moves[-1], driver.event.reason) == ("F-07", Reason.AUTH_UNAVAILABLE)
    assert driver.questions[Ask] == 1


def test_a_200_whose_contacts_cannot_be_read() -> None:
    driver = started()
    driver.ok("Contact: *, <sip:alice@198.51.100.7>")
    assert (driver.moves[-1], driver.event.reason) == ("F-08", Reason.BINDING_NOT_CREATED)


def test_SEC_20_a_redirect_leads_to_no_target_of_another_kind() -> None:
    driver = started(redirect=Redirect.ANY)
    inside = Target("127.0.0.1", 5060, Transport.UDP, "b.example.org")
    driver.targets = [inside]
    driver.final(302, "Contact: <sip:b.example.org>")
    assert driver.lease.tried == {"udp:127.0.0.1:5060": "no redirect may lead there"}
    assert (driver.event.reason, driver.event.status) == (Reason.REDIRECT_REFUSED, 302)


def test_RDR_6_a_redirect_out_of_the_domain_begins_a_new_call() -> None:
    driver = started(redirect=Redirect.ANY)
    driver.final(302, "Contact: <sip:elsewhere.test>")
    assert driver.last.request.call_id != driver.requests[0].request.call_id


# The end of an attempt that is not wanted any more


@pytest.mark.parametrize("status", [302, 401, 403, 407, 423, 480, 503])
def test_F_10_an_unwanted_attempt_sends_nothing_more(status: int) -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    driver.unregister()
    driver.final(status, challenge(), "Min-Expires: 7200", "Contact: <sip:b.example.org>")
    assert (driver.moves, len(driver.requests)) == (["F-01", "F-11"], 1)


def test_F_10_an_unwanted_success_does_not_follow_a_nat() -> None:
    driver = started()
    driver.unregister()
    driver.ok(seen=PUBLIC)
    assert (len(driver.requests), uris(driver.last)) == (2, ["(sip:alice@198.51.100.7:5060)"])


@pytest.mark.parametrize("alive", [False, True])
def test_F_10_an_unwanted_attempt_that_is_not_answered_is_followed_by_a_removal(alive: bool) -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    if alive:
        driver.final(100)
    driver.unregister(within=100.0)
    driver.run(START + 32)
    assert [sent.lifetime for sent in driver.requests] == [3600, 0]
    assert driver.last.at == START + 32


def test_128_seconds_end_in_the_middle_of_a_request() -> None:
    driver = Driver(targets=[target(number) for number in range(1, 9)])
    driver.register()
    driver.now += 0.3
    driver.lost()
    driver.run(START + 127.9)
    assert (driver.state, len(driver.requests)) == (PROGRESS, 5)
    driver.run(START + 128)
    assert (driver.moves[-1], driver.event.message[:51]) == (
        "F-06",
        "the attempt took too many requests or too long; nex",
    )


def test_an_early_tick_changes_nothing() -> None:
    driver = started()
    driver.tick(START + 0.1)
    assert (len(driver.sent), driver.machine.deadline) == (1, START + 0.5)


@pytest.mark.parametrize(("status", "cause"), [(503, ""), (302, "udp:192.0.2.1:5060: refused")])
def test_one_target_is_not_named_twice(status: int, cause: str) -> None:
    driver = started()
    if status == 503:
        driver.final(503)
    else:
        driver.lost("refused")
    assert cause in driver.event.message
    assert ("192.0.2.1" in driver.event.message) is bool(cause)


def test_a_repair_that_is_not_possible_ends_the_attempt() -> None:
    for status in (420, 423):
        driver = started()
        driver.final(status)
        assert (driver.state, len(driver.requests)) == (FAILED, 1)


def test_a_repair_is_made_once() -> None:
    for status, row in ((420, "Unsupported: path"), (423, "Min-Expires: 9999")):
        driver = started()
        driver.final(status, row)
        driver.final(status, row)
        assert (driver.state, len(driver.requests)) == (FAILED, 2)


def test_a_transport_that_is_not_there_is_final() -> None:
    driver = Driver()
    driver.by_hand.add(Locate)
    driver.register()
    assert driver.question is not None
    driver.answer(NotLocated(driver.question.token, "enabled are: UDP", absent=False, hopeless=True))
    assert (driver.moves[-1], driver.event.reason, driver.wait) == ("F-07", Reason.IO_ERROR, None)
    assert "enabled are: UDP" in driver.event.message
