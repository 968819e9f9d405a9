"""How everything is measured: CPU and wall time per piece of work, medians of several runs, ratios within each run."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from itertools import repeat
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self, TypeAlias

__all__ = ["Effort", "Figure", "Sample", "Stopwatch", "Work", "compare", "figures", "looped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured.

    Attributes:
        runs: Runs of which the median is taken; five at least for a figure that is quoted.
        loops: How often a small piece of work is done within a run.
        accounts: How many accounts register, one row each, the fewest first.
        seconds: How long the most of them are held, once, that have nothing to do.
        full: Whether streams, other clients and what is held are measured with all these accounts, not with the fewest
            only.
    """

    runs: int = 5
    loops: int = 2000
    accounts: tuple[int, ...] = (1_000, 10_000)
    seconds: float = 1.0
    full: bool = False

    def crowds(self, most: int) -> tuple[int, ...]:
        """The numbers of accounts for what is slow: with more than ``most`` it takes hours."""
        return tuple(each for each in self.accounts if each <= most) if self.full else self.accounts[:1]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one piece of work took in one run, in microseconds."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table.

    Attributes:
        subject: What it belongs to.
        name: What was done.
        cpu: CPU microseconds for one piece of work, user and system; ``None`` if it could not be measured.
        wall: Wall microseconds, likewise.
        limit: What it is compared with, a row of the same subject.
        ratio: CPU time in units of the limit's: median, lowest and highest of the runs.
        note: What a reader has to know, such as why nothing was measured.
        amount: What was measured if it is no time for a piece of work, in ``unit``.
        unit: Of ``amount``.
    """

    subject: str
    name: str
    cpu: float | None = None
    wall: float | None = None
    limit: str | None = None
    ratio: tuple[float, float, float] | None = None
    note: str = ""
    amount: float | None = None
    unit: str = ""


class Stopwatch:
    """Adds up the time spent in its ``with`` blocks, in seconds."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def __enter__(self) -> Self:
        self.wall -= time.perf_counter()
        self.cpu -= time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu += time.process_time()
        self.wall += time.perf_counter()

    def sample(self, pieces: int) -> Sample:
        """What one of so many pieces of work took."""
        return Sample(self.cpu / pieces * 1e6, self.wall / pieces * 1e6)


Work: TypeAlias = "Callable[[Stopwatch], int]"
"""Does work, what counts of it under the stopwatch, and returns how many pieces it did."""


def looped(function: Callable[[], object], loops: int) -> Work:
    """A piece of work that is too small to be measured once."""

    def work(watch: Stopwatch) -> int:
        with watch:
            for _ in repeat(None, loops):
                function()
        return loops

    return work


def compare(
    subject: str,
    works: Mapping[str, Work],
    runs: int,
    *,
    limits: Mapping[str, str],
    notes: Mapping[str, str] | None = None,
) -> list[Figure]:
    """Measure all works in turn, run by run, so that what disturbs one disturbs the one it is compared with."""
    samples: dict[str, list[Sample]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            gc.collect()
            watch = Stopwatch()
            pieces = work(watch)
            samples[name].append(watch.sample(pieces))
    return figures(subject, samples, limits=limits, notes=notes)


def figures(
    subject: str,
    samples: Mapping[str, Sequence[Sample]],
    *,
    limits: Mapping[str, str],
    notes: Mapping[str, str] | None = None,
) -> list[Figure]:
    """The rows of a subject from its samples, of which there is one for each run.

    Args:
        subject: The subject.
        samples: Name of the row to its samples.
        limits: Name of a row to that of the row it is compared with.
        notes: Name of a row to its note.
    """
    rows = []
    for name, runs in samples.items():
        limit = limits.get(name)
        ratio = None
        if limit is not None:
            ratios = [mine.cpu / theirs.cpu for mine, theirs in zip(runs, samples[limit], strict=True)]
            ratio = (median(ratios), min(ratios), max(ratios))
        cpu, wall = median(run.cpu for run in runs), median(run.wall for run in runs)
        rows.append(Figure(subject, name, cpu, wall, limit, ratio, (notes or {}).get(name, "")))
    return rows
