"""Where passwords come from: never from the arguments, which every user of the machine sees in `ps`."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

__all__ = ["VARIABLE", "ask_password", "password_options", "read_password", "refuse_password_in_uri"]

VARIABLE = "AIOSIPREG_PASSWORD"

_WHY = (
    "a password on the command line can be read by every user of this machine (in `ps`) and stays in the history of "
    f"the shell; use --password-stdin, --password-file FILE, the environment variable {VARIABLE} or the prompt"
)
_USERINFO = re.compile(r"(?:sips?:)?([^@]*)@", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_F = TypeVar("_F", bound="Callable[..., Any]")


def password_options(command: _F) -> _F:
    """The options that say where the password is."""
    options: tuple[Callable[[_F], _F], ...] = (
        click.option("--password-stdin", is_flag=True, help="Read the password from standard input."),
        click.option("--password-file", type=click.Path(), metavar="FILE", help="Read the password from a file."),
        # There to explain itself: without it the value would be taken for another argument.
        click.option(
            "--password", hidden=True, is_flag=False, flag_value="", is_eager=True, expose_value=False, callback=_refuse
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _refuse(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError(f"--password: {_WHY}", context)


def refuse_password_in_uri(
    context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...] | None
) -> str | tuple[str, ...] | None:
    """Refuse ``sip:user:password@host``; a click callback."""
    for text in (value,) if isinstance(value, str) else value or ():
        userinfo = _USERINFO.match(text.rpartition("<")[2].strip())
        if userinfo is not None and ":" in userinfo[1]:
            raise click.UsageError(f"{parameter.human_readable_name}: {_WHY}", context)
    return value


def read_password(*, stdin: bool, file: str | None) -> str | None:
    """The password from where the options say, else from the environment.

    Args:
        stdin: Take standard input.
        file: Take this file.

    Returns:
        The password; ``None`` if nobody gave one.

    Raises:
        click.UsageError: Two places at once, or nothing usable there.
    """
    if stdin and file is not None:
        raise click.UsageError("give --password-stdin or --password-file, not both")
    if stdin:
        return _one_line("standard input", sys.stdin.buffer)
    if file is not None:
        # The name is not repeated: it may be the password, given to the wrong option.
        try:
            with open(file, "rb") as stream:
                return _one_line("the password file", stream)
        except OSError as error:
            raise click.UsageError(f"the password file cannot be read: {error.strerror}") from None
    value = os.environ.get(VARIABLE)
    return None if value is None else _usable(f"the environment variable {VARIABLE}", os.fsencode(value))


def ask_password(user: str) -> str | None:
    """Ask on the terminal, if there is one.

    Args:
        user: Whose password.

    Returns:
        The password; ``None`` without a terminal, or when the answer is empty.
    """
    if not sys.stdin.isatty():
        return None
    answer: str = click.prompt(
        f"Password of {user} (empty for none)", default="", show_default=False, hide_input=True, err=True
    )
    return answer or None


def _one_line(place: str, stream: BinaryIO) -> str:
    return _usable(place, stream.read().removesuffix(b"\n").removesuffix(b"\r"))


def _usable(place: str, octets: bytes) -> str:
    try:
        password = octets.decode("utf-8")
    except UnicodeDecodeError:
        # Without its cause, which would show the octets.
        raise click.UsageError(f"{place} holds no UTF-8 text") from None
    if not password or _CONTROL.search(password):
        raise click.UsageError(f"{place} must hold the password: one line of text, and not an empty one")
    return password
