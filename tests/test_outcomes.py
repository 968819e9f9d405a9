"""aiosipreg/outcomes.py: waiting for what becomes of an account, and the exception that says it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aiosipreg import (
    AuthenticationFailed,
    Reason,
    RegistrationError,
    RegistrationRejected,
    RegistrationState,
    ServerUnreachable,
)
from aiosipreg.engine.outcome import Outcome
from aiosipreg.engine.replies import TROUBLES, decide
from aiosipreg.outcomes import Waiters, decided, error_of, event_about, final
from aiosipreg.wire import Response
from tests.events import event

if TYPE_CHECKING:
    from aiosipreg import RegistrationEvent

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState


def is_ok(told: RegistrationEvent) -> bool:
    return told.state is OK


@pytest.mark.virtual_clock
class TestWaiters:
    async def test_the_first_event_that_is_wanted_ends_the_wait(self) -> None:
        waiters = Waiters()
        waiting = asyncio.create_task(waiters.wait(is_ok, None))
        await asyncio.sleep(0)
        waiters.tell(event(PROGRESS))
        wanted = event(OK)
        waiters.tell(wanted)
        waiters.tell(event(OK))
        assert await waiting is wanted
        assert not waiters.heard

    async def test_everybody_who_wants_it_gets_it(self) -> None:
        waiters = Waiters()
        waiting = [asyncio.create_task(waiters.wait(is_ok, 5)) for _ in range(3)]
        other = asyncio.create_task(waiters.wait(lambda told: told.state is FAILED, None))
        await asyncio.sleep(0)
        wanted = event(OK)
        waiters.tell(wanted)
        assert await asyncio.gather(*waiting) == [wanted] * 3
        assert not other.done()
        waiters.tell(event(FAILED))
        assert (await other).state is FAILED

    async def test_a_wait_has_an_end(self) -> None:
        waiters = Waiters()
        with pytest.raises(TimeoutError):
            await waiters.wait(is_ok, 5)
        assert asyncio.get_running_loop().time() == 5
        assert not waiters.heard

    async def test_a_cancelled_wait_leaves_nothing_behind_and_harms_no_other(self) -> None:
        waiters = Waiters()
        one, other = (asyncio.create_task(waiters.wait(is_ok, None)) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        waiters.tell(event(OK))
        assert (await other).state is OK
        with pytest.raises(asyncio.CancelledError):
            await one
        assert not waiters.heard

    async def test_an_event_and_a_cancellation_in_the_same_turn(self) -> None:
        waiters = Waiters()
        waiting = asyncio.create_task(waiters.wait(is_ok, None))
        await asyncio.sleep(0)
        waiters.tell(event(OK))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        waiters.close(RuntimeError("unused"))

    async def test_closing_tells_everybody(self) -> None:
        waiters = Waiters()
        waiting = [asyncio.create_task(waiters.wait(is_ok, None)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        waiters.close(RuntimeError("gone"))
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError, RuntimeError, RuntimeError]
        waiters.close(RuntimeError("gone"))


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        (NONE, Reason.NONE, True),
        (NONE, Reason.NO_RESPONSE, True),
        (PROGRESS, Reason.NONE, False),
        (OK, Reason.NONE, True),
        (OK, Reason.CONTACT_MISMATCH, True),
        (REFRESHING, Reason.NONE, False),
        (REFRESHING, Reason.NO_RESPONSE, True),
        (CLEARED, Reason.NONE, True),
        (FAILED, Reason.FORBIDDEN, True),
    ],
)
def test_when_an_attempt_has_ended(state: RegistrationState, reason: Reason, expected: bool) -> None:
    assert decided(event(state, reason=reason)) is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"state": FAILED, "reason": Reason.FORBIDDEN}, True),
        ({"state": FAILED, "reason": Reason.NO_RESPONSE, "retry_at": 30.0}, False),
        ({"state": FAILED, "reason": Reason.NETWORK_DOWN}, False),
        ({"state": FAILED, "reason": Reason.EXPIRED}, False),
        ({"state": OK}, False),
        ({"state": REFRESHING, "reason": Reason.NO_RESPONSE}, False),
        ({"state": CLEARED}, False),
    ],
)
def test_when_a_failure_is_final(fields: dict[str, Any], expected: bool) -> None:
    assert final(event(**fields)) is expected


@pytest.mark.parametrize(
    ("reason", "status", "kind"),
    [
        (Reason.UNAUTHORIZED, 401, AuthenticationFailed),
        (Reason.AUTH_UNAVAILABLE, 407, AuthenticationFailed),
        (Reason.AUTH_PROVIDER_FAILED, 0, AuthenticationFailed),
        (Reason.NO_RESPONSE, 0, ServerUnreachable),
        (Reason.IO_ERROR, 0, ServerUnreachable),
        (Reason.DNS_ERROR, 0, ServerUnreachable),
        (Reason.TLS_ERROR, 0, ServerUnreachable),
        (Reason.NETWORK_DOWN, 0, ServerUnreachable),
        (Reason.NO_RESPONSE, 408, RegistrationRejected),
        (Reason.SERVICE_UNAVAILABLE, 503, RegistrationRejected),
        (Reason.FORBIDDEN, 403, RegistrationRejected),
        (Reason.BINDING_NOT_CREATED, 200, RegistrationRejected),
        (Reason.EXPIRED, 0, RegistrationError),
        (Reason.INTERNAL, 0, RegistrationError),
    ],
)
def test_the_exception_says_what_kind_of_failure_it_was(
    reason: Reason, status: int, kind: type[RegistrationError]
) -> None:
    told = event(FAILED, reason=reason, status=status, message="what happened and what to do")
    error = error_of(told, {"udp:192.0.2.1:5060": "no answer"})
    assert type(error) is kind
    assert error.event is told
    assert str(error) == "sip:toto@sip.titi.com: what happened and what to do"
    if isinstance(error, ServerUnreachable):
        assert error.tried == {"udp:192.0.2.1:5060": "no answer"}


def test_an_attempt_that_changes_no_state_is_told_beside_where_the_account_stands() -> None:
    standing = event(OK, status=200, phrase="OK", message="registered for 3600 s", expires_at=3600.0)
    refused = Outcome(decide(403), Response(403, "Forbidden \u202e"))
    told = event_about(standing, refused)
    assert (told.state, told.expires_at, told.reason, told.status) == (OK, 3600.0, Reason.FORBIDDEN, 403)
    assert told.phrase == "Forbidden \\xe2\\x80\\xae"
    silent = event_about(standing, Outcome(TROUBLES["RSP-F0"], cause="no answer"))
    assert (silent.reason, silent.status, silent.phrase) == (Reason.NO_RESPONSE, 0, "")
    assert "no answer" in silent.message
