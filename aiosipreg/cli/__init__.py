"""The command line; it needs click and rich, which the extra ``cli`` brings."""

from __future__ import annotations

import sys

__all__ = ["main"]

_OF_THE_EXTRA = ("click", "rich")


def main() -> None:
    """Run the command line and leave the process; the entry point of ``aiosipreg`` and of ``python -m aiosipreg``."""
    try:
        from aiosipreg.cli.app import run_command_line
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OF_THE_EXTRA:
            raise
        sys.exit("aiosipreg: the command line needs click and rich; install them with: pip install 'aiosipreg[cli]'")
    run_command_line()
