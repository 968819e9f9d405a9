"""Randomness that nobody can guess (floor 3; RFC 3261 19.3, SEC-14): the system's, fetched a page at a time.

Each message needs some octets of it, for a branch, a cnonce or a waiting time, and a call of the system costs more than
what is done with them.
"""

from __future__ import annotations

import os
from io import BytesIO
from random import SystemRandom
from typing import Final
from weakref import WeakSet

__all__ = ["Chance"]

_PAGE: Final = 4096
_living: Final[WeakSet[Chance]] = WeakSet()


class Chance(SystemRandom):
    """Like its base; every octet that the system gave is used once, also after a fork. Not for several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._page = BytesIO()
        _living.add(self)

    def random(self) -> float:
        """A number from 0 up to but not including 1."""
        return (int.from_bytes(self.randbytes(7), "big") >> 3) * 2**-53

    def getrandbits(self, k: int) -> int:
        """So many random bits.

        Raises:
            ValueError: Fewer than none.
        """
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        count = (k + 7) // 8
        return int.from_bytes(self.randbytes(count), "big") >> (8 * count - k)

    def randbytes(self, n: int) -> bytes:
        """So many random octets.

        Raises:
            ValueError: Fewer than none.
        """
        if n < 0:
            raise ValueError("number of octets must be non-negative")
        octets = self._page.read(n)
        if len(octets) < n:
            self._page = BytesIO(os.urandom(max(_PAGE, n)))
            octets = self._page.read(n)
        return octets


def _forked() -> None:
    # To ask for the process id each time is a call of the system.
    for chance in _living:
        chance._page = BytesIO()


if hasattr(os, "register_at_fork"):  # Where there is none, nothing forks.
    os.register_at_fork(after_in_child=_forked)
