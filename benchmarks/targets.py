"""What is aimed at, beside what this run reached: each aim of which the run has the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


_UV, _STOCK = "udp, 10000 accounts, uvloop", "udp, 10000 accounts, asyncio"
_FEW, _GROWTH = "peers, 1000 accounts", "growth, uvloop"
_HELD = "holding, 100000 accounts, uvloop"

_AIMS: tuple[tuple[str, str, float, Callable[[_Run], float]], ...] = (
    ("registration, uvloop, 10 000 accounts", "µs", 70, lambda run: run.cpu(_UV, "registration")),
    ("the same, of straight-line code", "x", 1.8, lambda run: run.ratio(_UV, "registration")),
    ("the same, of libre among 1 000", "x", 0.6, lambda run: run.cpu(_UV, "registration") / run.cpu(_FEW, "libre")),
    ("registration, asyncio, 10 000 accounts", "µs", 90, lambda run: run.cpu(_STOCK, "registration")),
    (
        "registration, uvloop, 1 000 accounts, of SIPp", "x", 1.0,
        lambda run: run.cpu(_FEW, "aiosipreg on uvloop") / run.cpu(_FEW, "SIPp"),
    ),
    (
        "refresh of a registration, uvloop, 10 000 accounts", "x", 0.55,
        lambda run: run.cpu(_UV, "refresh") / run.cpu(_UV, "registration"),
    ),
    ("growth, 1 000 to 10 000 accounts", "x", 1.25, lambda run: run.ratio(_GROWTH, "registration among 10000")),
    ("growth, 1 000 to 100 000 accounts", "x", 1.25, lambda run: run.ratio(_GROWTH, "registration among 100000")),
    ("memory of one of 1 000 accounts", "kB", 4, lambda run: run.amount("holding, 1000 accounts, uvloop", "memory")),
    ("memory of one of 100 000 accounts", "kB", 4, lambda run: run.amount(_HELD, "memory")),
    ("idle with 100 000 accounts", "% of a core", 0.5, lambda run: run.amount(_HELD, "idle")),
    ("100 000 accounts Ok", "s", 12, lambda run: run.amount(_HELD, "start-up")),
    ("import", "ms", 120, lambda run: run.cpu("import", "import aiosipreg without Python") / 1000),
)  # fmt: skip


def reached(figures: Sequence[Figure]) -> list[Figure]:
    """A row for each aim, with what is wanted as its note."""
    run = _Run(figures)
    rows = []
    for name, unit, most, value in _AIMS:
        try:
            amount = value(run)
        except KeyError:
            continue
        verdict = "reached" if amount <= most else "missed"
        rows.append(Figure(_SUBJECT, name, amount=amount, unit=unit, note=f"at most {most:g}: {verdict}"))
    return rows
