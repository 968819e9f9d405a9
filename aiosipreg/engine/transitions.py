"""The state table of a registration: section 9.3 of the requirements as data.

The machine names the row whenever it changes its state; a row that does not start where the machine stands is an error
in the machine. The diagram in the documentation is drawn from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aiosipreg.states import RegistrationState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["TRANSITIONS", "Transition", "combined"]

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = (
    RegistrationState.NONE,
    RegistrationState.PROGRESS,
    RegistrationState.OK,
    RegistrationState.REFRESHING,
    RegistrationState.CLEARED,
    RegistrationState.FAILED,
)


@dataclass(frozen=True, slots=True)
class Transition:
    """One row: from one of ``sources`` to ``target`` when ``event`` happens."""

    id: str
    sources: frozenset[RegistrationState]
    target: RegistrationState
    event: str


def _row(id_: str, sources: Sequence[RegistrationState], target: RegistrationState, event: str) -> Transition:
    return Transition(id_, frozenset(sources), target, event)


TRANSITIONS: Final[Mapping[str, Transition]] = MappingProxyType({
    row.id: row
    for row in (
        _row("F-01", (NONE, CLEARED), PROGRESS, "register"),
        _row("F-04", (NONE, CLEARED), PROGRESS, "unregister, a binding may be left"),
        _row("F-05", (PROGRESS,), OK, "2xx"),
        _row("F-06", (PROGRESS,), FAILED, "failed, tried again later"),
        _row("F-07", (PROGRESS,), FAILED, "refused for good"),
        _row("F-08", (PROGRESS,), FAILED, "2xx without a binding"),
        _row("F-09", (PROGRESS,), CLEARED, "unregister, nothing sent yet"),
        _row("F-11", (PROGRESS,), CLEARED, "unregister, then the registration was refused"),
        _row("F-14", (OK,), REFRESHING, "refresh is due or wanted"),
        _row("F-15", (OK,), REFRESHING, "settings changed"),
        _row("F-16", (OK,), REFRESHING, "connection lost"),
        _row("F-17", (OK,), REFRESHING, "network changed"),
        _row("F-19", (OK,), PROGRESS, "the registrar dropped the binding and wants another"),
        _row("F-20", (OK, REFRESHING), FAILED, "the registrar wants another binding later"),
        _row("F-21", (OK, REFRESHING), FAILED, "the registrar ended the registration"),
        _row("F-22", (OK, REFRESHING), FAILED, "somebody else removed the binding"),
        _row("F-23", (OK,), PROGRESS, "unregister"),
        _row("F-24", (OK, REFRESHING), FAILED, "binding expired"),
        _row("F-25", (REFRESHING,), OK, "2xx"),
        _row("F-26", (REFRESHING,), REFRESHING, "failed, binding still alive"),
        _row("F-27", (REFRESHING,), FAILED, "failed, binding expired"),
        _row("F-28", (REFRESHING,), FAILED, "refused for good"),
        _row("F-29", (REFRESHING,), PROGRESS, "binding expired, attempt running"),
        _row("F-32", (REFRESHING,), PROGRESS, "unregister"),
        _row("F-33", (PROGRESS,), CLEARED, "removal confirmed"),
        _row("F-34", (PROGRESS,), NONE, "removal not confirmed"),
        _row("F-36", (FAILED,), PROGRESS, "time to try again, also because the network is back"),
        _row("F-37", (FAILED,), PROGRESS, "register or refresh"),
        _row("F-38", (FAILED,), PROGRESS, "new credentials or settings"),
        _row("F-40", (FAILED,), PROGRESS, "woken"),
        _row("F-41", (FAILED,), PROGRESS, "unregister, a binding may be left"),
        _row("F-42", (FAILED,), CLEARED, "unregister"),
        _row("F-43", (PROGRESS, OK, REFRESHING, FAILED), NONE, "closed without removal"),
        _row("SEC-27", (FAILED,), FAILED, "too many attempts within an hour"),
        _row("INTERNAL", tuple(RegistrationState), FAILED, "an error of ours"),
    )
})  # fmt: skip

_BEST_FIRST = (OK, REFRESHING, PROGRESS, FAILED, CLEARED, NONE)


def combined(states: Sequence[RegistrationState]) -> RegistrationState:
    """The public state of an account with several flows: the best of theirs (F-50 to F-54)."""
    return next((state for state in _BEST_FIRST if state in states), NONE)
