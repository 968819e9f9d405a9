"""``aiosipreg register``: keeps one account registered until Ctrl-C, and shows how it stands."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from rich.live import Live
from rich.table import Table
from rich.text import Text

from aiosipreg import Core, RegistrationState
from aiosipreg.cli.exits import CommandFailed, ExitCode, code_of
from aiosipreg.cli.running import stop_on_signals
from aiosipreg.cli.text import STATE_STYLES, clock, make_console, printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.console import Console

    from aiosipreg import DnsParams, ProxyConfig, ProxyParams, RegistrationEvent

__all__ = ["hold_registration"]

_REDRAW = 0.5


async def hold_registration(params: ProxyParams, *, dns: DnsParams, live: bool) -> None:
    """Keep the account registered until SIGINT or SIGTERM, then unregister.

    Args:
        params: The account.
        dns: How names are looked up.
        live: Draw a panel on the terminal instead of writing a line for each event.

    Raises:
        CommandFailed: The registration was refused for good, was not there when the end came, or its removal was not
            confirmed.
    """
    with stop_on_signals() as stop:
        async with Core(dns=dns) as core:
            events = core.events()
            proxy = core.add_proxy_config(params)
            view: View = Panel(make_console(), proxy) if live else Lines(make_console(), proxy)
            async with asyncio.TaskGroup() as group:
                group.create_task(_follow(events, view, stop))
                drawing = group.create_task(view.draw())
                await stop.wait()
                failure = _failure(proxy)
                await core.stop()
                drawing.cancel()
    event = proxy.last_event
    if failure is None and event is not None and event.state is not RegistrationState.CLEARED:
        failure = CommandFailed(f"the removal was not confirmed: {event.message}", code_of(event))
    if failure is not None:
        raise failure


async def _follow(events: AsyncIterator[RegistrationEvent], view: View, stop: asyncio.Event) -> None:
    async for event in events:
        view.show(event)
        if event.state is RegistrationState.FAILED and event.retry_at is None:
            stop.set()
            return


def _failure(proxy: ProxyConfig) -> CommandFailed | None:
    """Why there is no registration at this moment; ``None`` when there is one."""
    event = proxy.last_event
    if proxy.binding is not None or event is None:
        return None
    if event.state is RegistrationState.FAILED:
        return CommandFailed(f"{proxy.identity}: {printable(event.message)}", code_of(event))
    return CommandFailed(f"{proxy.identity} was not registered yet", ExitCode.TIMEOUT)


class View(Protocol):
    """Where the account is shown."""

    def show(self, event: RegistrationEvent) -> None:
        """Show what happened."""

    async def draw(self) -> None:
        """Keep the picture up to date until cancelled."""


class Lines:
    """One line for each event: for pipes, logs and service managers."""

    def __init__(self, console: Console, proxy: ProxyConfig) -> None:
        self._console = console
        self._proxy = proxy

    def show(self, event: RegistrationEvent) -> None:
        """Write a line."""
        text = Text(f"{datetime.now():%H:%M:%S}  ")
        text.append(f"{event.state!s:<10}", STATE_STYLES[event.state])
        text.append(f"  {printable(event.message)}")
        if event.state is RegistrationState.OK and event.binding is not None:
            wait = None if self._proxy.refresh_at is None else self._proxy.refresh_at - event.at
            uri = printable(event.binding.contact.uri)
            text.append(f" as {uri} at {printable(event.target)}, refresh in {clock(wait)}")
        self._console.print(text)

    async def draw(self) -> None:
        """Nothing changes between events."""


class Panel:
    """A panel that is drawn anew in its place: for people."""

    def __init__(self, console: Console, proxy: ProxyConfig) -> None:
        self._console = console
        self._proxy = proxy
        self._event: RegistrationEvent | None = None

    def show(self, event: RegistrationEvent) -> None:
        """Keep it for the next picture."""
        self._event = event

    async def draw(self) -> None:
        """Draw twice a second, and once more at the end."""
        # Without the thread that rich would use: the account is read from its own event loop only.
        with Live(self._picture(), console=self._console, auto_refresh=False) as live:
            try:
                while True:
                    live.update(self._picture(), refresh=True)
                    await asyncio.sleep(_REDRAW)
            finally:
                live.update(self._picture(), refresh=True)

    def _picture(self) -> Table:
        proxy, event = self._proxy, self._event
        picture = Table.grid(padding=(0, 2))
        picture.add_column(justify="right", style="dim", no_wrap=True)
        picture.add_column(overflow="fold")
        picture.add_row("account", Text(proxy.identity, "bold"))
        picture.add_row("registrar", _text(event.target if event and event.target else proxy.server))
        picture.add_row("state", Text(str(proxy.state), STATE_STYLES[proxy.state]))
        picture.add_row("contact", _text("-" if proxy.contact is None else proxy.contact.uri))
        picture.add_row("expires in", _left(proxy.expires_at))
        due, at = ("retry in", proxy.retry_at) if proxy.retry_at is not None else ("refresh in", proxy.refresh_at)
        picture.add_row(due, _left(at))
        picture.add_row("last", _text("-" if event is None else event.message))
        return picture


def _text(value: object) -> Text:
    return Text(printable(value))


def _left(at: float | None) -> Text:
    return Text(clock(None if at is None else at - asyncio.get_running_loop().time()))
