"""Commands as users run them: in this process for their words, as a process of their own for signals and terminals."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from click.testing import CliRunner

from aiosipreg.cli.app import aiosipreg

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator, Callable, Mapping

    from click.testing import Result

SECRET = "hunter2-Grüße"
PATIENCE = 30.0

ECHO_IS_OFF = " (empty for none): "
"""The end of the prompt: its last blank is written when the terminal does not show any more what is typed."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SPOILT = ("AIOSIPREG_PASSWORD", "COLUMNS", "FORCE_COLOR", "NO_COLOR", "TERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


def invoke(*arguments: str, password: str | None = None, stdin: str | bytes | None = None) -> Result:
    """Run a command in this process; ``password`` stands in the environment."""
    runner = CliRunner(env={"AIOSIPREG_PASSWORD": password})
    return runner.invoke(aiosipreg, arguments, prog_name="aiosipreg", input=stdin)


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process: nothing that depends on where the tests run."""
    clean = {name: value for name, value in os.environ.items() if name not in _SPOILT}
    return {**clean, "TERM": "xterm-256color", **more}


def plain(text: str) -> str:
    """What a terminal shows of it, roughly: without colours and cursor movements."""
    return _ESCAPES.sub("", text).replace("\r\n", "\n")


class Shell:
    """One process with its output in pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.output = ""
        self._stdout = process.stdout
        self._errors = asyncio.ensure_future(process.stderr.read())

    async def until(self, wanted: str) -> str:
        """Read lines until one has these words in it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                line = (await self._stdout.readline()).decode()
                self.output += line
                if not line:
                    raise AssertionError(f"{wanted!r} never came: {self.output!r}, {(await self._errors).decode()!r}")
                if wanted in line:
                    return line

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self) -> tuple[int, str, str]:
        """Exit code, whole standard output and standard error."""
        async with asyncio.timeout(PATIENCE):
            self.output += (await self._stdout.read()).decode()
            return await self.process.wait(), self.output, (await self._errors).decode()


@asynccontextmanager
async def started(*arguments: str, stdin: bytes = b"", **env: str) -> AsyncIterator[Shell]:
    """``python -m aiosipreg`` with these arguments; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-W", "error", "-m", "aiosipreg", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=environment(env),
    )  # fmt: skip
    assert process.stdin is not None
    shell = Shell(process)
    try:
        process.stdin.write(stdin)
        process.stdin.close()
        yield shell
    finally:
        if process.returncode is None:
            process.kill()
        await shell.end()
        # The pipe's transport closes one turn after the process.
        await process.stdin.wait_closed()


async def ran(*arguments: str, stdin: bytes = b"", **env: str) -> tuple[int, str, str]:
    """Run ``python -m aiosipreg`` to its end."""
    async with started(*arguments, stdin=stdin, **env) as shell:
        return await shell.end()


class Terminal:
    """One process on a terminal of its own, 80 columns wide."""

    def __init__(self, master: int) -> None:
        self.screen = ""
        self._master = master
        self._more = asyncio.Event()
        self.process: asyncio.subprocess.Process | None = None
        os.set_blocking(master, False)
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            data = b""
        if not data:
            self.close()
        self.screen += data.decode(errors="replace")
        self._more.set()

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    async def until(self, wanted: Callable[[str], object]) -> None:
        """Wait until what was shown so far satisfies this."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not wanted(plain(self.screen)):
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"never shown: {self.screen!r}") from None

    async def end(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await cast("asyncio.subprocess.Process", self.process).wait()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)


@asynccontextmanager
async def on_terminal(*arguments: str, **env: str) -> AsyncIterator[Terminal]:
    """``python -m aiosipreg`` on a terminal."""
    master, slave = pty.openpty()
    terminal = Terminal(master)
    try:
        process = terminal.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "aiosipreg", *arguments,
            stdin=slave, stdout=slave, stderr=slave, env=environment({"COLUMNS": "80", **env}),
            preexec_fn=lambda: os.login_tty(slave),
        )  # fmt: skip
        try:
            yield terminal
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    finally:
        terminal.close()
        os.close(slave)
        os.close(master)
