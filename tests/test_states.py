"""The words of a registration's life."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import pytest

from aiosipreg.states import Reason, RegistrationEvent, RegistrationState


def test_six_states_in_the_order_of_the_model() -> None:
    assert [str(state) for state in RegistrationState] == ["None", "Progress", "Ok", "Refreshing", "Cleared", "Failed"]
    assert f"{RegistrationState.OK}" == "Ok"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, Reason.NONE),
        (299, Reason.NONE),
        (301, Reason.MOVED_PERMANENTLY),
        (401, Reason.UNAUTHORIZED),
        (403, Reason.FORBIDDEN),
        (404, Reason.NOT_FOUND),
        (407, Reason.UNAUTHORIZED),
        (408, Reason.NO_RESPONSE),
        (410, Reason.GONE),
        (412, Reason.CONDITIONAL_REQUEST_FAILED),
        (415, Reason.UNSUPPORTED_CONTENT),
        (423, Reason.INTERVAL_TOO_BRIEF),
        (480, Reason.TEMPORARILY_UNAVAILABLE),
        (481, Reason.NO_MATCH),
        (484, Reason.ADDRESS_INCOMPLETE),
        (486, Reason.BUSY),
        (488, Reason.NOT_ACCEPTABLE),
        (489, Reason.BAD_EVENT),
        (491, Reason.TEMPORARILY_UNAVAILABLE),
        (501, Reason.NOT_IMPLEMENTED),
        (502, Reason.BAD_GATEWAY),
        (503, Reason.SERVICE_UNAVAILABLE),
        (504, Reason.SERVER_TIMEOUT),
        (600, Reason.DO_NOT_DISTURB),
        (603, Reason.DECLINED),
        (604, Reason.NOT_FOUND),
        (606, Reason.NOT_ACCEPTABLE),
        (302, Reason.REDIRECT_REFUSED),
        (399, Reason.REDIRECT_REFUSED),
        (400, Reason.BAD_RESPONSE),
        (430, Reason.IO_ERROR),
        (485, Reason.ADDRESS_INCOMPLETE),
        (499, Reason.REJECTED),
        (699, Reason.REJECTED),
    ],
)
def test_reason_of_a_status(status: int, reason: Reason) -> None:
    assert Reason.from_status(status) is reason


def test_only_success_has_no_reason() -> None:
    for status in range(200, 700):
        assert (Reason.from_status(status) is Reason.NONE) == (status < 300)


def test_every_reason_has_a_word_of_its_own() -> None:
    assert len({reason.value for reason in Reason}) == len(Reason.__members__)
    assert all(reason.value == reason.name.lower() for reason in Reason)


def event(**more: Any) -> RegistrationEvent:
    return RegistrationEvent(
        proxy_config=cast("Any", None),
        identity="sip:toto@example.org",
        server="sip:example.org",
        old=RegistrationState.NONE,
        state=RegistrationState.PROGRESS,
        **more,
    )


def test_REG_40_event_says_everything_and_cannot_be_changed() -> None:
    names = {entry.name for entry in dataclasses.fields(RegistrationEvent)}
    assert names >= {
        "proxy_config", "identity", "server", "old", "state", "reason", "status", "phrase", "warnings", "message",
        "binding", "expires_at", "retry_at", "retry_after", "target", "at", "missed",
    }  # fmt: skip
    first = event()
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.state = RegistrationState.OK  # type: ignore[misc]
    assert (first.reason, first.status, first.retry_at, first.missed) == (Reason.NONE, 0, None, 0)


def test_a_reader_that_fell_behind_gets_a_copy_that_says_so() -> None:
    assert dataclasses.replace(event(), missed=3).missed == 3
