"""The commands and their options."""

from __future__ import annotations

import io
import logging
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from typing import Any

import click

from aiosipreg.cli.accounts import account_options, account_params, dns_params, no_colon
from aiosipreg.cli.check import check_account, print_report
from aiosipreg.cli.demo import show_demo
from aiosipreg.cli.exits import CommandFailed, ExitCode
from aiosipreg.cli.import_linphonerc import import_file, print_imported
from aiosipreg.cli.passwords import ask_password, password_options, read_password
from aiosipreg.cli.register import hold_registration
from aiosipreg.cli.registrar import serve_registrar
from aiosipreg.cli.running import run
from aiosipreg.cli.text import can_redraw, printable

__all__ = ["aiosipreg", "run_command_line"]

logger = logging.getLogger("aiosipreg.cli")

_EXIT_CODES = """\b
Exit codes:
  0  registered, or done
  1  another failure
  2  wrong usage
  3  DNS: the server's name does not lead anywhere
  4  transport: no server could be reached, or none answered
  5  TLS: no secure connection
  6  credentials: missing, or refused
  7  rejected by the server
  8  time-out: the server answers, but nothing was decided in time
"""


class _Command(click.Command):
    """A command that does not repeat a stray argument: it may be a password."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Like click's, with another sentence."""
        ctx.allow_extra_args = True
        left = super().parse_args(ctx, args)
        if left:
            ctx.fail("there are more arguments than this command takes; they are not repeated here")
        return left


def _build() -> str:
    """What the version is followed by: whether the inner floors are compiled."""
    spec = find_spec("aiosipreg.engine.cycle")
    return " (compiled)" if spec and str(spec.origin).endswith(tuple(EXTENSION_SUFFIXES)) else ""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXIT_CODES)
@click.option("-v", "--verbose", is_flag=True, help="Log what happens inside on standard error.")
@click.version_option(package_name="aiosipreg", message=f"%(prog)s %(version)s{_build()}")
@click.pass_context
def aiosipreg(context: click.Context, verbose: bool) -> None:
    """Keep SIP accounts registered. Begin with: aiosipreg demo."""
    context.obj = verbose
    package = logging.getLogger("aiosipreg")
    # What goes wrong is told in sentences; without any handler Python would print warnings of the package as well.
    handler = logging.StreamHandler(sys.stderr) if verbose else logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    package.addHandler(handler)
    if verbose:
        package.setLevel(logging.DEBUG)


@aiosipreg.command(cls=_Command)
def demo() -> None:
    """Show in a few seconds what this package does.

    A client and a registrar in one process, over UDP on 127.0.0.1; no other server is needed. The exit code is 0 only
    if everything that is shown did happen.
    """
    run(show_demo())


@aiosipreg.command(cls=_Command)
@account_options
@click.pass_obj
def register(verbose: bool, /, nameservers: tuple[str, ...], **account: Any) -> None:
    """Keep IDENTITY registered until Ctrl-C, then unregister.

    IDENTITY is an address such as sip:alice@example.org.
    """
    dns = dns_params(nameservers)
    params = account_params(**account)
    click.echo("Ctrl-C unregisters and ends.", err=True)
    run(hold_registration(params, dns=dns, live=can_redraw() and not verbose), uvloop=True)


@aiosipreg.command(cls=_Command)
@account_options
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the registration may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def check(*, nameservers: tuple[str, ...], timeout: float, as_json: bool, **account: Any) -> None:
    """Register IDENTITY once, report how, and unregister.

    IDENTITY is an address such as sip:alice@example.org. The exit code tells the outcome; see aiosipreg --help.
    """
    dns = dns_params(nameservers)
    params = account_params(**account)
    report = run(check_account(params, dns=dns, timeout=timeout))
    print_report(report, as_json=as_json)
    code = ExitCode(report["exit_code"])
    if code is not ExitCode.OK and not as_json:
        raise CommandFailed(printable(report["message"]), code)
    sys.exit(code)


@aiosipreg.command(cls=_Command)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="IP address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=5060,
    metavar="PORT",
    show_default=True,
    help="UDP port to listen on; 0 takes a free one.",
)
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="NAME",
    callback=no_colon,
    help="User who may register with a password; may be repeated. Without one everybody may.",
)
@password_options
def registrar(*, host: str, port: int, users: tuple[str, ...], password_stdin: bool, password_file: str | None) -> None:
    """Run a small registrar for a developer's desk.

    It shows each REGISTER and binding until Ctrl-C, and forgets everything then. A password that is read from a file,
    from standard input or from the environment is that of every --user; the prompt asks for each.
    """
    password = read_password(stdin=password_stdin, file=password_file) if users else None
    passwords = {name: password or ask_password(name) for name in users}
    known = {name: secret for name, secret in passwords.items() if secret is not None}
    if len(known) < len(users):
        raise click.UsageError("--user needs a password: --password-file, --password-stdin or AIOSIPREG_PASSWORD")
    click.echo("Ctrl-C ends.", err=True)
    run(serve_registrar(host=host, port=port, users=known or None))


@aiosipreg.command(cls=_Command)
@click.argument("file", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def import_linphonerc(*, file: str, as_json: bool) -> None:
    """Show what a file of liblinphone would register here.

    FILE is a linphonerc. Nothing is sent, and no secret is shown. The exit code is 1 if something in the file could not
    be taken as it stands.
    """
    imported = import_file(file)
    print_imported(imported, as_json=as_json)
    sys.exit(ExitCode.FAILURE if imported.problems else ExitCode.OK)


def run_command_line() -> None:
    """Run the command that the arguments name, and leave the process; no error is a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names of the network may have letters that this terminal cannot show.
            stream.reconfigure(errors="backslashreplace")
    try:
        aiosipreg(prog_name="aiosipreg")
    except Exception as error:
        logger.debug("unexpected error", exc_info=True)
        name = type(error).__name__
        click.echo(f"Error: an error in this program ({name}); run it with -v and report what it logs", err=True)
        sys.exit(ExitCode.FAILURE)
