"""``python -m aiosipreg``: the command line."""

from __future__ import annotations

from aiosipreg.cli import main

if __name__ == "__main__":
    main()
