"""The options that describe one account, and the settings that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from aiosipreg import AuthInfo, ConfigError, DnsParams, ProxyParams
from aiosipreg.cli.passwords import ask_password, password_options, read_password, refuse_password_in_uri

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["account_options", "account_params", "dns_params", "no_colon"]

_F = TypeVar("_F", bound="Callable[..., Any]")


def account_options(command: _F) -> _F:
    """The argument IDENTITY and everything that belongs to one account."""
    options: tuple[Callable[[_F], _F], ...] = (
        click.argument("identity", callback=refuse_password_in_uri),
        click.option(
            "--server",
            metavar="URI",
            callback=refuse_password_in_uri,
            show_default="IDENTITY's host",
            help="The registrar.",
        ),
        click.option(
            "--expires", type=int, default=3600, show_default=True, metavar="SECONDS", help="Wished lifetime."
        ),
        click.option(
            "--user", metavar="NAME", callback=no_colon, show_default="IDENTITY's user", help="Digest user name."
        ),
        password_options,
        click.option(
            "--route",
            "routes",
            multiple=True,
            metavar="URI",
            callback=refuse_password_in_uri,
            help="Outbound proxy; may be repeated, nearest first.",
        ),
        click.option(
            "--nameserver",
            "nameservers",
            multiple=True,
            metavar="HOST:PORT",
            help="DNS server instead of the system's; may be repeated.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def no_colon(
    context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...] | None
) -> str | tuple[str, ...] | None:
    """Refuse a user name with a colon without repeating it; a click callback."""
    for name in (value,) if isinstance(value, str) else value or ():
        if not name or ":" in name:
            # What stands behind the colon is most likely a password.
            raise click.UsageError("--user takes a name alone; digest user names have no colon", context)
    return value


def account_params(
    identity: str,
    *,
    server: str | None,
    expires: int,
    user: str | None,
    routes: tuple[str, ...],
    password_stdin: bool,
    password_file: str | None,
) -> ProxyParams:
    """The settings of the account, password included.

    Raises:
        click.UsageError: A value cannot work.
    """
    try:
        params = ProxyParams(identity, server=server, expires=expires, routes=routes)
        password = read_password(stdin=password_stdin, file=password_file) or ask_password(user or str(params.aor))
        if password is None:
            return params
        return params.replace(auth=AuthInfo(params.aor.user or "", userid=user, password=password))
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def dns_params(nameservers: tuple[str, ...]) -> DnsParams:
    """How names are looked up.

    Raises:
        click.UsageError: A name server is not an address.
    """
    try:
        return DnsParams(nameservers=nameservers)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
