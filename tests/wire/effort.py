"""Measuring how the time of a function grows with its input, for the promise that it grows linearly (ROB-3)."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from aiosipreg.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

SINGLE = '(),"<>;:=\\ \t@[]*%a?&/.-'
PAIRS = '\\" ", <" <, ;" "\\ =, a=" a=, a; %4 [: ::: a="b", <a> () (a'
PATTERNS = [*SINGLE, *PAIRS.split(), " a", ",a ", "a ="]
SIZE = 1024
GROWTH = 16


def growth(function: Callable[[str], object], pattern: str, prefix: str = "", size: int = SIZE) -> float:
    """How many times longer 16 times as much input takes: about 16 if linear, about 256 if quadratic."""
    return _seconds(function, _text(pattern, prefix, size * GROWTH)) / _seconds(function, _text(pattern, prefix, size))


def _text(pattern: str, prefix: str, size: int) -> str:
    return prefix + pattern * (size // len(pattern))


def _seconds(function: Callable[[str], object], text: str) -> float:
    # The best of several runs, in time of this thread: other work on the machine does not count.
    return min(_once(function, text) for _ in range(3))


def _once(function: Callable[[str], object], text: str) -> float:
    started = time.thread_time_ns()
    with contextlib.suppress(ParseError):
        function(text)
    # Whatever takes less than 20 microseconds is fast enough at any size here, and cannot be compared.
    return max(time.thread_time_ns() - started, 20_000)


LIMIT = 80
"""Between the two, far from both."""
