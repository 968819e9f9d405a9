"""``python -m benchmarks``: measure, and print the table."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import build, digest, holding, imports, machine, memory, network, parse, peers
from benchmarks.measure import Effort
from benchmarks.table import as_json, as_markdown, print_table
from benchmarks.targets import reached

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.measure import Figure

SUBJECTS: dict[str, Callable[[Effort], list[Figure]]] = {
    "parse": parse.measured,
    "build": build.measured,
    "digest": digest.measured,
    "machine": machine.measured,
    "udp": network.udp,
    "streams": network.streams,
    "peers": peers.measured,
    "holding": holding.measured,
    "memory": memory.measured,
    "import": imports.measured,
}


FULL = Effort(accounts=(1_000, 10_000, 100_000), seconds=60.0, full=True)


def main(arguments: Sequence[str] | None = None) -> None:
    usual = Effort()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what a registration costs.")
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"{', '.join(SUBJECTS)}; all by default")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into a file as well")
    parser.add_argument("--full", action="store_true", help="measure up to 100,000 accounts, which takes an hour")
    parser.add_argument("--runs", type=int, default=usual.runs, help="runs to take the median of (%(default)s)")
    parser.add_argument("--loops", type=int, default=usual.loops, help="repetitions within a run (%(default)s)")
    parser.add_argument("--accounts", type=int, nargs="+", help="how many accounts register, the fewest first")
    parser.add_argument("--seconds", type=float, help="how long accounts are held that have nothing to do")
    given = parser.parse_args(arguments)
    unknown = set(given.subjects) - SUBJECTS.keys()
    if unknown:
        parser.error(f"no such subject: {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    effort = replace(FULL if given.full else usual, runs=given.runs, loops=given.loops)
    if given.accounts:
        effort = replace(effort, accounts=tuple(given.accounts))
    if given.seconds is not None:
        effort = replace(effort, seconds=given.seconds)
    figures: list[Figure] = []
    for subject in given.subjects or SUBJECTS:
        print(f"bench: {subject}", file=sys.stderr)
        figures += SUBJECTS[subject](effort)
    figures += reached(figures)
    if given.markdown:
        given.markdown.write_text(as_markdown(figures, effort.runs))
    if given.json:
        print(as_json(figures, effort.runs))
    else:
        print_table(figures, effort.runs)


if __name__ == "__main__":
    main()
