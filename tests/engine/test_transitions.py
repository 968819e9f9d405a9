"""Every row of the state table, section 9.3 of the requirements, and the public state of several flows (9.4)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from aiosipreg.engine.effects import Ask, Locate
from aiosipreg.engine.regevent import ContactEvent
from aiosipreg.engine.transitions import TRANSITIONS, Transition, combined
from aiosipreg.states import Reason, RegistrationState
from tests.engine.driver import START, Driver

if TYPE_CHECKING:
    from collections.abc import Callable

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState

SCENES: dict[str, list[Callable[[], Driver]]] = {}
"""What leads to each row."""


def scene(*rows: str) -> Callable[[Callable[[], Driver]], Callable[[], Driver]]:
    """Note that a function takes these rows; it is run as a test of each."""

    def noted(play: Callable[[], Driver]) -> Callable[[], Driver]:
        for row in rows:
            SCENES.setdefault(row, []).append(play)
        return play

    return noted


def progress() -> Driver:
    driver = Driver()
    driver.register()
    return driver


def registered() -> Driver:
    driver = progress()
    driver.ok()
    return driver


def refreshing() -> Driver:
    """The refresh is under way."""
    driver = registered()
    driver.step()
    return driver


def waiting() -> Driver:
    """A refresh failed, the next is to come."""
    driver = refreshing()
    driver.final(480)
    return driver


def failed() -> Driver:
    """Failed, tried again later."""
    driver = progress()
    driver.final(480)
    return driver


def residual() -> Driver:
    """Refused for good, while the registrar may hold the binding."""
    driver = refreshing()
    driver.final(403)
    return driver


@scene("F-01")
def register_from_none() -> Driver:
    driver = Driver()
    driver.lease.failures = 5
    driver.register()
    assert (driver.event.old, driver.lease.failures, len(driver.requests)) == (NONE, 0, 1)
    assert driver.machine.deadline == START + 0.5
    return driver


@scene("F-01")
def register_from_cleared() -> Driver:
    driver = registered()
    driver.unregister()
    driver.ok(contacts=False)
    driver.register()
    assert (driver.event.old, driver.last.lifetime) == (CLEARED, 3600)
    return driver


@scene("F-04")
def unregister_while_a_binding_may_be_left() -> Driver:
    driver = registered()
    driver.unregister()
    driver.step()
    driver.tick(START + 4)
    assert driver.lease.residual_until == START + 3600
    driver.unregister()
    assert (driver.event.old, driver.last.lifetime) == (NONE, 0)
    assert driver.machine.deadline == driver.now + 0.5
    driver.final(403)
    assert driver.moves[-1] == "F-34"
    driver.unregister()
    return driver


@scene("F-04")
def everything_is_removed_without_a_binding_of_ours() -> Driver:
    driver = Driver()
    driver.unregister(everything=True)
    assert (driver.event.old, driver.last.contacts, driver.last.request.expires) == (NONE, ["*"], 0)
    return driver


@scene("F-05")
def success() -> Driver:
    driver = progress()
    driver.now += 0.2
    driver.ok()
    assert driver.event.old is PROGRESS
    # REG-17: from when the request was sent.
    assert driver.lease.expires_at == START + 3600
    assert driver.lease.refresh_at is not None
    assert driver.machine.deadline == driver.lease.refresh_at < START + 3600 - 32
    return driver


@scene("F-06")
def failure() -> Driver:
    driver = progress()
    driver.final(480)
    assert (driver.event.old, driver.lease.failures) == (PROGRESS, 1)
    assert driver.waits(30, 60)
    assert driver.machine.deadline == driver.lease.retry_at
    return driver


@scene("F-07")
def final_failure() -> Driver:
    driver = progress()
    driver.final(403)
    assert (driver.event.old, driver.event.retry_at, driver.machine.deadline) == (PROGRESS, None, None)
    assert driver.lease.cause is not None
    assert driver.lease.cause.id == "RSP-403"
    return driver


@scene("F-08")
def success_without_a_binding() -> Driver:
    driver = progress()
    driver.ok("Contact: <sip:alice@198.51.100.7:5060>;expires=0")
    assert (driver.event.old, driver.event.reason) == (PROGRESS, Reason.BINDING_NOT_CREATED)
    assert driver.waits(30, 60)
    return driver


@scene("F-08")
def a_binding_that_ran_out_on_the_way() -> Driver:
    driver = progress()
    driver.now += 5
    driver.ok("Contact: <sip:alice@198.51.100.7:5060>;expires=5")
    assert driver.event.reason is Reason.BINDING_NOT_CREATED
    return driver


@scene("F-09")
def unregister_before_anything_was_sent() -> Driver:
    driver = Driver()
    driver.by_hand.add(Locate)
    driver.register()
    driver.unregister()
    assert (driver.event.old, driver.sent, driver.machine.deadline) == (PROGRESS, [], None)
    return driver


@scene("F-11")
def unregister_then_refused() -> Driver:
    driver = progress()
    driver.unregister()
    assert (driver.state, len(driver.requests)) == (PROGRESS, 1)
    driver.final(403)
    assert (driver.event.old, len(driver.requests), driver.machine.deadline) == (PROGRESS, 1, None)
    return driver


@scene("F-11")
def unregister_while_credentials_are_asked_for() -> Driver:
    driver = Driver()
    driver.by_hand.add(Ask)
    driver.register()
    driver.challenged()
    driver.unregister()
    assert len(driver.requests) == 1
    return driver


@scene("F-14")
def refresh_is_due() -> Driver:
    driver = registered()
    due = driver.lease.refresh_at
    assert driver.step() == due
    assert (driver.event.old, len(driver.requests), driver.lease.refresh_at) == (OK, 2, None)
    assert driver.lease.expires_at == START + 3600
    return driver


@scene("F-14")
def refresh_is_wanted() -> Driver:
    driver = registered()
    driver.refresh()
    assert (driver.now, driver.event.old, len(driver.requests)) == (START, OK, 2)
    return driver


@scene("F-15")
def settings_changed() -> Driver:
    driver = registered()
    driver.edit(expires=600)
    assert (driver.event.old, driver.last.lifetime) == (OK, 600)
    return driver


@scene("F-16")
def connection_lost() -> Driver:
    driver = registered()
    driver.now = START + 600
    driver.flow_lost()
    assert (driver.event.old, driver.event.reason) == (OK, Reason.IO_ERROR)
    assert (driver.lease.binding is not None, driver.lease.refresh_at, driver.waits(0, 2)) == (True, None, True)
    return driver


@scene("F-16")
def connection_lost_right_after_the_answer() -> Driver:
    driver = registered()
    driver.flow_lost()
    assert (driver.lease.failures, driver.waits(30, 60)) == (1, True)
    return driver


@scene("F-17")
def network_went_away() -> Driver:
    driver = registered()
    driver.network(up=False)
    assert (driver.event.old, driver.event.reason, driver.event.retry_at) == (OK, Reason.NETWORK_DOWN, None)
    assert driver.machine.deadline == driver.lease.expires_at == START + 3600
    return driver


@scene("F-19")
def deactivated() -> Driver:
    driver = registered()
    driver.notified(ContactEvent.DEACTIVATED)
    first, second = driver.requests
    assert (driver.event.old, second.at, driver.lease.binding) == (OK, START, None)
    assert first.request.call_id != second.request.call_id
    driver.ok()
    assert driver.state is OK
    return driver


@scene("F-19")
def expired_at_the_registrar() -> Driver:
    driver = registered()
    driver.notified(ContactEvent.EXPIRED)
    return driver


@scene("F-20")
def on_probation() -> Driver:
    driver = registered()
    driver.notified(ContactEvent.PROBATION, retry_after=500)
    assert (driver.event.old, driver.wait, driver.lease.binding) == (OK, 500, None)
    driver.step()
    assert driver.moves[-1] == "F-36"
    return driver


@scene("F-20")
def on_probation_without_a_time() -> Driver:
    driver = refreshing()
    driver.notified(ContactEvent.PROBATION)
    assert (driver.event.old, driver.waits(30, 60), driver.machine.branch) == (REFRESHING, True, None)
    return driver


@scene("F-21")
def ended_by_the_registrar() -> Driver:
    driver = waiting()
    driver.notified(ContactEvent.REJECTED)
    assert (driver.event.old, driver.event.reason, driver.machine.deadline) == (REFRESHING, Reason.REJECTED, None)
    return driver


@scene("F-22")
def removed_by_somebody_else() -> Driver:
    driver = registered()
    driver.notified(ContactEvent.UNREGISTERED)
    assert (driver.event.reason, driver.machine.deadline) == (Reason.REMOVED_BY_OTHER, None)
    return driver


@scene("F-23")
def unregister_from_ok() -> Driver:
    driver = registered()
    driver.unregister()
    assert (driver.event.old, driver.last.lifetime, driver.lease.refresh_at) == (OK, 0, None)
    driver.run(START + 3)
    assert driver.machine.deadline == START + 3.5
    assert driver.state is PROGRESS
    return driver


@scene("F-24")
def expired_without_an_attempt() -> Driver:
    driver = waiting()
    driver.lease.retry_at = START + 5000
    driver.run(START + 3600)
    assert (driver.event.old, driver.event.reason) == (REFRESHING, Reason.EXPIRED)
    assert (driver.lease.binding, driver.lease.further.service_route) == (None, ())
    assert driver.machine.deadline == START + 5000
    return driver


@scene("F-24", "F-36")
def slept_through_the_end() -> Driver:
    driver = registered()
    driver.tick(START + 10_000)
    assert driver.moves[-2:] == ["F-24", "F-36"]
    assert [event.old for event in driver.events[-2:]] == [OK, FAILED]
    assert driver.last.at == START + 10_000
    return driver


@scene("F-24")
def expired_while_there_is_no_network() -> Driver:
    driver = registered()
    driver.network(up=False)
    driver.run(START + 3600)
    assert (driver.event.reason, driver.machine.deadline) == (Reason.EXPIRED, None)
    return driver


@scene("F-25")
def refreshed() -> Driver:
    driver = refreshing()
    driver.ok()
    assert (driver.event.old, driver.lease.expires_at) == (REFRESHING, driver.last.at + 3600)
    assert driver.lease.refresh_at is not None
    assert driver.lease.refresh_at > driver.now + 2900
    return driver


@scene("F-26")
def refresh_failed_with_time_left() -> Driver:
    driver = refreshing()
    driver.final(480)
    assert (driver.event.old, driver.event.status, driver.lease.failures) == (REFRESHING, 480, 1)
    assert driver.event.binding is driver.lease.binding is not None
    assert driver.waits(30, 60)
    return driver


@scene("F-27")
def refresh_failed_as_the_binding_ran_out() -> Driver:
    driver = refreshing()
    driver.now = START + 3600
    driver.final(480)
    assert (driver.event.old, driver.lease.binding, driver.lease.residual_until) == (REFRESHING, None, None)
    assert driver.waits(30, 60)
    return driver


@scene("F-28")
def refresh_refused_for_good() -> Driver:
    driver = residual()
    assert (driver.event.old, driver.lease.binding, driver.machine.deadline) == (REFRESHING, None, None)
    assert driver.lease.residual_until == START + 3600
    return driver


@scene("F-29")
def expired_during_the_attempt() -> Driver:
    driver = registered()
    driver.tick(START + 3590)
    driver.run(START + 3600)
    assert (driver.now, driver.event.old, driver.lease.binding) == (START + 3600, REFRESHING, None)
    assert len(driver.requests) == 2
    driver.ok()
    assert driver.moves[-1] == "F-05"
    return driver


@scene("F-32")
def unregister_while_waiting() -> Driver:
    driver = waiting()
    driver.unregister()
    assert (driver.event.old, driver.last.lifetime, driver.lease.retry_at) == (REFRESHING, 0, None)
    return driver


@scene("F-32")
def unregister_during_a_refresh() -> Driver:
    driver = refreshing()
    driver.unregister()
    assert (driver.event.old, driver.last.lifetime) == (REFRESHING, 3600)
    driver.ok()
    assert driver.last.lifetime == 0
    return driver


@scene("F-33")
def removed() -> Driver:
    driver = registered()
    driver.unregister()
    driver.ok(contacts=False)
    assert (driver.event.old, driver.event.reason) == (PROGRESS, Reason.NONE)
    assert (driver.lease.binding, driver.lease.residual_until, driver.machine.deadline) == (None, None, None)
    return driver


@scene("F-33")
def removed_after_all() -> Driver:
    driver = residual()
    driver.unregister()
    driver.ok(contacts=False)
    assert driver.lease.residual_until is None
    driver.unregister()
    return driver


@scene("F-34")
def removal_refused() -> Driver:
    driver = registered()
    driver.unregister()
    driver.final(403)
    assert (driver.event.old, driver.event.reason) == (PROGRESS, Reason.FORBIDDEN)
    assert driver.lease.residual_until == START + 3600
    return driver


@scene("F-34")
def removal_not_answered() -> Driver:
    driver = registered()
    driver.unregister()
    driver.run(START + 100)
    assert driver.event.reason is Reason.NO_RESPONSE
    assert driver.sent[-1].at == START + 3.5
    return driver


@scene("F-34")
def network_lost_during_the_removal() -> Driver:
    driver = registered()
    driver.unregister()
    driver.network(up=False)
    assert driver.event.reason is Reason.NETWORK_DOWN
    return driver


@scene("F-36")
def time_to_try_again() -> Driver:
    driver = failed()
    assert driver.step() == driver.last.at
    assert (driver.event.old, len(driver.requests), driver.lease.failures) == (FAILED, 2, 1)
    return driver


@scene("F-36")
def network_is_back() -> Driver:
    driver = failed()
    driver.network(up=False)
    driver.network(up=True)
    assert driver.waits(0, 2)
    driver.step()
    return driver


@scene("F-37")
def register_from_failed() -> Driver:
    driver = residual()
    driver.now += 1
    driver.register()
    assert (driver.event.old, driver.last.at, driver.lease.failures) == (FAILED, driver.now, 1)
    return driver


@scene("F-37")
def refresh_from_failed() -> Driver:
    driver = failed()
    driver.now += 1
    driver.refresh()
    assert driver.event.old is FAILED
    return driver


@scene("F-38")
def new_settings() -> Driver:
    driver = progress()
    driver.final(403)
    driver.edit(expires=600)
    assert (driver.event.old, driver.last.at, driver.lease.failures) == (FAILED, START, 0)
    return driver


@scene("F-38")
def new_credentials() -> Driver:
    driver = Driver()
    driver.info = None
    driver.register()
    driver.challenged()
    driver.credentials_changed()
    assert (driver.event.old, driver.lease.failures, driver.event.reason) == (FAILED, 0, Reason.NONE)
    return driver


@scene("F-40")
def woken() -> Driver:
    driver = failed()
    driver.now += 5
    driver.wake()
    assert (driver.event.old, driver.last.at, driver.lease.failures) == (FAILED, START + 5, 1)
    return driver


@scene("SEC-27")
def asked_for_again_and_again() -> Driver:
    driver = failed()
    while driver.moves[-1] != "SEC-27":
        driver.now += 1
        driver.register()
        if driver.state is PROGRESS:
            driver.final(480)
    assert (len(driver.requests), driver.event.reason) == (60, Reason.REGISTER_STORM)
    assert driver.lease.retry_at is not None
    assert START + 3600 <= driver.lease.retry_at <= driver.now + 3600
    return driver


@scene("F-41")
def unregister_from_failed_while_a_binding_may_be_left() -> Driver:
    driver = residual()
    driver.unregister()
    assert (driver.event.old, driver.last.lifetime) == (FAILED, 0)
    return driver


@scene("F-42")
def unregister_from_failed() -> Driver:
    driver = failed()
    driver.unregister()
    assert (driver.event.old, driver.machine.deadline, len(driver.requests)) == (FAILED, None, 1)
    return driver


@scene("F-43")
def closed() -> Driver:
    driver = refreshing()
    driver.close()
    assert (driver.event.old, driver.lease.residual_until, driver.machine.deadline) == (REFRESHING, START + 3600, None)
    return driver


@scene("INTERNAL")
def crashed() -> Driver:
    driver = refreshing()
    driver.crash()
    assert (driver.event.old, driver.event.reason) == (REFRESHING, Reason.INTERNAL)
    assert (driver.lease.residual_until, driver.machine.deadline) == (START + 3600, None)
    return driver


PLAYS = [
    pytest.param(row, play, id=f"{row.replace('-', '_')}-{play.__name__}")
    for row, plays in SCENES.items()
    for play in plays
]


@pytest.mark.parametrize(("name", "play"), PLAYS)
def test_row(name: str, play: Callable[[], Driver]) -> None:
    row = TRANSITIONS[name]
    driver = play()
    assert name in driver.moves
    place = len(driver.moves) - 1 - driver.moves[::-1].index(name)
    event = driver.events[place]
    assert event.old in row.sources
    assert event.state is row.target
    assert event.message
    assert (event.identity, event.server) == ("sip:alice@example.org", "sip:example.org")


def test_every_row_of_the_table_is_taken() -> None:
    assert SCENES.keys() == TRANSITIONS.keys()


@pytest.mark.parametrize("state", RegistrationState, ids=str)
def test_F_43_every_state_can_be_closed(state: RegistrationState) -> None:
    makers: dict[RegistrationState, Callable[[], Driver]] = {
        NONE: Driver, PROGRESS: progress, OK: registered, REFRESHING: waiting, CLEARED: removed, FAILED: failed,
    }  # fmt: skip
    driver = makers[state]()
    assert driver.state is state
    moves = len(driver.moves)
    driver.close()
    if state in (NONE, CLEARED):
        assert (driver.state, len(driver.moves)) == (state, moves)
    else:
        assert (driver.state, driver.moves[moves:]) == (NONE, ["F-43"])
    assert driver.machine.deadline is None
    driver.close()
    assert driver.state is (CLEARED if state is CLEARED else NONE)


def test_F_45_what_comes_late_is_ignored() -> None:
    driver = registered()
    driver.unregister()
    driver.ok(contacts=False)
    driver.final(200)
    driver.lost()
    driver.tick(START + 10_000)
    assert (driver.dropped, driver.state, driver.moves[-1]) == (["branch"], CLEARED, "F-33")


def test_F_03_nothing_is_sent_when_nothing_is_left() -> None:
    for driver in (Driver(), removed(), removed_after_all()):
        sent, moves = len(driver.sent), len(driver.moves)
        driver.unregister()
        assert (len(driver.sent), len(driver.moves)) == (sent, moves)


def test_F_44_residual_bindings_run_out() -> None:
    driver = residual()
    driver.now = START + 3600
    driver.unregister()
    assert driver.moves[-1] == "F-42"


# The table


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS["F-99"] = TRANSITIONS["F-01"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        TRANSITIONS["F-01"].target = OK  # type: ignore[misc]


def test_a_row_that_does_not_start_here_is_an_error_of_ours() -> None:
    driver = Driver()
    with pytest.raises(AssertionError, match="F-05 does not start in None"):
        driver.lease.move("F-05")
    assert driver.state is NONE


def test_rows_have_unlike_meanings() -> None:
    rows = [(row.sources, row.target, row.event) for row in TRANSITIONS.values()]
    assert len(set(rows)) == len(rows)
    assert all(row.id == name for name, row in TRANSITIONS.items())
    assert all(isinstance(row, Transition) and row.sources for row in TRANSITIONS.values())


# Several flows


@pytest.mark.parametrize(
    ("states", "public"),
    [
        pytest.param([OK, FAILED], OK, id="F_50"),
        pytest.param([FAILED, REFRESHING, PROGRESS], REFRESHING, id="F_51"),
        pytest.param([NONE, PROGRESS, FAILED], PROGRESS, id="F_52"),
        pytest.param([NONE, FAILED, CLEARED], FAILED, id="F_53"),
        pytest.param([CLEARED, NONE], CLEARED, id="F_54"),
        pytest.param([NONE, NONE], NONE, id="F_54-none"),
        pytest.param([], NONE, id="F_54-no-flow"),
    ],
)
def test_combined(states: list[RegistrationState], public: RegistrationState) -> None:
    assert combined(states) is public
    assert combined(states[::-1]) is public


def test_F_50_combined_is_the_best_of_any_two() -> None:
    order = [OK, REFRESHING, PROGRESS, FAILED, CLEARED, NONE]
    for one, other in itertools.product(order, repeat=2):
        assert combined([one, other]) is order[min(order.index(one), order.index(other))]
