"""Where a client meets a scripted server, and what is noted of that."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from aiosipreg.testing import Registrar
from benchmarks.programs import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Any

    from benchmarks.side_by_side.clients import Client

__all__ = ["Line", "Run", "Server", "Stage", "play"]

ACCOUNT = ("sip:toto@sip.titi.com", "toto", "3600")
PASSWORD = "secret"
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Server:
    """A scripted server.

    Attributes:
        name: Short name.
        story: What it does, in a few words.
        play: Opens registrars, starts the client at one of them, and does to them what the story says.
        window: Seconds that are looked at, from the start of the client.
        mends: Whether a client that goes on trying is registered in the end.
    """

    name: str
    story: str
    play: Callable[[Stage], Awaitable[object]]
    window: float
    mends: bool


@dataclass(frozen=True, slots=True)
class Line:
    """What a client said about its account.

    Attributes:
        at: When, in seconds since its start.
        state: The state.
        reason: Its word for the reason.
        retry_at: When it will try again, in seconds since its start, if it says so.
    """

    at: float
    state: str
    reason: str = ""
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One client at one server.

    Attributes:
        client: Name and version.
        lines: What it said within the window.
        sent: When REGISTERs arrived, in seconds since its start; retransmissions are included.
        seconds: From what the story is about to the state that ends it well; ``None`` if that did not come.
        bindings: How many contacts the servers held for it at the end of the window.
        died: Whether it ended by itself.
    """

    client: str
    lines: tuple[Line, ...]
    sent: tuple[float, ...]
    seconds: float | None
    bindings: int
    died: bool = False


@dataclass(slots=True)
class Stage:
    """Registrars, one client, and the moment from which time counts."""

    client: Client
    version: str = ""
    started_at: float = 0.0
    _told: list[dict[str, Any]] = field(default_factory=list)
    _registrars: list[Registrar] = field(default_factory=list)
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)
    _process: Process | None = None
    _reader: asyncio.Task[None] | None = None
    _since: float | None = None
    _goal: str = "Ok"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def open(self, **options: Any) -> Registrar:
        """A registrar that listens; the options are those of `Registrar`."""
        registrar = await self._open.enter_async_context(Registrar(**options))
        self._registrars.append(registrar)
        return registrar

    async def start(self, registrar: Registrar) -> None:
        """Start the client, which registers there at once.

        Raises:
            UnavailableError: It does not start.
        """
        home = self._open.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        errors = self._open.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115 - the stack closes it
        environment = os.environ | {"HOME": f"{home}/", "SIP_PASSWORD": PASSWORD}
        self._process = await asyncio.create_subprocess_exec(
            *self.client.command,
            registrar.uri,
            *ACCOUNT,
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
            cwd=self.client.directory,
            env=environment,
        )
        self._open.push_async_callback(self._end)
        try:
            first = await asyncio.wait_for(self._line(), _PATIENCE)
        except TimeoutError:
            first = None
        if first is None:
            errors.seek(0)
            last = (errors.read().splitlines() or ["without a word"])[-1]
            raise UnavailableError(f"{self.client.name} does not start: {last}")
        self.version, self.started_at = first["client"], first["at"]
        self._reader = asyncio.create_task(self._read())

    async def serve(self, **options: Any) -> Registrar:
        """Open a registrar and start the client at it."""
        registrar = await self.open(**options)
        await self.start(registrar)
        return registrar

    def unregister(self) -> None:
        """Have the client switch registration off; what counts is when it is Cleared."""
        assert self._process is not None
        assert self._process.stdin is not None
        self.mark("Cleared")
        self._process.stdin.write(b"unregister\n")

    def mark(self, goal: str = "Ok") -> None:
        """From now on the time until this state counts, not from the start."""
        self._since, self._goal = asyncio.get_running_loop().time(), goal

    async def run(self, server: Server) -> Run:
        """Play a server to the end of its window."""
        await server.play(self)
        loop = asyncio.get_running_loop()
        end = self.started_at + server.window
        assert self._reader is not None
        await asyncio.wait([self._reader], timeout=end - loop.time())
        lines = [_line(told, self.started_at) for told in self._told if told["at"] <= end]
        since = 0.0 if self._since is None else self._since - self.started_at
        reached = next((line.at - since for line in lines if line.at >= since and line.state == self._goal), None)
        packets = [packet for registrar in self._registrars for packet in registrar.requests]
        return Run(
            client=self.version,
            lines=tuple(lines),
            sent=tuple(sorted(round(packet.at - self.started_at, 3) for packet in packets if packet.at <= end)),
            seconds=reached,
            bindings=sum(len(held) for registrar in self._registrars for held in registrar.bindings.values()),
            died=self._reader.done(),
        )

    async def _read(self) -> None:
        while told := await self._line():
            self._told.append(told)

    async def _line(self) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        told: dict[str, Any] | None = json.loads(line) if line else None
        return told

    async def _end(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._reader is not None:
            await self._reader


async def play(server: Server, client: Client) -> Run:
    """Put a client before a server."""
    async with Stage(client) as stage:
        return await stage.run(server)


def _line(told: dict[str, Any], started_at: float) -> Line:
    retry_at = told.get("retry_at")
    return Line(
        told["at"] - started_at, told["state"], told["reason"], None if retry_at is None else retry_at - started_at
    )
