"""Real programs that the package is tried against: started as children of the test, on free ports of 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

STOP_WITHIN = 5.0

RUNNING: list[Process] = []
"""What runs now; ``conftest.py`` shows its output beside the report of a test that failed."""


def require(program: str, package: str | None = None) -> str:
    """The path of a program.

    Where it is missing, the test is skipped with one line that says so; but with ``AIOSIPREG_REQUIRE_PEERS=1``, which
    the Makefile sets where it could install everything, the test fails: nothing is skipped silently in CI.
    """
    path = shutil.which(program, path=os.pathsep.join([os.environ["PATH"], "/usr/local/sbin", "/usr/sbin", "/sbin"]))
    if path is not None:
        return path
    give_up(f"{program} is not installed (Debian package {package or program})")


def give_up(message: str) -> NoReturn:
    """Skip the test, or fail it where everything that it needs should be there."""
    if os.environ.get("AIOSIPREG_REQUIRE_PEERS") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(f"{message}; interop test skipped")


class Process:
    """A child that writes to a file: started when made, stopped by :meth:`stop` with all its own children."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.name = os.path.basename(command[0])
        self._log = log
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        RUNNING.append(self)

    @property
    def pid(self) -> int:
        return self._child.pid

    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def ended(self, within: float = 0.0) -> bool:
        """Whether it ended, or ends within so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(within)
        return self._child.returncode is not None

    def signal(self, number: int) -> None:
        """Send a signal to it and all its own children."""
        os.killpg(self.pid, number)

    def stop(self) -> None:
        RUNNING.remove(self)
        self._child.terminate()
        with contextlib.suppress(ProcessLookupError):
            # What was stopped does not see that it has to end.
            self.signal(signal.SIGCONT)
        self.ended(within=STOP_WITHIN)
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self._child.wait()


@contextlib.contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[Process]:
    process = Process(command, log)
    try:
        yield process
    finally:
        process.stop()
