"""The two clients: how they are made and started."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.programs import output

__all__ = ["OURS", "Client", "build_linphone"]

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "linphone_client.c"


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
    flags = shlex.split(output("pkg-config", "--cflags", "--libs", "linphone"))
    program = directory / "linphone_client"
    output("cc", "-O1", "-o", str(program), str(SOURCE), *flags, "-llinphone")
    return Client("liblinphone", (str(program),), directory)
