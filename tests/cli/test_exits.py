"""aiosipreg/cli/exits.py: the numbers that scripts rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from aiosipreg import Reason, RegistrationEvent, RegistrationState
from aiosipreg.cli.exits import CommandFailed, ExitCode, code_of

if TYPE_CHECKING:
    from aiosipreg import ProxyConfig


def happened(state: RegistrationState, reason: Reason, status: int) -> RegistrationEvent:
    return RegistrationEvent(
        proxy_config=cast("ProxyConfig", None),
        identity="sip:toto@sip.titi.com",
        server="sip:sip.titi.com",
        old=RegistrationState.PROGRESS,
        state=state,
        reason=reason,
        status=status,
    )


def test_the_numbers_are_fixed() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0, "FAILURE": 1, "USAGE": 2, "DNS": 3, "TRANSPORT": 4, "TLS": 5, "CREDENTIALS": 6, "REJECTED": 7,
        "TIMEOUT": 8,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        (Reason.INTERNAL, 0, ExitCode.FAILURE),
        (Reason.BINDING_NOT_CREATED, 200, ExitCode.FAILURE),
        (Reason.DNS_ERROR, 0, ExitCode.DNS),
        (Reason.NO_RESPONSE, 0, ExitCode.TRANSPORT),
        (Reason.IO_ERROR, 0, ExitCode.TRANSPORT),
        (Reason.NETWORK_DOWN, 0, ExitCode.TRANSPORT),
        (Reason.TLS_ERROR, 0, ExitCode.TLS),
        (Reason.UNAUTHORIZED, 401, ExitCode.CREDENTIALS),
        (Reason.UNAUTHORIZED, 407, ExitCode.CREDENTIALS),
        (Reason.AUTH_UNAVAILABLE, 0, ExitCode.CREDENTIALS),
        (Reason.AUTH_PROVIDER_FAILED, 0, ExitCode.CREDENTIALS),
        (Reason.FORBIDDEN, 403, ExitCode.REJECTED),
        (Reason.MOVED_PERMANENTLY, 301, ExitCode.REJECTED),
        (Reason.NO_RESPONSE, 408, ExitCode.REJECTED),
        (Reason.SERVICE_UNAVAILABLE, 503, ExitCode.REJECTED),
    ],
)
def test_what_became_of_an_account_has_a_number(reason: Reason, status: int, code: ExitCode) -> None:
    assert code_of(happened(RegistrationState.FAILED, reason, status)) is code


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (RegistrationState.OK, Reason.NONE),
        (RegistrationState.OK, Reason.CONTACT_MISMATCH),
        (RegistrationState.CLEARED, Reason.NONE),
        (RegistrationState.CLEARED, Reason.UNCONFIRMED),
    ],
)
def test_a_doubt_is_no_failure(state: RegistrationState, reason: Reason) -> None:
    assert code_of(happened(state, reason, 200)) is ExitCode.OK


def test_a_failure_carries_its_number() -> None:
    assert CommandFailed("no").exit_code == 1
    assert CommandFailed("no", ExitCode.TLS).exit_code == 5
