"""The state table of a registration: section 9.3 of the requirements as data.

The machine names the row whenever it changes its state; a row that does not start where the machine stands is an error
in the machine. The diagram in the documentation is drawn from this table.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

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


class Transition(NamedTuple):
    """One row: from one of ``sources`` to ``target`` when ``event`` happens."""

    id: str
    sources: tuple[RegistrationState, ...]
    target: RegistrationState
    event: str


TRANSITIONS: Final[Mapping[str, Transition]] = MappingProxyType({
    row.id: row
    for row in (
        Transition("F-01", (NONE, CLEARED), PROGRESS, "register"),
        Transition("F-04", (NONE, CLEARED), PROGRESS, "unregister, a binding may be left"),
        Transition("F-05", (PROGRESS,), OK, "2xx"),
        Transition("F-06", (PROGRESS,), FAILED, "failed, tried again later"),
        Transition("F-07", (PROGRESS,), FAILED, "refused for good"),
        Transition("F-08", (PROGRESS,), FAILED, "2xx without a binding"),
        Transition("F-09", (PROGRESS,), CLEARED, "unregister, nothing sent yet"),
        Transition("F-11", (PROGRESS,), CLEARED, "unregister, then the registration was refused"),
        Transition("F-14", (OK,), REFRESHING, "refresh is due or wanted"),
        Transition("F-15", (OK,), REFRESHING, "settings changed"),
        Transition("F-16", (OK,), REFRESHING, "connection lost"),
        Transition("F-17", (OK,), REFRESHING, "network changed"),
        Transition("F-19", (OK,), PROGRESS, "the registrar dropped the binding and wants another"),
        Transition("F-20", (OK, REFRESHING), FAILED, "the registrar wants another binding later"),
        Transition("F-21", (OK, REFRESHING), FAILED, "the registrar ended the registration"),
        Transition("F-22", (OK, REFRESHING), FAILED, "somebody else removed the binding"),
        Transition("F-23", (OK,), PROGRESS, "unregister"),
        Transition("F-24", (OK, REFRESHING), FAILED, "binding expired"),
        Transition("F-25", (REFRESHING,), OK, "2xx"),
        Transition("F-26", (REFRESHING,), REFRESHING, "failed, binding still alive"),
        Transition("F-27", (REFRESHING,), FAILED, "failed, binding expired"),
        Transition("F-28", (REFRESHING,), FAILED, "refused for good"),
        Transition("F-29", (REFRESHING,), PROGRESS, "binding expired, attempt running"),
        Transition("F-32", (REFRESHING,), PROGRESS, "unregister"),
        Transition("F-33", (PROGRESS,), CLEARED, "removal confirmed"),
        Transition("F-34", (PROGRESS,), NONE, "removal not confirmed"),
        Transition("F-36", (FAILED,), PROGRESS, "time to try again, also because the network is back"),
        Transition("F-37", (FAILED,), PROGRESS, "register or refresh"),
        Transition("F-38", (FAILED,), PROGRESS, "new credentials or settings"),
        Transition("F-40", (FAILED,), PROGRESS, "woken"),
        Transition("F-41", (FAILED,), PROGRESS, "unregister, a binding may be left"),
        Transition("F-42", (FAILED,), CLEARED, "unregister"),
        Transition("F-43", (PROGRESS, OK, REFRESHING, FAILED), NONE, "closed without removal"),
        Transition("SEC-27", (FAILED,), FAILED, "too many attempts within an hour"),
        Transition("INTERNAL", tuple(RegistrationState), FAILED, "an error of ours"),
    )
})  # fmt: skip

_BEST_FIRST = (OK, REFRESHING, PROGRESS, FAILED, CLEARED, NONE)


def combined(states: Sequence[RegistrationState]) -> RegistrationState:
    """The public state of an account with several flows: the best of theirs (F-50 to F-54)."""
    return next((state for state in _BEST_FIRST if state in states), NONE)
