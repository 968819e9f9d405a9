"""``aiosipreg registrar``: the registrar of the testing module on a port, for a developer's desk."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from aiosipreg.cli.exits import CommandFailed, ExitCode
from aiosipreg.cli.running import stop_on_signals
from aiosipreg.cli.text import clock, hostport, make_console, printable
from aiosipreg.testing import Registrar
from aiosipreg.wire import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from aiosipreg.testing import StoredBinding
    from aiosipreg.wire import Request, Response

__all__ = ["serve_registrar"]

_HISTORY = 1000
"""Packets kept: nobody reads them here, and a registrar may run for weeks."""


async def serve_registrar(*, host: str, port: int, users: Mapping[str, str] | None) -> None:
    """Take registrations until SIGINT or SIGTERM, and show them.

    Args:
        host: IP address to listen on.
        port: UDP port; 0 takes a free one.
        users: Passwords by user name; ``None`` lets everybody in.

    Raises:
        CommandFailed: The port cannot be had.
    """
    registrar = Registrar(users, host=host, port=port, history=_HISTORY)
    with stop_on_signals() as stop:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(registrar)
            except OSError as error:
                text = f"cannot listen on {hostport(host, port)}: {error.strerror or error}; --port 0 takes a free port"
                raise CommandFailed(text, ExitCode.TRANSPORT) from None
            watch = Watch(make_console(), registrar)
            watch.begin()
            await stop.wait()
            watch.end()


class Watch:
    """Shows what a registrar is asked, what it answers, and what it holds then."""

    def __init__(self, console: Console, registrar: Registrar) -> None:
        self._console = console
        self._registrar = registrar
        self._loop = asyncio.get_running_loop()
        self._held: dict[tuple[str, str], StoredBinding] = {}
        self._lapse: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Show the address, then everything that comes."""
        self._console.print(self._registrar.uri)
        self._registrar.hook = self._answered

    def end(self) -> None:
        """Show nothing any more."""
        self._registrar.hook = None
        if self._lapse is not None:
            self._lapse.cancel()

    def _answered(self, request: Request, response: Response) -> Response:
        # Several requests may come in one turn of the loop, so what the last one changed is shown first.
        self._compare()
        line = self._line(f"{request.method} {_aor(request)} from {_source(response)}: ")
        line.append(f"{response.status} {printable(response.reason)}", _style(response.status))
        self._console.print(line)
        # The bindings change only when the hook has agreed to the answer.
        self._loop.call_soon(self._compare)
        return response

    def _compare(self) -> None:
        """Show which bindings are new, renewed or gone, and come back when the next one runs out."""
        now = self._loop.time()
        held = dict(_by_contact(self._registrar.bindings))
        for (aor, contact), binding in held.items():
            old = self._held.get((aor, contact))
            if old is None or old.expires_at != binding.expires_at:
                word = "bound" if old is None else "renewed"
                self._console.print(self._line(f"  {word:<8} {aor} -> {contact} for {clock(binding.expires_at - now)}"))
        for (aor, contact), binding in self._held.items():
            if (aor, contact) not in held:
                word = "lapsed" if binding.expires_at <= now else "removed"
                self._console.print(self._line(f"  {word:<8} {aor} -> {contact}"))
        self._held = held
        if self._lapse is not None:
            self._lapse.cancel()
        ends = [binding.expires_at for binding in held.values()]
        self._lapse = self._loop.call_at(min(ends), self._compare) if ends else None

    def _line(self, text: str) -> Text:
        return Text(f"{datetime.now():%H:%M:%S}  {text}")


def _by_contact(bindings: Mapping[str, tuple[StoredBinding, ...]]) -> Iterator[tuple[tuple[str, str], StoredBinding]]:
    for aor, entries in bindings.items():
        for binding in entries:
            yield (printable(aor), printable(binding.contact.uri)), binding


def _aor(request: Request) -> str:
    try:
        return printable("?" if request.to is None else request.to.uri)
    except ParseError:
        return "?"


def _source(response: Response) -> str:
    """Where the request came from, as the registrar noted it in the top Via."""
    via = response.via
    return "?" if via is None else hostport(printable(via.received or via.host), via.rport or via.port or 5060)


def _style(status: int) -> str:
    return "green" if status < 300 else "yellow" if status in (401, 407, 423) else "red"
