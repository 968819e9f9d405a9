"""Randomness that nobody can guess (floor 3; RFC 3261 19.3, SEC-14): the system's, fetched a page at a time.

Each message needs some octets of it, for a branch, a cnonce or a waiting time, and a call of the system costs more than
what is done with them.
"""

from __future__ import annotations

import os
from random import SystemRandom
from typing import Final

__all__ = ["Chance"]

_PAGE: Final = 4096


class Chance(SystemRandom):
    """Like its base; every octet that the system gave is used once, also after a fork. Not for several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._page = b""
        self._used = 0
        self._process = os.getpid()

    def random(self) -> float:
        """A number from 0 up to but not including 1."""
        return (int.from_bytes(self._take(7), "big") >> 3) * 2**-53

    def getrandbits(self, k: int) -> int:
        """So many random bits.

        Raises:
            ValueError: Fewer than none.
        """
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        count = (k + 7) // 8
        return int.from_bytes(self._take(count), "big") >> (8 * count - k)

    def _take(self, count: int) -> bytes:
        start, self._used = self._used, self._used + count
        if self._used > len(self._page) or self._process != os.getpid():
            self._process = os.getpid()
            self._page = os.urandom(max(_PAGE, count))
            start, self._used = 0, count
        return self._page[start : self._used]
