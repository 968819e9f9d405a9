"""Processes: programs in C, compiled on demand and kept in a cache directory, and whatever is measured from outside."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

__all__ = ["HERE", "Child", "UnavailableError", "built", "output"]

HERE = Path(__file__).resolve().parent
_PATIENCE = 120.0


class UnavailableError(Exception):
    """A program is not installed or cannot be built; the text says why, in one line."""


def built(source: str, *packages: str, libraries: tuple[str, ...] = ()) -> Path:
    """The program made of a source file beside this one, compiled unless that was done before.

    Args:
        source: Name of the file.
        packages: What ``pkg-config`` is asked for.
        libraries: Libraries that no package names.

    Raises:
        UnavailableError: There is no compiler, or no such package, or it does not compile.
    """
    flags = shlex.split(output("pkg-config", "--cflags", "--libs", *packages)) if packages else []
    flags += [f"-l{library}" for library in libraries]
    texts = [file.read_bytes() for file in (HERE / source, *sorted(HERE.glob("*.h")))]
    name = hashlib.sha256(b"\0".join([*texts, *(flag.encode() for flag in flags)])).hexdigest()[:16]
    directory = _cache()
    program = directory / f"{Path(source).stem}-{name}"
    if not program.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            made = Path(scratch) / "program"
            output("cc", "-O2", "-o", str(made), str(HERE / source), *flags)
            # In one step, since another process may be at it too.
            made.replace(program)
    return program


class Child:
    """A process that is measured from outside: CPU seconds with those of its own children, and wall seconds.

    Args:
        command: Program and arguments.
        cpu: The CPU it is bound to, -1 for any.
        directory: Where it runs, and its home.
    """

    def __init__(self, command: Sequence[object], cpu: int, directory: str) -> None:
        self._name = Path(str(command[0])).name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the exit
        self._started_at = time.perf_counter()
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=directory,
            env=_environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        if cpu >= 0:
            os.sched_setaffinity(self._process.pid, {cpu})
        self._alarm = threading.Timer(_PATIENCE, self._process.kill)
        self._alarm.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._alarm.cancel()
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    def is_over(self) -> bool:
        """Whether it has ended, by itself or because it took too long."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def output(self) -> str:
        """What it prints until its end.

        Raises:
            UnavailableError: It fails.
        """
        assert self._process.stdout is not None
        printed = self._process.stdout.read()
        self.ended()
        return printed

    def ended(self) -> Sample:
        """Wait for the end; microseconds of the whole process.

        Raises:
            UnavailableError: It fails.
        """
        sample = self._reap()
        if self._process.returncode != 0:
            self._errors.seek(0)
            last = (self._errors.read().splitlines() or [f"exit code {self._process.returncode}"])[-1]
            raise UnavailableError(f"{self._name}: {last}")
        return sample

    def stopped(self, *, kill: bool = False) -> Sample:
        """Have it end now; microseconds of the whole process.

        Args:
            kill: Whether it gets no time to take its leave.

        Raises:
            UnavailableError: It had failed before.
        """
        if self.is_over():
            self.ended()
        (self._process.kill if kill else self._process.terminate)()
        return self._reap()

    def _reap(self) -> Sample:
        _, status, usage = os.wait4(self._process.pid, 0)
        wall = time.perf_counter() - self._started_at
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return Sample((usage.ru_utime + usage.ru_stime) * 1e6, wall * 1e6)


def _environment(home: str) -> dict[str, str]:
    # Nobody compiles the package anew every time, unless told so by this variable.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"HOME": f"{home}/"}


def output(*command: str) -> str:
    """What a command prints.

    Raises:
        UnavailableError: It is not installed, fails, or does not end within two minutes.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE)
    except FileNotFoundError:
        raise UnavailableError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{command[0]} does not end") from None
    except subprocess.CalledProcessError as error:
        first = next((line for line in error.stderr.splitlines() if line.strip()), f"exit code {error.returncode}")
        raise UnavailableError(f"{command[0]}: {first.strip()}") from None
    return done.stdout


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "aiosipreg-benchmarks"
