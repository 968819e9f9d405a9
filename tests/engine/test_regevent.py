"""What a registrar tells of our Contact: F-18 to F-22 with EVT-11 and SEC-32."""

from __future__ import annotations

import pytest

from aiosipreg.engine.regevent import ContactEvent, Notice
from aiosipreg.states import Reason, RegistrationState
from tests.engine.driver import START, Driver

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState
ENDING = [event for event in ContactEvent if event is not ContactEvent.SHORTENED]


def registered() -> Driver:
    driver = Driver()
    driver.register()
    driver.ok()
    return driver


def refreshing() -> Driver:
    driver = registered()
    driver.step()
    assert driver.state is REFRESHING
    return driver


def test_a_notice_names_its_event() -> None:
    assert Notice(ContactEvent("shortened"), trusted=False).expires == 0.0


def test_F_18_a_shortened_binding_is_renewed_at_half_of_what_is_left() -> None:
    driver = registered()
    driver.now += 100
    driver.notified(ContactEvent.SHORTENED, expires=60, trusted=False)
    assert (driver.state, len(driver.events)) == (OK, 2)
    assert (driver.lease.refresh_at, driver.lease.expires_at) == (START + 130, START + 160)
    driver.step()
    assert (driver.now, driver.moves[-1]) == (START + 130, "F-14")


def test_F_18_a_binding_that_has_ended_is_made_anew_at_once() -> None:
    driver = registered()
    driver.notified(ContactEvent.SHORTENED, expires=0)
    assert driver.moves[-2:] == ["F-24", "F-36"]


def test_F_18_while_it_is_renewed_the_answer_will_tell() -> None:
    driver = refreshing()
    driver.notified(ContactEvent.SHORTENED, expires=10)
    assert (driver.lease.expires_at, driver.moves[-1]) == (START + 3600, "F-14")


@pytest.mark.parametrize("event", ENDING, ids=str)
def test_SEC_32_what_anybody_could_have_sent_is_checked_by_a_refresh(event: ContactEvent) -> None:
    driver = registered()
    driver.notified(event, trusted=False)
    assert (driver.moves[-1], driver.state, driver.lease.binding is not None) == ("F-14", REFRESHING, True)
    driver.ok()
    assert driver.state is OK


@pytest.mark.parametrize("event", [ContactEvent.DEACTIVATED, ContactEvent.EXPIRED], ids=str)
def test_F_19_while_it_is_renewed_there_is_nothing_to_begin(event: ContactEvent) -> None:
    driver = refreshing()
    driver.notified(event)
    assert (driver.moves[-1], len(driver.requests)) == ("F-14", 2)


@pytest.mark.parametrize("event", [ContactEvent.PROBATION, ContactEvent.REJECTED, ContactEvent.UNREGISTERED], ids=str)
def test_F_20_F_21_F_22_the_attempt_under_way_is_given_up(event: ContactEvent) -> None:
    driver = refreshing()
    driver.notified(event)
    assert (driver.state, driver.machine.branch) == (FAILED, None)


def test_F_20_the_wait_is_capped_SEC_21() -> None:
    driver = registered()
    driver.notified(ContactEvent.PROBATION, retry_after=1e9)
    assert driver.wait == 3600


def test_F_22_an_account_that_somebody_removed_can_be_registered_again() -> None:
    driver = registered()
    driver.notified(ContactEvent.UNREGISTERED)
    assert (driver.event.reason, driver.wait) == (Reason.REMOVED_BY_OTHER, None)
    driver.now += 1
    driver.register()
    assert driver.moves[-1] == "F-37"


@pytest.mark.parametrize("event", ContactEvent, ids=str)
def test_F_45_where_there_is_no_binding_a_notice_means_nothing(event: ContactEvent) -> None:
    driver = Driver()
    driver.notified(event)
    driver.register()
    driver.notified(event)
    driver.ok()
    driver.unregister()
    driver.notified(event)
    driver.final(200, contacts=False)
    driver.notified(event)
    assert driver.moves == ["F-01", "F-05", "F-23", "F-33"]
