"""The figures as a table for people, by rich where it is installed, or as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Figure

__all__ = ["as_json", "as_markdown", "print_table"]

_COLUMNS = ("", "CPU µs", "wall µs", "per CPU s", "amount", "ratio (lowest to highest)", "of")


def machine() -> str:
    """What was measured on."""
    loads = "/".join(f"{load:.1f}" for load in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python} on {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, load {loads}"


def as_json(figures: Sequence[Figure], runs: int) -> str:
    """Everything that the table says."""
    return json.dumps({"machine": machine(), "runs": runs, "figures": [asdict(figure) for figure in figures]}, indent=1)


def _caption(runs: int) -> str:
    return (
        f"CPU time is user and system of the process that does the work. Medians; runs: {runs}; {machine()}.\n"
        "Machines differ and are busy: quote ratios, not microseconds."
    )


def as_markdown(figures: Sequence[Figure], runs: int) -> str:
    """The figures as a table in Markdown, for the documentation."""
    lines: list[tuple[str, ...]] = [_COLUMNS, ("---", *("--:",) * 5, "---")]
    for subject in dict.fromkeys(figure.subject for figure in figures):
        lines.append((f"**{subject}**", *("",) * 6))
        lines += [_cells(figure) for figure in figures if figure.subject == subject]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{_caption(runs)}\n"


def print_table(figures: Sequence[Figure], runs: int) -> None:
    """Print the figures, by subject."""
    caption = _caption(runs)
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        _print_plain(figures, caption)
        return
    table = Table(*_COLUMNS, caption=caption, caption_justify="left")
    for column in table.columns[1:6]:
        column.justify = "right"
        column.no_wrap = True
    for subject in dict.fromkeys(figure.subject for figure in figures):
        table.add_section()
        table.add_row(f"[bold]{subject}[/]")
        for figure in figures:
            if figure.subject == subject:
                table.add_row(*_cells(figure))
    # Piped into a file the table is as wide as it needs to be.
    Console(width=None if sys.stdout.isatty() else 180).print(table)


def _print_plain(figures: Sequence[Figure], caption: str) -> None:
    rows = [_COLUMNS, *map(_cells, figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    subject = None
    for row, figure in zip(rows, (None, *figures), strict=True):
        if figure is not None and figure.subject != subject:
            subject = figure.subject
            print(f"\n{subject}")
        name, *numbers, limit = row
        cells = (f"{text:>{width}}" for text, width in zip(numbers, widths[1:-1], strict=True))
        print("  ".join((f"{name:<{widths[0]}}", *cells, limit)).rstrip())
    print(f"\n{caption}")


def _cells(figure: Figure) -> tuple[str, ...]:
    name = f"{figure.name} ({figure.note})" if figure.note else figure.name
    cpu, wall, rate = "-", "-", "-"
    if figure.cpu is not None and figure.wall is not None:
        cpu, wall, rate = f"{figure.cpu:,.2f}", f"{figure.wall:,.2f}", f"{1e6 / figure.cpu:,.0f}"
    amount = "" if figure.amount is None else f"{figure.amount:,.2f} {figure.unit}"
    ratio = "" if figure.ratio is None else "{:.2f} ({:.2f} to {:.2f})".format(*figure.ratio)
    return name, cpu, wall, rate, amount, ratio, figure.limit or ""
