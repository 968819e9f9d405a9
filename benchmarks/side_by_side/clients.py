"""The two clients: how they are made and started."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OURS", "Client", "UnavailableError", "build_linphone"]

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "linphone_client.c"


class UnavailableError(Exception):
    """A client cannot be built or started; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Client:
    """A program that keeps one account registered.

    Attributes:
        name: Its name in the table.
        command: How it is started; SERVER IDENTITY USER EXPIRES are added.
        directory: Where it is started.
    """

    name: str
    command: tuple[str, ...]
    directory: Path = HERE.parent.parent


OURS = Client("aiosipreg", (sys.executable, "-m", "benchmarks.side_by_side.client"))


def build_linphone(directory: Path) -> Client:
    """Compile the client of liblinphone into a directory.

    Raises:
        UnavailableError: A program is missing, or the library is.
    """
    # Debian's linphone.pc names the libraries below liblinphone and forgets the library itself.
    flags = shlex.split(_output("pkg-config", "--cflags", "--libs", "linphone"))
    program = directory / "linphone_client"
    _output("cc", "-O1", "-o", str(program), str(SOURCE), *flags, "-llinphone")
    return Client("liblinphone", (str(program),), directory)


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except FileNotFoundError:
        raise UnavailableError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{command[0]} does not end") from None
    except subprocess.CalledProcessError as error:
        first = next((line for line in error.stderr.splitlines() if line.strip()), f"exit code {error.returncode}")
        raise UnavailableError(f"{command[0]}: {first.strip()}") from None
    return done.stdout
