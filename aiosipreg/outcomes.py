"""Waiting for what becomes of an account, and the exception that says what became of it (floor 3)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from aiosipreg.engine.report import clean, told
from aiosipreg.errors import AuthenticationFailed, RegistrationError, RegistrationRejected, ServerUnreachable
from aiosipreg.states import Reason, RegistrationState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from aiosipreg.engine.outcome import Outcome
    from aiosipreg.states import RegistrationEvent

    _Waiter: TypeAlias = tuple[Callable[[RegistrationEvent], bool], asyncio.Future[RegistrationEvent]]

__all__ = ["Waiters", "decided", "error_of", "event_about", "final"]

_AUTH = (Reason.UNAUTHORIZED, Reason.AUTH_UNAVAILABLE, Reason.AUTH_PROVIDER_FAILED)
_UNREACHABLE = (Reason.NO_RESPONSE, Reason.IO_ERROR, Reason.DNS_ERROR, Reason.TLS_ERROR, Reason.NETWORK_DOWN)


class Waiters:
    """Those who wait for an event of one account."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: tuple[_Waiter, ...] = ()

    async def wait(self, wanted: Callable[[RegistrationEvent], bool], timeout: float | None) -> RegistrationEvent:
        """Wait for the first event that is wanted; cancelling the wait affects nobody else.

        Args:
            wanted: Whether an event is the one.
            timeout: Seconds to wait; ``None`` for as long as it takes.

        Raises:
            TimeoutError: It did not come in time.
        """
        future: asyncio.Future[RegistrationEvent] = asyncio.get_running_loop().create_future()
        waiter = (wanted, future)
        self._waiting = (*self._waiting, waiter)
        try:
            async with asyncio.timeout(timeout):
                return await future
        finally:
            self._waiting = tuple(other for other in self._waiting if other is not waiter)

    @property
    def heard(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def tell(self, event: RegistrationEvent) -> None:
        """Hand an event to those who want it."""
        for wanted, future in self._waiting:
            if not future.done() and wanted(event):
                future.set_result(event)

    def close(self, error: Exception) -> None:
        """Nothing more will happen: everybody gets the error."""
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(error)


def final(event: RegistrationEvent) -> bool:
    """Whether a failure is not repeated by itself, nor when there is a network again."""
    failed = event.state is RegistrationState.FAILED
    # A binding that runs out is renewed at once, unless there is no network.
    return failed and event.retry_at is None and event.reason not in (Reason.NETWORK_DOWN, Reason.EXPIRED)


def decided(event: RegistrationEvent) -> bool:
    """Whether an attempt has ended: the binding is there, or there is a reason why not."""
    if event.state is RegistrationState.REFRESHING:
        return event.reason is not Reason.NONE
    return event.state is not RegistrationState.PROGRESS


def event_about(standing: RegistrationEvent, outcome: Outcome) -> RegistrationEvent:
    """What an attempt that changes no state came to, beside where the account stands."""
    response = outcome.response
    return replace(
        standing,
        reason=outcome.row.reason,
        status=response.status if response is not None else 0,
        phrase=clean(response.reason) if response is not None else "",
        message=told(outcome),
    )


def error_of(event: RegistrationEvent, tried: Mapping[str, str]) -> RegistrationError:
    """The exception for an outcome that was awaited.

    Args:
        event: What became of it.
        tried: The targets that failed, with the cause of each.
    """
    text = f"{event.identity}: {event.message}"
    if event.reason in _AUTH:
        return AuthenticationFailed(text, event)
    if event.status == 0 and event.reason in _UNREACHABLE:
        return ServerUnreachable(text, event, tried)
    return RegistrationRejected(text, event) if event.status else RegistrationError(text, event)
