"""The hosts file: names whose addresses are known without asking (floor 3)."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from aiosipreg.wire.host import parse_ip, plain_name

__all__ = ["HostsFile"]


class HostsFile:
    """Reads the file again when it has changed; one that is missing or cannot be read names nobody.

    Args:
        path: Where it is.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._read_when: tuple[int, int] | None = None
        self._names: dict[str, list[str]] = {}

    async def addresses(self, name: str) -> list[str]:
        """The addresses of a name, in the file's order; empty if the file does not name it.

        Args:
            name: A host name in lower case without the final dot.
        """
        try:
            status = os.stat(self._path)
        except OSError:
            return []
        state = status.st_mtime_ns, status.st_size
        if state != self._read_when:
            # Lists of blocked hosts make such files megabytes large: too much to read in the event loop.
            self._names = await asyncio.to_thread(_read, self._path)
            self._read_when = state
        return self._names.get(name, [])


def _read(path: str) -> dict[str, list[str]]:
    try:
        text = Path(path).read_text("utf-8", "replace")
    except OSError:
        return {}
    names: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *aliases = line.partition("#")[0].split() or [""]
        literal = parse_ip(address)
        for alias in aliases if literal is not None else ():
            known = names.setdefault(plain_name(alias), [])
            if literal is not None and literal not in known:
                known.append(literal)
    return names
