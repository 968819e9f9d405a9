"""How a command ends: exit codes that scripts can rely on, and errors as sentences."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import click

from aiosipreg import Reason, RegistrationState

if TYPE_CHECKING:
    from aiosipreg import RegistrationEvent

__all__ = ["CommandFailed", "ExitCode", "code_of"]


class ExitCode(enum.IntEnum):
    """What a command returns to the shell. The numbers stay as they are."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    DNS = 3
    TRANSPORT = 4
    TLS = 5
    CREDENTIALS = 6
    REJECTED = 7
    TIMEOUT = 8


_BY_REASON = {
    Reason.DNS_ERROR: ExitCode.DNS,
    Reason.NO_RESPONSE: ExitCode.TRANSPORT,
    Reason.IO_ERROR: ExitCode.TRANSPORT,
    Reason.NETWORK_DOWN: ExitCode.TRANSPORT,
    Reason.TLS_ERROR: ExitCode.TLS,
}

_CREDENTIALS = (Reason.UNAUTHORIZED, Reason.AUTH_UNAVAILABLE, Reason.AUTH_PROVIDER_FAILED)


class CommandFailed(click.ClickException):
    """A command cannot go on; click prints the sentence on stderr.

    Args:
        sentence: What is wrong.
        code: What the process returns.
    """

    def __init__(self, sentence: str, code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(sentence)
        # click declares it for the class, and reads it from the instance.
        vars(self)["exit_code"] = code


def code_of(event: RegistrationEvent) -> ExitCode:
    """The exit code for what became of an account.

    A doubt, such as a Contact that the registrar does not list, is no failure.
    """
    if event.state in (RegistrationState.OK, RegistrationState.CLEARED):
        return ExitCode.OK
    if event.reason in _CREDENTIALS:
        return ExitCode.CREDENTIALS
    if event.status >= 300:
        return ExitCode.REJECTED
    return _BY_REASON.get(event.reason, ExitCode.FAILURE)
