"""Programs in C that are measured, or that answer: compiled on demand and kept in a cache directory."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

__all__ = ["HERE", "UnavailableError", "built", "output"]

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
    text = (HERE / source).read_bytes()
    name = hashlib.sha256(b"\0".join([text, *(flag.encode() for flag in flags)])).hexdigest()[:16]
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
