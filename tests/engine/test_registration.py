"""The life of one registration (section 9): wishes, edits, network and time in every state; storms that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.effects import Answered, Ask, Connect, Locate, Located
from aiosipreg.engine.lease import Intent
from aiosipreg.engine.registration import Registration
from aiosipreg.engine.timers import RetryPolicy
from aiosipreg.states import Reason, RegistrationState
from tests.engine.driver import START, Driver, challenge, params, response_to, target

if TYPE_CHECKING:
    from collections.abc import Callable

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState
HOUR = 3600.0


def started(**changes: object) -> Driver:
    driver = Driver(params(**changes))
    driver.register()
    return driver


def registered(**changes: object) -> Driver:
    driver = started(**changes)
    driver.ok()
    return driver


def refreshing(**changes: object) -> Driver:
    """The refresh is under way."""
    driver = registered(**changes)
    driver.step()
    return driver


def waiting(**changes: object) -> Driver:
    """A refresh failed, the next is to come."""
    driver = refreshing(**changes)
    driver.final(480)
    return driver


def failed(**changes: object) -> Driver:
    driver = started(**changes)
    driver.final(480)
    return driver


def refused(**changes: object) -> Driver:
    """Failed for good, and the registrar may hold a binding."""
    driver = refreshing(**changes)
    driver.final(403)
    return driver


def removing(**changes: object) -> Driver:
    driver = registered(**changes)
    driver.unregister()
    return driver


def cleared(**changes: object) -> Driver:
    driver = removing(**changes)
    driver.ok(contacts=False)
    return driver


STATES: dict[str, Callable[..., Driver]] = {
    "none": lambda **changes: Driver(params(**changes)), "progress": started, "ok": registered,
    "refreshing": refreshing, "waiting": waiting, "failed": failed, "refused": refused, "removing": removing,
    "cleared": cleared,
}  # fmt: skip
"""Where an account can stand."""

each_state = pytest.mark.parametrize("make", STATES.values(), ids=STATES)


def settle(driver: Driver) -> None:
    """Answer with 200 whatever is asked, until nothing is."""
    while driver.machine.branch is not None:
        driver.ok(contacts=driver.last.lifetime > 0)


# What is wanted while something else goes on (REG-6)


def test_REG_6_F_12_changes_wait_for_the_answer_and_go_out_once() -> None:
    driver = started()
    for expires in (600, 700, 800):
        driver.edit(expires=expires)
    driver.edit(headers=(("X-A", "1"),))
    driver.refresh()
    assert len(driver.requests) == 1
    driver.ok()
    assert driver.moves == ["F-01", "F-05", "F-15"]
    assert (len(driver.requests), driver.last.lifetime, driver.last.request.headers.get("X-A")) == (2, 800, "1")
    driver.ok()
    assert (driver.state, len(driver.requests)) == (OK, 2)


def test_REG_6_F_12_a_refresh_waits_for_the_answer() -> None:
    driver = started()
    driver.refresh()
    driver.refresh()
    driver.ok()
    assert (driver.moves, len(driver.requests)) == (["F-01", "F-05", "F-14"], 2)
    driver.ok()
    assert (driver.state, len(driver.requests)) == (OK, 2)


def test_F_12_a_refresh_that_waited_is_dropped_with_the_attempt() -> None:
    driver = started()
    driver.refresh()
    driver.final(480)
    assert (driver.moves, len(driver.requests)) == (["F-01", "F-06"], 1)
    driver.step()
    driver.ok()
    assert (driver.state, len(driver.requests)) == (OK, 2)


@pytest.mark.parametrize("status", [403, 480])
def test_REG_6_changes_that_waited_go_out_when_the_attempt_fails(status: int) -> None:
    driver = started()
    driver.edit(expires=600)
    driver.final(status)
    assert driver.moves[-1] == "F-38"
    assert (driver.last.lifetime, driver.lease.failures, driver.now) == (600, 0, START)


def test_REG_6_a_setting_that_sends_nothing_does_not_overtake_one_that_waits() -> None:
    driver = started()
    driver.edit(expires=600)
    driver.edit(strict_binding=True)
    driver.ok()
    assert (driver.session.params.expires, driver.session.params.strict_binding) == (600, True)
    assert driver.last.lifetime == 600


def test_a_setting_that_sends_nothing_holds_at_once() -> None:
    driver = started()
    driver.edit(retry_403=True)
    driver.final(403)
    assert driver.waits(900, 1800)


def test_changes_that_waited_survive_an_unregister() -> None:
    driver = started()
    driver.edit(expires=600)
    driver.unregister()
    driver.ok()
    assert driver.last.lifetime == 0
    driver.ok(contacts=False)
    driver.register()
    assert driver.last.lifetime == 600


def test_F_30_the_next_attempt_of_a_refresh_reports_nothing() -> None:
    driver = waiting()
    retry_at, events, moves = driver.lease.retry_at, len(driver.events), driver.moves[:]
    assert driver.step() == retry_at
    assert (driver.state, driver.last.at, len(driver.requests)) == (REFRESHING, retry_at, 3)
    assert (len(driver.events), driver.moves) == (events, moves)
    driver.ok()
    assert driver.moves[-1] == "F-25"


WISHES: dict[str, Callable[[Driver], None]] = {
    "change": lambda driver: driver.edit(expires=600),
    "refresh": lambda driver: driver.refresh(),
    "register": lambda driver: driver.register(),
}


@pytest.mark.parametrize("wish", ["change", "refresh"])
def test_F_31_a_wish_during_a_refresh_waits_for_its_end(wish: str) -> None:
    driver = refreshing()
    WISHES[wish](driver)
    WISHES[wish](driver)
    assert len(driver.requests) == 2
    driver.ok()
    assert driver.moves[-2:] == ["F-25", {"change": "F-15", "refresh": "F-14"}[wish]]
    assert (driver.last.lifetime, len(driver.requests)) == ({"change": 600, "refresh": 3600}[wish], 3)
    driver.ok()
    assert (driver.state, len(driver.requests)) == (OK, 3)


@pytest.mark.parametrize("wish", WISHES)
def test_F_31_a_wish_between_two_attempts_of_a_refresh_starts_one(wish: str) -> None:
    driver = waiting()
    driver.now += 1
    moves = driver.moves[:]
    WISHES[wish](driver)
    assert (driver.state, driver.moves, driver.last.at, len(driver.requests)) == (REFRESHING, moves, driver.now, 3)
    driver.ok()
    assert driver.state is OK


def test_F_31_a_refresh_that_is_lost_goes_on_elsewhere() -> None:
    driver = refreshing()
    driver.targets = [target(1), target(2)]
    moves = driver.moves[:]
    driver.lost()
    assert (driver.state, driver.moves) == (REFRESHING, moves)
    assert (driver.last.flow.target, driver.last.at) == (target(2), driver.now)


def test_F_31_a_network_that_comes_back_renews_the_binding_soon() -> None:
    driver = waiting()
    driver.network(up=False)
    driver.network(up=True)
    assert (driver.state, driver.waits(0, 2)) == (REFRESHING, True)
    driver.step()
    driver.ok()
    assert driver.moves[-1] == "F-25"


def test_F_13_an_attempt_that_is_lost_on_the_way_goes_on_elsewhere() -> None:
    driver = Driver(targets=[target(number) for number in range(1, 9)])
    driver.register()
    driver.run(START + 10)
    driver.lost()
    assert (driver.state, driver.moves, len(driver.events)) == (PROGRESS, ["F-01"], 1)
    assert [sent.flow.target for sent in driver.requests] == [target(1), target(2)]
    assert len({sent.request.call_id for sent in driver.requests}) == 1
    # It is still the same attempt: its time goes on.
    driver.run(START + 127.9)
    assert driver.moves == ["F-01"]
    driver.run(START + 128)
    assert driver.moves == ["F-01", "F-06"]


# unregister


@each_state
def test_unregister_ends_without_a_binding_in_every_state(make: Callable[..., Driver]) -> None:
    driver = make()
    sent = len(driver.requests)
    driver.unregister()
    settle(driver)
    assert driver.state in (NONE, CLEARED)
    assert driver.machine.intent is Intent.IDLE
    assert all(later.lifetime == 0 for later in driver.requests[sent:])
    driver.run(START + 100_000)
    assert driver.state in (NONE, CLEARED)


def test_REG_22_the_removal_names_what_is_bound() -> None:
    driver = registered(contact_params={"color": "red"})
    driver.unregister()
    first, last = driver.requests[0].request, driver.last.request
    assert first.call_id == last.call_id
    assert last.contacts[0].uri == first.contacts[0].uri
    assert (driver.last.lifetime, last.expires, last.cseq.number if last.cseq else 0) == (0, 0, 2)


@pytest.mark.parametrize("within", [0.5, 4.0, 32.0])
def test_REG_25_the_removal_is_bounded(within: float) -> None:
    driver = registered()
    driver.unregister(within=within)
    driver.run(START + 100)
    assert (driver.state, driver.event.reason) == (NONE, Reason.NO_RESPONSE)
    assert driver.sent[-1].at < START + within
    assert driver.lease.residual_until == START + HOUR


def test_REG_25_the_bound_covers_the_wait_for_a_running_attempt() -> None:
    driver = started()
    driver.unregister(within=4)
    driver.run(START + 100)
    assert (driver.moves, len(driver.requests)) == (["F-01", "F-34"], 1)
    assert driver.sent[-1].at == START + 3.5
    # Its answer may have been lost, so there may be something to remove.
    assert driver.lease.residual_until == START + 3600
    driver.unregister()
    assert (driver.moves[-1], driver.last.lifetime) == ("F-04", 0)


def test_F_10_a_registration_without_an_answer_is_removed_too() -> None:
    driver = started()
    driver.unregister()
    driver.run(START + 31.9)
    assert (driver.moves, len(driver.requests)) == (["F-01"], 1)
    driver.run(START + 100)
    assert (driver.moves, len(driver.requests), driver.last.lifetime) == (["F-01", "F-34"], 2, 0)
    assert driver.sent[-1].at == START + 32 + 3.5


def test_F_32_a_refresh_under_way_ends_first() -> None:
    driver = refreshing()
    driver.unregister()
    assert driver.last.lifetime == 3600
    driver.final(403)
    assert (driver.moves[-1], driver.last.lifetime) == ("F-32", 0)
    driver.ok(contacts=False)
    assert driver.state is CLEARED


def test_F_32_nothing_is_waited_for_but_an_answer() -> None:
    driver = registered()
    driver.by_hand.add(Connect)
    driver.refresh()
    driver.unregister()
    assert driver.last.lifetime == 0


def test_F_10_what_is_bound_after_all_is_removed() -> None:
    driver = started()
    driver.unregister()
    driver.ok()
    assert driver.last.lifetime == 0
    driver.run(START + 100)
    assert driver.lease.residual_until == START + HOUR


def test_F_10_NAT_3_a_binding_made_before_the_challenge_is_removed() -> None:
    driver = started()
    driver.by_hand.add(Ask)
    driver.ok(seen=("203.0.113.9", 1024))
    driver.challenged()
    driver.unregister()
    assert driver.last.lifetime == 0


def test_F_10_nothing_is_removed_that_was_never_bound() -> None:
    driver = started()
    driver.by_hand.add(Ask)
    driver.challenged()
    driver.unregister()
    assert (driver.state, len(driver.requests)) == (CLEARED, 1)


def test_F_10_after_a_fail_over_the_removal_is_tried() -> None:
    driver = Driver(targets=[target(1), target(2)])
    driver.register()
    driver.by_hand.add(Connect)
    driver.run(START + 32)
    driver.unregister()
    driver.connect()
    assert driver.last.lifetime == 0


def test_F_35_register_during_a_removal_follows_it() -> None:
    for end in (lambda driver: driver.ok(contacts=False), lambda driver: driver.final(403)):
        driver = removing()
        driver.register()
        assert driver.state is PROGRESS
        end(driver)  # type: ignore[no-untyped-call]
        assert driver.moves[-2:] in (["F-33", "F-01"], ["F-34", "F-01"])
        assert driver.last.lifetime == 3600


def test_F_35_the_last_wish_counts() -> None:
    driver = removing()
    driver.register()
    driver.refresh()
    driver.unregister()
    driver.ok(contacts=False)
    assert (driver.state, len(driver.requests)) == (CLEARED, 2)


@pytest.mark.parametrize(("within", "end"), [(100.0, 4.0), (1.0, 1.0)])
def test_REG_25_a_second_unregister_may_only_hurry(within: float, end: float) -> None:
    driver = removing()
    driver.unregister(within=within)
    assert len(driver.requests) == 2
    driver.step()
    assert driver.state is PROGRESS
    driver.run(START + end)
    assert driver.moves[-1] == "F-34"


@each_state
def test_REG_23_everything_is_removed_in_every_state(make: Callable[..., Driver]) -> None:
    driver = make()
    driver.unregister(everything=True)
    settle(driver)
    assert (driver.state, driver.last.contacts, driver.last.request.expires) == (CLEARED, ["*"], 0)
    driver.register()
    driver.ok()
    driver.unregister()
    assert driver.last.contacts != ["*"]


def test_REG_23_everything_also_when_our_own_removal_runs_or_fails() -> None:
    driver = removing()
    driver.unregister(everything=True)
    assert driver.last.contacts != ["*"]
    driver.final(403)
    assert driver.last.contacts == ["*"]


def test_a_removal_without_network_leaves_the_binding() -> None:
    driver = registered()
    driver.network(up=False)
    driver.unregister()
    assert (driver.moves[-2:], driver.event.reason) == (["F-32", "F-34"], Reason.NETWORK_DOWN)
    assert (driver.lease.residual_until, len(driver.requests)) == (START + HOUR, 1)


# edits


MOVES: list[dict[str, object]] = [
    {"identity": "sip:bob@example.org"}, {"server": "sip:other.example"}, {"routes": ("sip:edge.example.org",)},
    {"auth": AuthInfo("bob", password="x")},
]  # fmt: skip


@pytest.mark.parametrize("changes", MOVES, ids=lambda changes: next(iter(changes)))
def test_REG_38_the_old_binding_is_removed_then_another_call_begins(changes: dict[str, object]) -> None:
    driver = registered()
    old = driver.last.request
    driver.edit(**changes)
    removal = driver.last
    assert (removal.lifetime, removal.request.call_id, removal.request.uri) == (0, old.call_id, old.uri)
    assert driver.event.identity == "sip:alice@example.org"
    driver.ok(contacts=False)
    assert driver.moves == ["F-01", "F-05", "F-23", "F-33", "F-01"]
    assert driver.last.request.call_id != old.call_id
    assert (driver.last.lifetime, driver.event.identity) == (3600, str(driver.settings.aor))
    assert driver.lease.residual_until is None


@pytest.mark.parametrize("changes", MOVES, ids=lambda changes: next(iter(changes)))
@each_state
def test_a_move_in_every_state_ends_where_it_was_sent(make: Callable[..., Driver], changes: dict[str, object]) -> None:
    driver = make()
    wanted = driver.machine.intent is Intent.REGISTER
    driver.edit(**changes)
    settle(driver)
    assert driver.session.params is driver.settings
    assert driver.state is (OK if wanted else driver.state)
    if not wanted:
        assert driver.state in (NONE, CLEARED)
        driver.register()
        settle(driver)
    assert driver.last.request.uri == str(driver.settings.registrar)
    sender = driver.last.request.from_
    assert sender is not None
    assert sender.uri == driver.settings.aor


@pytest.mark.parametrize(
    "changes", [{"expires": 600}, {"headers": (("X-A", "1"),)}, {"contact_params": {"a": "b"}}], ids=str
)
@each_state
def test_a_refresh_edit_in_every_state_is_sent_once(make: Callable[..., Driver], changes: dict[str, object]) -> None:
    driver = make()
    wanted, sent = driver.machine.intent is Intent.REGISTER, len(driver.requests)
    call_id = driver.session.series.call_id
    driver.edit(**changes)
    settle(driver)
    assert driver.session.params is driver.settings
    assert driver.session.series.call_id == call_id
    new = [later for later in driver.requests[sent:] if later.lifetime]
    assert len(new) == wanted
    assert driver.state is OK or not wanted


@each_state
def test_an_edit_that_means_nothing_sends_nothing(make: Callable[..., Driver]) -> None:
    driver = make()
    sent, moves = len(driver.sent), len(driver.moves)
    driver.edit(ref_key="x", strict_binding=True, depends_on="y")
    driver.edit(server="sip:EXAMPLE.org")
    assert (len(driver.sent), len(driver.moves)) == (sent, moves)
    settle(driver)
    assert driver.session.params is driver.settings


@each_state
def test_register_false_removes_and_register_true_comes_back(make: Callable[..., Driver]) -> None:
    driver = make()
    driver.edit(register=False)
    settle(driver)
    assert driver.state in (NONE, CLEARED)
    assert driver.session.params.register is False
    call_id = driver.session.series.call_id
    driver.edit(register=True)
    settle(driver)
    assert driver.state is OK
    # REG-4: one Call-ID for a registrar and a boot.
    assert driver.last.request.call_id == call_id


def test_register_true_during_the_removal_comes_back_after_it() -> None:
    driver = registered()
    driver.edit(register=False)
    driver.edit(register=True)
    driver.edit(expires=600)
    driver.ok(contacts=False)
    assert driver.last.lifetime == 600
    driver = registered()
    driver.edit(identity="sip:bob@example.org")
    driver.edit(register=False)
    driver.ok(contacts=False)
    assert driver.state is CLEARED


def test_a_move_and_back_during_the_removal() -> None:
    driver = registered()
    driver.edit(identity="sip:bob@example.org")
    driver.edit(identity="sip:alice@example.org")
    driver.ok(contacts=False)
    settle(driver)
    assert (driver.state, driver.event.identity) == (OK, "sip:alice@example.org")


@pytest.mark.parametrize("make", [STATES[name] for name in ("progress", "ok", "refreshing", "waiting", "failed")])
def test_an_account_that_a_call_registered_may_be_told_to_register(make: Callable[..., Driver]) -> None:
    driver = make(register=False)
    sent = len(driver.requests)
    driver.edit(register=True)
    assert (driver.machine.intent, len(driver.requests)) == (Intent.REGISTER, sent)
    driver.edit(register=False)
    settle(driver)
    assert driver.state in (NONE, CLEARED)


@pytest.mark.parametrize("make", [STATES[name] for name in ("progress", "ok", "refreshing", "waiting")])
def test_an_account_that_a_call_registered_is_moved_like_any_other(make: Callable[..., Driver]) -> None:
    driver = make(register=False)
    driver.edit(identity="sip:bob@example.org")
    settle(driver)
    assert (driver.state, driver.event.identity) == (OK, "sip:bob@example.org")
    assert any(sent.lifetime == 0 for sent in driver.requests)


def test_an_edit_while_idle_moves_without_a_word() -> None:
    driver = cleared(register=False)
    driver.edit(server="sip:other.example")
    sent = len(driver.requests)
    driver.register()
    assert driver.last.request.uri == "sip:other.example"
    assert driver.asked[-2].uri.host == "other.example" if isinstance(driver.asked[-2], Locate) else False
    assert len(driver.requests) == sent + 1


def test_an_edit_that_moves_forgets_what_another_account_left_behind() -> None:
    driver = registered()
    driver.unregister()
    driver.final(403)
    assert driver.lease.residual_until is not None
    driver.edit(identity="sip:bob@example.org")
    settle(driver)
    driver.unregister()
    assert driver.lease.residual_until is None


def test_an_edit_that_does_not_move_remembers_what_was_left_behind() -> None:
    driver = removing()
    driver.edit(ref_key="x")
    driver.final(403)
    assert driver.lease.residual_until == START + HOUR


def test_register_false_while_something_may_be_left_removes_it() -> None:
    driver = refused()
    driver.edit(register=False)
    assert (driver.moves[-1], driver.last.lifetime) == ("F-41", 0)
    driver.ok(contacts=False)
    assert driver.state is CLEARED


# Credentials


def test_F_38_credentials_wake_only_who_waits_for_some() -> None:
    for make, wakes in ((failed, False), (refused, False), (registered, False), (waiting, False), (cleared, False)):
        driver = make()
        sent = len(driver.requests)
        driver.credentials_changed()
        assert (len(driver.requests) > sent) is wakes
    driver = started()
    driver.challenged()
    driver.challenged()
    assert driver.state is FAILED
    driver.credentials_changed()
    assert (driver.moves[-1], driver.lease.failures) == ("F-38", 0)


def test_F_38_a_refresh_that_waits_for_a_provider_is_woken() -> None:
    driver = refreshing()
    driver.by_hand.add(Ask)
    driver.challenged()
    driver.not_supplied()
    assert driver.state is REFRESHING
    driver.credentials_changed()
    assert (driver.state, driver.last.at, len(driver.requests)) == (REFRESHING, driver.now, 3)


def test_F_38_credentials_that_come_while_they_are_asked_for() -> None:
    driver = started()
    driver.by_hand.add(Ask)
    driver.challenged()
    driver.credentials_changed()
    driver.by_hand.clear()
    driver.supply(None)
    assert driver.moves[-2:] == ["F-07", "F-38"]
    driver.challenged()
    driver.ok()
    assert driver.state is OK


def test_F_38_credentials_that_come_while_the_old_ones_are_under_way() -> None:
    driver = started()
    driver.challenged()
    driver.credentials_changed()
    driver.challenged()
    assert driver.questions[Ask] == 2
    driver.ok()
    assert driver.moves == ["F-01", "F-05"]


def test_F_38_credentials_do_not_repeat_another_failure() -> None:
    driver = started()
    driver.credentials_changed()
    driver.final(480)
    assert driver.moves == ["F-01", "F-06"]


def test_credentials_that_were_taken_away_answer_nothing_any_more() -> None:
    driver = started()
    driver.challenged()
    driver.ok()
    driver.enter(Registration.credentials_removed)
    assert (driver.state, len(driver.requests), driver.questions[Ask]) == (OK, 2, 1)
    driver.refresh()
    driver.challenged()
    assert driver.questions[Ask] == 2


def test_TLS_9_another_certificate_registers_anew_what_is_registered() -> None:
    driver = registered()
    driver.credentials_changed(certificate=True)
    assert (driver.moves[-1], driver.state, driver.requests[-1].lifetime) == ("F-15", REFRESHING, 3600)
    driver.ok()
    assert driver.state is OK


@pytest.mark.parametrize("row", ["RSP-TLS", "TLS-1", "RSP-CLOSE"])
def test_TLS_9_a_certificate_wakes_who_was_not_let_in(row: str) -> None:
    driver = Driver()
    driver.by_hand.add(Connect)
    driver.register()
    driver.not_connected("no", row)
    assert driver.state is FAILED
    driver.credentials_changed()
    assert driver.state is FAILED
    driver.credentials_changed(certificate=True)
    assert (driver.moves[-1], driver.lease.failures) == ("F-38", 0)


def test_TLS_9_a_certificate_that_comes_while_the_attempt_without_fails() -> None:
    driver = Driver()
    driver.by_hand.add(Connect)
    driver.register()
    driver.credentials_changed(certificate=True)
    driver.not_connected("no", "RSP-TLS")
    assert driver.moves == ["F-01", "F-06", "F-38"]


def test_TLS_9_a_certificate_and_then_a_password_that_come_while_the_attempt_without_fails() -> None:
    driver = Driver()
    driver.by_hand.add(Connect)
    driver.register()
    driver.credentials_changed(certificate=True)
    driver.credentials_changed()
    driver.not_connected("no", "RSP-TLS")
    assert driver.moves == ["F-01", "F-06", "F-38"]


def test_TLS_9_a_certificate_that_comes_while_the_attempt_without_succeeds() -> None:
    driver = started()
    driver.credentials_changed(certificate=True)
    driver.ok()
    assert driver.moves == ["F-01", "F-05", "F-14"]


def test_TLS_9_a_certificate_cures_nothing_else() -> None:
    for make in (refused, waiting, cleared):
        driver = make()
        sent = len(driver.requests)
        driver.credentials_changed(certificate=True)
        assert len(driver.requests) == sent


def test_OVL_8_who_gave_up_waits_for_no_answer_any_more() -> None:
    driver = Driver()
    driver.by_hand.add(Connect)
    assert driver.machine.question is None
    driver.register()
    assert driver.machine.question == driver.machine.session.questions
    driver.unregister()
    assert driver.state is CLEARED
    assert driver.machine.question is None


# The network


@each_state
def test_network_down_and_up_in_every_state(make: Callable[..., Driver]) -> None:
    driver = make()
    wanted = driver.machine.intent is Intent.REGISTER and not driver.lease.stopped
    state, sent = driver.state, len(driver.sent)
    driver.network(up=False)
    driver.network(up=False)
    assert driver.machine.branch is None
    if driver.state is REFRESHING:
        assert driver.machine.deadline == driver.lease.expires_at
    else:
        assert driver.machine.deadline is None
    driver.now += 10
    driver.network(up=True)
    driver.network(up=True)
    assert len(driver.sent) == sent
    if not wanted:
        assert driver.machine.deadline is None
        assert driver.state is (NONE if state is PROGRESS else state)
        return
    assert driver.waits(0, 2)
    driver.step()
    driver.ok()
    assert driver.state is OK


def test_F_17_time_goes_on_without_network() -> None:
    driver = registered()
    driver.network(up=False)
    driver.refresh()
    driver.edit(expires=600)
    driver.register()
    assert (driver.state, len(driver.requests)) == (REFRESHING, 1)
    driver.run(START + 2 * HOUR)
    assert (driver.moves[-1], driver.machine.deadline) == ("F-24", None)
    driver.network(up=True)
    driver.step()
    assert driver.last.lifetime == 600


def test_a_change_while_there_is_no_network_waits_for_it() -> None:
    driver = failed()
    driver.network(up=False)
    driver.edit(expires=600)
    driver.credentials_changed()
    assert (driver.moves[-2:], driver.event.reason) == (["F-38", "F-06"], Reason.NETWORK_DOWN)
    driver.network(up=True)
    driver.step()
    assert driver.last.lifetime == 600


def test_changes_that_waited_when_the_network_went_away() -> None:
    driver = started()
    driver.edit(expires=600)
    driver.network(up=False)
    assert (driver.state, driver.machine.deadline) == (FAILED, None)
    driver.network(up=True)
    driver.step()
    driver.ok()
    assert (driver.last.lifetime, len(driver.requests)) == (600, 2)


def test_F_43_REG_35_a_failure_without_network_does_not_count() -> None:
    driver = started()
    for _ in range(10):
        driver.network(up=False)
        driver.network(up=True)
        driver.step()
    assert driver.lease.failures == 0


# Time


def test_REG_37_after_a_suspend_the_end_is_seen_first() -> None:
    driver = registered()
    driver.tick(START + 2 * HOUR)
    assert driver.moves == ["F-01", "F-05", "F-24", "F-36"]
    assert [event.reason for event in driver.events[-2:]] == [Reason.EXPIRED, Reason.NONE]
    assert driver.last.at == START + 2 * HOUR


def test_REG_37_a_suspend_during_a_refresh() -> None:
    driver = refreshing()
    copies = len(driver.sent)
    driver.tick(START + 24 * HOUR)
    assert driver.moves[-2:] == ["F-29", "F-06"]
    assert len(driver.sent) == copies
    assert driver.waits(30, 60)


def test_REG_37_a_suspend_that_outlasts_the_wait_for_the_next_attempt() -> None:
    driver = waiting()
    driver.tick(START + 2 * HOUR)
    assert driver.moves[-2:] == ["F-24", "F-36"]
    assert driver.events[-2].retry_at == START + 2 * HOUR


@pytest.mark.parametrize("make", [started, waiting, failed, removing, refused, cleared])
def test_REG_37_a_suspend_in_other_states(make: Callable[..., Driver]) -> None:
    driver = make()
    sent = len(driver.sent)
    driver.tick(START + 100 * HOUR)
    assert len(driver.sent) <= sent + 1
    deadline = driver.machine.deadline
    assert deadline is None or deadline > START + 100 * HOUR


def test_REG_17_a_late_200_leaves_less_time() -> None:
    driver = started()
    driver.run(START + 20)
    driver.ok()
    assert driver.lease.expires_at == START + HOUR
    assert driver.lease.refresh_at is not None
    assert driver.lease.refresh_at <= START + 3240


@pytest.mark.parametrize("date", ["Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 31 Dec 2399 23:59:59 GMT", "yesterday"])
def test_SEC_37_a_date_sets_nothing(date: str) -> None:
    plain, dated = registered(), started()
    dated.ok(f"Date: {date}")
    assert (dated.state, dated.event.reason) == (OK, Reason.NONE)
    assert dated.lease.expires_at == plain.lease.expires_at == START + HOUR
    assert dated.lease.refresh_at == plain.lease.refresh_at


def test_REG_29_a_record_route_is_no_route() -> None:
    driver = started()
    driver.ok("Record-Route: <sip:evil.example;lr>", "Record-Route: <sip:other.example;lr>")
    assert (driver.state, driver.lease.further.service_route) == (OK, ())
    driver.step()
    assert "Route" not in driver.last.request.headers
    assert (driver.last.flow.target, driver.last.request.uri) == (target(), "sip:example.org")
    driver.ok()
    driver.unregister()
    assert "Route" not in driver.last.request.headers


def test_RTE_4_a_service_route_lasts_as_long_as_the_binding_it_came_with() -> None:
    driver = started()
    driver.ok("Service-Route: <sip:a.example;lr>, <sip:b.example;lr>", "Service-Route: <sip:c.example;lr>")
    assert [str(route.uri) for route in driver.lease.further.service_route] == [
        f"sip:{name}.example;lr" for name in ("a", "b", "c")
    ]
    # RTE-5: it is for other requests.
    driver.step()
    assert "Route" not in driver.last.request.headers
    driver.ok("Service-Route: <sip:d.example;lr>")
    assert [str(route.uri) for route in driver.lease.further.service_route] == ["sip:d.example;lr"]
    driver.step()
    driver.ok()
    assert driver.lease.further.service_route == ()


def test_CAP_2_features_are_named_in_every_refresh() -> None:
    driver = registered(contact_params={"audio": None, "+sip.ice": None}, instance_id="urn:uuid:1")
    for _ in range(3):
        driver.step()
        driver.ok()
    assert len(driver.requests) == 4
    for sent in driver.requests:
        (contact,) = sent.request.contacts
        assert {"audio", "+sip.ice", "+sip.instance"} <= contact.params.keys()


def refused_for_good(driver: Driver) -> None:
    driver.step()
    driver.final(403)


def run_out(driver: Driver) -> None:
    driver.network(up=False)
    driver.run(START + HOUR)


@pytest.mark.parametrize("end", [refused_for_good, run_out, lambda driver: driver.unregister(within=0)])
def test_RTE_4_a_service_route_goes_with_the_binding(end: Callable[[Driver], None]) -> None:
    driver = started()
    driver.ok("Service-Route: <sip:a.example;lr>")
    end(driver)
    driver.tick()
    assert driver.lease.binding is None
    assert driver.lease.further.service_route == ()


def test_SEC_27_a_registrar_that_grants_one_second_gets_one_request_a_second() -> None:
    driver = started()
    one = "Contact: <sip:alice@198.51.100.7:5060>;expires=1"
    driver.run(START + 600, lambda driver: driver.ok(one) if driver.machine.branch else None)
    assert len(driver.sent) <= 601


@pytest.mark.parametrize("make", [failed, waiting, refused])
def test_SEC_27_F_37_a_loop_of_calls_is_no_storm(make: Callable[..., Driver]) -> None:
    driver = make()
    sent, began = len(driver.requests), driver.now
    for _ in range(1000):
        driver.register()
        driver.refresh()
        if driver.machine.branch is not None:
            driver.final(480)
        driver.now += 0.01
        if driver.machine.deadline is not None and driver.machine.deadline <= driver.now:
            driver.tick()
    assert 5 <= len(driver.requests) - sent <= driver.now - began + 1


def test_F_37_a_call_that_came_too_soon_is_made_up_for() -> None:
    driver = started()
    driver.final(403)
    driver.register()
    assert (driver.state, driver.lease.retry_at) == (FAILED, START + 1)
    driver.step()
    assert driver.last.at == START + 1


def test_refresh_when_nothing_is_registered_means_nothing() -> None:
    for make in (Driver, cleared):
        driver = make()
        before = len(driver.requests)
        driver.refresh()
        assert (len(driver.requests), driver.state in (NONE, CLEARED)) == (before, True)


def test_register_when_it_is_under_way_or_done_means_nothing() -> None:
    for make in (started, registered, refreshing):
        driver = make()
        sent, moves = len(driver.sent), len(driver.moves)
        driver.register()
        assert (len(driver.sent), len(driver.moves)) == (sent, moves)


@pytest.mark.parametrize("window", [(0.2, 0.3), (0.5, 0.5)])
def test_a_refresh_window_of_ones_own(window: tuple[float, float]) -> None:
    driver = registered(refresh_window=window)
    assert driver.lease.refresh_at is not None
    assert START + 3600 * window[0] <= driver.lease.refresh_at <= START + 3600 * window[1]


# Storms: two virtual days of every unfriendly registrar, and a bound for each


DAYS = 48 * HOUR


def requests_per_hour(react: Callable[[Driver], None], **changes: object) -> list[int]:
    """Requests of each hour, copies included, of an account that tries for two days."""
    driver = started(**changes)
    driver.run(START + DAYS, react)
    hours = [0] * 48
    for sent in driver.sent:
        hours[min(int((sent.at - START) // HOUR), 47)] += 1
    assert driver.state is not OK
    return hours


def final(status: int, *rows: str) -> Callable[[Driver], None]:
    def react(driver: Driver) -> None:
        while driver.machine.branch is not None:
            driver.final(status, *rows)

    return react


def test_OUTB_15_18_a_registrar_that_says_nothing() -> None:
    # 30 s doubled up to 1800 s, each attempt 11 copies and 32 s; at the cap at most 4 attempts an hour.
    hours = requests_per_hour(lambda driver: None)
    assert hours[0] <= 8 * 11
    assert max(hours[1:]) <= 4 * 11
    assert min(hours[1:]) >= 11
    assert sum(hours) <= 48 * 44


def test_a_registrar_that_asks_for_credentials_for_ever_is_asked_twice() -> None:
    def react(driver: Driver) -> None:
        while driver.machine.branch is not None:
            driver.challenged()

    assert sum(requests_per_hour(react)) == 2


def test_a_registrar_that_calls_every_nonce_stale() -> None:
    def react(driver: Driver) -> None:
        while driver.machine.branch is not None:
            driver.challenged("stale=true")

    hours = requests_per_hour(react)
    assert hours[0] <= 8 * 7
    assert max(hours[1:]) <= 4 * 7


def test_a_registrar_that_redirects_to_itself() -> None:
    hours = requests_per_hour(final(302, "Contact: <sip:example.org>"))
    assert max(hours) <= 5


def test_two_registrars_that_redirect_to_each_other() -> None:
    def react(driver: Driver) -> None:
        while driver.machine.branch is not None:
            there = "sip:a.example.org" if driver.last.request.uri != "sip:a.example.org" else "sip:b.example.org"
            driver.final(302, f"Contact: <{there}>")

    assert max(requests_per_hour(react)) <= 5 * 4


def test_a_registrar_that_wants_ever_longer_lifetimes() -> None:
    def react(driver: Driver) -> None:
        while driver.machine.branch is not None:
            driver.final(423, f"Min-Expires: {driver.last.lifetime + 1}")

    hours = requests_per_hour(react)
    assert hours[0] <= 8 * 2
    assert max(hours[1:]) <= 4 * 2


def test_OUTB_17_a_registrar_that_says_503_and_retry_at_once() -> None:
    hours = requests_per_hour(final(503, "Retry-After: 0"))
    assert hours[0] <= 9
    assert max(hours[1:]) <= 4


@pytest.mark.parametrize("status", [408, 480, 481, 491, 500, 503, 504])
def test_OUTB_14_18_a_registrar_in_trouble(status: int) -> None:
    hours = requests_per_hour(final(status))
    assert hours[0] <= 9
    assert max(hours[1:]) <= 4


@pytest.mark.parametrize("status", [440, 482, 486, 600, 603, 606])
def test_a_registrar_that_is_asked_slowly(status: int) -> None:
    assert max(requests_per_hour(final(status))) <= 5


def test_REG_16_a_registrar_that_grants_nothing() -> None:
    def react(driver: Driver) -> None:
        while driver.machine.branch is not None:
            driver.ok("Contact: <sip:alice@198.51.100.7:5060>;expires=0")

    hours = requests_per_hour(react)
    assert hours[0] <= 8
    assert max(hours[1:]) <= 4


def test_REG_36_a_registrar_that_refuses_and_hangs_up() -> None:
    def react(driver: Driver) -> None:
        while driver.machine.branch is not None:
            driver.final(403)
            driver.lost("the peer closed the connection")

    assert sum(requests_per_hour(react)) == 1


def test_a_network_that_refuses_at_once() -> None:
    def react(driver: Driver) -> None:
        while driver.machine.branch is not None:
            driver.lost("Connection refused")

    hours = requests_per_hour(react)
    assert hours[0] <= 8
    assert max(hours[1:]) <= 4


def test_max_attempts_gives_up() -> None:
    driver = Driver(retry=RetryPolicy(max_attempts=3))
    driver.register()
    driver.run(START + DAYS, final(500))
    assert (len(driver.requests), driver.moves[-1], driver.machine.deadline) == (3, "F-07", None)


# Errors of ours


def test_a_crash_leaves_an_account_that_can_be_started_again() -> None:
    driver = removing()
    driver.register()
    driver.edit(expires=600)
    driver.crash()
    assert (driver.state, driver.event.reason, driver.machine.deadline) == (FAILED, Reason.INTERNAL, None)
    driver.refresh()
    assert driver.state is FAILED
    driver.now += 1
    driver.register()
    assert (driver.moves[-1], driver.last.lifetime) == ("F-37", 600)
    driver.ok()
    assert driver.state is OK


def left_alone(*, until: float, **more: Any) -> Driver:
    """An account that is not let near the server, because others found it silent."""
    driver = Driver(**more)
    driver.by_hand.add(Connect)
    driver.register()
    driver.not_connected("not tried", "RSP-F0", until=until)
    return driver


def test_OVL_7_who_waits_tries_when_the_server_answers_others() -> None:
    driver = left_alone(until=START + 500)
    assert driver.waits(500, 500)
    driver.now += 100
    driver.recovered()
    assert driver.waits(0, 2)
    assert driver.moves == ["F-01", "F-06"]
    driver.step()
    driver.connect()
    driver.ok()
    assert driver.state is OK


def test_OVL_7_so_does_who_found_it_silent_itself() -> None:
    driver = Driver()
    driver.register()
    driver.run(START + 33)
    assert driver.wait is not None
    driver.recovered()
    assert driver.waits(0, 2)
    # Sooner is not made later.
    before = driver.lease.retry_at
    driver.recovered()
    assert driver.lease.retry_at is not None
    assert before is not None
    assert driver.lease.retry_at <= before


def test_OVL_7_OUTB_14_who_is_ignored_while_others_are_answered_is_hurried_once() -> None:
    driver = Driver()
    driver.register()
    waits = []
    for _ in range(5):
        driver.run(driver.now + 33)
        driver.recovered()
        assert driver.wait is not None
        waits.append(driver.wait)
        driver.step()
    assert waits[0] <= 2
    # The 33 s begin with the attempt, which takes 32 of them.
    assert all(wait >= 15 * 2**failures - 1 for failures, wait in enumerate(waits[1:], 2))
    driver.ok()
    assert driver.state is OK
    driver.step()
    driver.run(driver.now + 33)
    driver.recovered()
    assert driver.waits(0, 2)


def test_OVL_7_who_was_not_let_near_the_server_is_hurried_again() -> None:
    driver = left_alone(until=START + 500)
    driver.recovered()
    driver.step()
    driver.not_connected("not tried", "RSP-F0", until=driver.now + 500)
    driver.recovered()
    assert driver.waits(0, 2)


@pytest.mark.parametrize("status", [403, 480, 503])
def test_OVL_7_what_a_server_answered_is_not_hurried(status: int) -> None:
    driver = Driver()
    driver.register()
    driver.final(status, "Retry-After: 300")
    before = driver.lease.retry_at
    driver.recovered()
    assert driver.lease.retry_at == before


def test_OVL_7_nor_is_who_is_content_or_busy() -> None:
    driver = Driver()
    driver.recovered()
    assert driver.machine.deadline is None
    driver.register()
    deadline = driver.machine.deadline
    driver.recovered()
    assert driver.machine.deadline == deadline
    driver.ok()
    deadline = driver.machine.deadline
    driver.recovered()
    assert driver.machine.deadline == deadline


def test_OVL_7_waiting_for_others_counts_as_a_failure() -> None:
    driver = left_alone(until=START + 100, retry=RetryPolicy(max_attempts=2))
    driver.step()
    driver.not_connected("not tried", "RSP-F0", until=START + 300)
    assert (driver.moves[-1], driver.wait) == ("F-07", None)
    driver.recovered()
    assert driver.wait is None


def test_SEC_27_OVL_7_nobody_is_told_to_come_again_within_a_second() -> None:
    driver = left_alone(until=START + 0.001)
    assert driver.waits(1, 1)


def test_what_comes_when_nothing_runs_means_nothing() -> None:
    for make in (Driver, registered, failed, cleared):
        driver = make()
        before = (driver.moves[:], len(driver.sent))
        driver.answer(Answered(1, None))
        driver.answer(Located(1, [target()]))
        driver.lost()
        request = started().last.request
        driver.enter(lambda machine, now, request=request: machine.received(response_to(request, 200), now))  # type: ignore[misc]
        driver.tick()
        assert (driver.moves, len(driver.sent)) == before
        assert driver.machine.branch is None


def test_the_challenge_of_a_removal_that_runs_out() -> None:
    driver = removing()
    driver.by_hand.add(Ask)
    driver.final(401, challenge())
    driver.run(START + 10)
    assert (driver.moves[-1], driver.state) == ("F-34", NONE)


# Ends of their own


def test_TXN_10_what_comes_after_the_end_of_an_attempt_changes_nothing() -> None:
    driver = started()
    late = response_to(driver.last.request, 200)
    driver.run(START + 33)
    assert (driver.state, driver.event.reason) == (FAILED, Reason.NO_RESPONSE)
    before = driver.moves[:], driver.lease.retry_at, len(driver.sent)
    driver.deliver(late)
    driver.enter(lambda machine, now: machine.received(late, now))
    assert (driver.moves, driver.lease.retry_at, len(driver.sent)) == before
    # The next attempt repairs the view: its CSeq is higher.
    driver.step()
    driver.deliver(late)
    assert (driver.state, driver.dropped) == (PROGRESS, ["branch", "branch"])
    driver.ok()
    assert driver.state is OK


@each_state
def test_F_43_close_in_every_state(make: Callable[..., Driver]) -> None:
    driver = make()
    was, expires_at, residual = driver.state, driver.lease.expires_at, driver.lease.residual_until
    driver.close()
    assert driver.state is (CLEARED if was is CLEARED else NONE)
    assert (driver.machine.deadline, driver.machine.branch, driver.machine.intent) == (None, None, Intent.IDLE)
    out = START + 3600 if was is PROGRESS and expires_at is None and residual is None else None
    assert driver.lease.residual_until == (expires_at or residual or out)
    sent = len(driver.sent)
    driver.tick(START + 100 * HOUR)
    assert len(driver.sent) == sent


def test_F_09_nothing_was_sent_yet() -> None:
    driver = Driver()
    driver.by_hand.add(Locate)
    driver.register()
    driver.unregister()
    assert (driver.moves, driver.sent) == (["F-01", "F-09"], [])


def test_F_11_a_refusal_is_enough() -> None:
    driver = started()
    driver.unregister()
    driver.final(480)
    assert (driver.moves, len(driver.requests)) == (["F-01", "F-11"], 1)


def test_REG_14_strict_binding_wants_our_own_contact() -> None:
    driver = refreshing(strict_binding=True)
    driver.ok("Contact: <sip:alice@other.example>;expires=100")
    assert (driver.moves[-1], driver.event.reason) == ("F-26", Reason.CONTACT_MISMATCH)


def test_REG_24_a_removal_that_is_not_confirmed_by_the_list() -> None:
    driver = removing()
    driver.ok("Contact: <sip:alice@198.51.100.7:5060>;expires=77")
    assert (driver.state, driver.event.reason, driver.lease.residual_until) == (CLEARED, Reason.UNCONFIRMED, START + 77)
    assert driver.machine.deadline is None
    driver.unregister()
    assert (driver.moves[-1], driver.last.lifetime) == ("F-04", 0)


def test_F_40_a_push_that_comes_again_and_again_wakes_once_in_thirty_seconds() -> None:
    driver = Driver()
    driver.register()
    driver.final(503)
    for _ in range(29):
        driver.now += 1
        driver.wake()
        if driver.state is PROGRESS:
            driver.final(503)
    assert (driver.moves.count("F-40"), len(driver.requests)) == (1, 2)
    driver.now += 2
    driver.wake()
    assert driver.moves.count("F-40") == 2


def test_F_40_what_is_refused_for_good_is_not_woken() -> None:
    driver = Driver()
    driver.register()
    driver.final(403)
    driver.wake()
    assert (driver.state, len(driver.requests)) == (FAILED, 1)


def test_F_40_nobody_is_woken_without_a_network() -> None:
    driver = Driver()
    driver.register()
    driver.final(503)
    driver.network(up=False)
    driver.wake()
    assert (driver.state, len(driver.requests)) == (FAILED, 1)


def test_PUSH_4_a_push_renews_a_binding_that_is_there_and_five_are_merged() -> None:
    driver = registered()
    for _ in range(5):
        driver.wake()
    assert (driver.moves[-1], len(driver.requests)) == ("F-14", 2)
    driver.ok()
    assert (driver.moves[-2:], len(driver.requests)) == (["F-25", "F-14"], 3)


def test_a_paused_registration_begins_nothing_by_itself_and_runs_out() -> None:
    driver = registered()
    driver.pause()
    assert driver.machine.deadline == START + 3600
    driver.step()
    assert (driver.state, driver.event.reason, driver.event.retry_at) == (FAILED, Reason.EXPIRED, None)
    assert driver.machine.deadline is None
    driver.resume()
    assert (driver.moves[-2:], driver.last.at) == (["F-24", "F-36"], START + 3600)


def test_a_paused_registration_is_renewed_when_it_is_resumed_too_late() -> None:
    driver = registered()
    refresh_at = driver.lease.refresh_at
    driver.pause()
    driver.now += 3500
    driver.resume()
    assert refresh_at is not None
    assert (driver.moves[-1], driver.last.at) == ("F-14", START + 3500)


def test_a_paused_registration_that_is_resumed_in_time_goes_on_as_before() -> None:
    driver = registered()
    deadline = driver.machine.deadline
    driver.pause()
    driver.now += 100
    driver.resume()
    assert (driver.machine.deadline, len(driver.requests)) == (deadline, 1)


def test_a_paused_registration_does_what_it_is_told() -> None:
    driver = registered()
    driver.pause()
    driver.refresh()
    driver.resume()
    driver.pause()
    driver.final(480)
    assert (driver.moves[-1], driver.event.retry_at, driver.event.message[-8:]) == ("F-26", None, "; paused")
    driver.now += 1
    driver.unregister()
    driver.final(200, contacts=False)
    assert driver.state is CLEARED


@pytest.mark.parametrize("heard", [False, True], ids=["RSP_F0", "RSP_F1"])
def test_F_41_what_a_silent_registrar_may_have_taken_is_removed(heard: bool) -> None:
    driver = Driver()
    driver.register()
    if heard:
        driver.final(100)
    driver.run(START + 32)
    assert (driver.state, driver.lease.residual_until) == (FAILED, START + 3600)
    driver.unregister()
    assert (driver.moves[-1], driver.last.lifetime) == ("F-41", 0)
    driver.final(200, contacts=False)
    assert driver.state is CLEARED


def test_F_42_where_nobody_was_reached_nothing_is_left() -> None:
    driver = Driver()
    driver.register()
    driver.lost()
    driver.unregister()
    assert (driver.moves[-1], driver.state, len(driver.requests)) == ("F-42", CLEARED, 1)


def test_F_26_a_binding_that_lives_needs_no_other_end() -> None:
    driver = registered()
    driver.now += 10
    driver.refresh()
    driver.run(START + 42)
    assert (driver.moves[-1], driver.lease.residual_until) == ("F-26", None)


# The network is another one


def test_F_17_REG_35_a_binding_is_made_anew_from_the_new_address_and_the_old_one_removed() -> None:
    driver = registered()
    driver.now += 100
    driver.local = "198.51.100.8"
    driver.network_changed()
    assert (driver.moves[-1], driver.state, driver.waits(0, 2)) == ("F-17", REFRESHING, True)
    assert driver.event.message == "the network changed; registering from where we are now"
    driver.step()
    assert driver.last.contacts == [
        "<sip:alice@198.51.100.8:5060>;expires=3600",
        "<sip:alice@198.51.100.7:5060>;expires=0",
    ]
    assert driver.last.request.call_id == driver.requests[0].request.call_id
    driver.ok()
    assert driver.moves[-1] == "F-25"


def test_F_13_an_attempt_goes_on_from_the_new_address() -> None:
    driver = started()
    driver.local = "198.51.100.8"
    driver.network_changed()
    assert [sent.flow.host for sent in driver.requests] == ["198.51.100.7", "198.51.100.8"]
    assert (driver.state, driver.moves) == (PROGRESS, ["F-01"])
    driver.ok()
    assert driver.state is OK


def test_F_13_before_anything_was_sent_nothing_has_to_be_sent_again() -> None:
    driver = Driver()
    driver.by_hand.add(Locate)
    driver.register()
    driver.network_changed()
    assert (driver.questions[Locate], driver.sent) == (1, [])
    driver.locate(target())
    assert len(driver.requests) == 1


def test_F_31_a_refresh_that_waits_does_not_wait_in_a_new_network() -> None:
    driver = waiting()
    driver.network_changed()
    assert (driver.waits(0, 2), driver.moves[-1]) == (True, "F-26")


def test_F_39_a_failed_account_tries_in_a_new_network() -> None:
    driver = failed()
    failures = driver.lease.failures
    driver.network_changed()
    assert (driver.waits(0, 2), driver.lease.failures) == (True, failures)
    driver.step()
    assert driver.moves[-1] == "F-36"


def test_F_39_not_so_one_that_is_idle_or_has_no_network() -> None:
    driver = cleared()
    driver.network_changed()
    assert driver.machine.deadline is None
    driver = failed()
    driver.network(up=False)
    driver.network_changed()
    assert driver.machine.deadline is None


def test_a_removal_goes_on_whatever_the_network_is() -> None:
    driver = removing()
    driver.network_changed()
    assert (driver.state, len(driver.requests)) == (PROGRESS, 2)


def test_TRA_13_the_flow_in_use_is_that_of_the_binding() -> None:
    driver = started()
    assert driver.machine.flow is None
    driver.ok()
    assert driver.machine.flow == driver.last.flow
    driver.unregister()
    driver.final(200, contacts=False)
    assert driver.machine.flow is None


def refresh_after(waited: float, seed: int) -> float:
    """Seconds until the first refresh of an account that had to wait so long for its turn; 3240 is the longest."""
    driver = Driver(params(), seed=seed)
    driver.by_hand.add(Connect)
    driver.register()
    driver.now += waited
    driver.connect()
    driver.ok("Expires: 3600")
    assert driver.lease.refresh_at is not None
    return driver.lease.refresh_at - driver.now


def test_OVL_8_who_waited_with_many_others_for_the_first_turn_does_not_meet_them_again() -> None:
    assert all(2916 <= refresh_after(waited, seed) <= 3240 for waited in (0.0, 0.5, 1.0) for seed in range(9))
    delays = [refresh_after(1.1, seed) for seed in range(100)]
    assert min(delays) < 700
    assert max(delays) > 2900


def test_OVL_8_a_refresh_that_waited_brings_no_early_one() -> None:
    # Where refreshes wait there are too many of them: each early one would make it worse.
    driver = registered()
    driver.by_hand.add(Connect)
    for _ in range(20):
        driver.step()
        driver.now += 5
        driver.connect()
        driver.ok("Expires: 3600")
        assert driver.lease.refresh_at is not None
        assert driver.lease.refresh_at - driver.now >= 2916


def test_OVL_8_whose_turn_comes_can_tell_whether_it_is_still_wanted() -> None:
    driver = Driver(params())
    driver.by_hand.add(Connect)
    assert driver.machine.question is None
    driver.register()
    assert isinstance(driver.question, Connect)
    assert driver.machine.question == driver.question.token
    assert registered().machine.question is None
