"""What is aimed at, beside what this run reached: each aim of which the run has the figures, by build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.builds import BUILDS
from benchmarks.measure import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.builds import Build

__all__ = ["reached"]

_SUBJECT = "aims"


class _Run:
    """The figures of a run by subject and name."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._figures = {(figure.subject, figure.name): figure for figure in figures}

    def cpu(self, subject: str, name: str) -> float:
        cpu = self._figures[subject, name].cpu
        if cpu is None:
            raise KeyError(name)
        return cpu

    def ratio(self, subject: str, name: str) -> float:
        ratio = self._figures[subject, name].ratio
        if ratio is None:
            raise KeyError(name)
        return ratio[0]

    def amount(self, subject: str, name: str) -> float:
        amount = self._figures[subject, name].amount
        if amount is None:
            raise KeyError(name)
        return amount


def _aims(build: Build) -> tuple[tuple[str, str, float, Callable[[_Run], float]], ...]:
    """What one build aims at: name, unit, how much at most, and where the run has it."""
    uv, stock = build.of("udp, 10000 accounts, uvloop"), build.of("udp, 10000 accounts, asyncio")
    few, ours = "peers, 1000 accounts", build.of("aiosipreg on uvloop")
    growth, imported = build.of("growth, uvloop"), build.of("import aiosipreg without Python")
    some, many = (build.of(f"holding, {accounts} accounts, uvloop") for accounts in (1_000, 100_000))
    return (
        ("registration, uvloop, 10 000 accounts", "µs", 70, lambda run: run.cpu(uv, "registration")),
        ("the same, of straight-line code", "x", 1.8, lambda run: run.ratio(uv, "registration")),
        ("the same, of libre among 1 000", "x", 0.6, lambda run: run.cpu(uv, "registration") / run.cpu(few, "libre")),
        ("registration, asyncio, 10 000 accounts", "µs", 90, lambda run: run.cpu(stock, "registration")),
        (
            "registration, uvloop, 1 000 accounts, of SIPp", "x", 1.0,
            lambda run: run.cpu(few, ours) / run.cpu(few, "SIPp"),
        ),
        (
            "refresh of a registration, uvloop, 10 000 accounts", "x", 0.55,
            lambda run: run.cpu(uv, "refresh") / run.cpu(uv, "registration"),
        ),
        ("growth, 1 000 to 10 000 accounts", "x", 1.25, lambda run: run.ratio(growth, "registration among 10000")),
        ("growth, 1 000 to 100 000 accounts", "x", 1.25, lambda run: run.ratio(growth, "registration among 100000")),
        ("memory of one of 1 000 accounts", "kB", 4, lambda run: run.amount(some, "memory")),
        ("memory of one of 100 000 accounts", "kB", 4, lambda run: run.amount(many, "memory")),
        ("idle with 100 000 accounts", "% of a core", 0.5, lambda run: run.amount(many, "idle")),
        ("100 000 accounts Ok", "s", 12, lambda run: run.amount(many, "start-up")),
        ("import", "ms", 120, lambda run: run.cpu("import", imported) / 1000),
    )  # fmt: skip


def reached(figures: Sequence[Figure]) -> list[Figure]:
    """A row for each aim of each build, with what is wanted as its note."""
    run = _Run(figures)
    rows = []
    for build in BUILDS:
        for name, unit, most, value in _aims(build):
            try:
                amount = value(run)
            except KeyError:
                continue
            verdict = "reached" if amount <= most else "missed"
            rows.append(Figure(_SUBJECT, build.of(name), amount=amount, unit=unit, note=f"at most {most:g}: {verdict}"))
    return rows
