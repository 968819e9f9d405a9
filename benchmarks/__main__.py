"""``python -m benchmarks``: measure, and print the table."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from benchmarks import build, digest, machine, parse, udp
from benchmarks.measure import Effort
from benchmarks.table import as_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.measure import Figure

SUBJECTS: dict[str, Callable[[Effort], list[Figure]]] = {
    "parse": parse.measured,
    "build": build.measured,
    "digest": digest.measured,
    "machine": machine.measured,
    "udp": udp.measured,
}


def main(arguments: Sequence[str] | None = None) -> None:
    usual = Effort()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what a registration costs.")
    parser.add_argument("subjects", nargs="*", metavar="subject", help=f"{', '.join(SUBJECTS)}; all by default")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--runs", type=int, default=usual.runs, help="runs to take the median of (%(default)s)")
    parser.add_argument("--loops", type=int, default=usual.loops, help="repetitions within a run (%(default)s)")
    parser.add_argument("--accounts", type=int, nargs="+", default=usual.accounts, help="how many accounts register")
    given = parser.parse_args(arguments)
    unknown = set(given.subjects) - SUBJECTS.keys()
    if unknown:
        parser.error(f"no such subject: {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}")
    effort = Effort(runs=given.runs, loops=given.loops, accounts=tuple(given.accounts))
    figures = [figure for subject in given.subjects or SUBJECTS for figure in SUBJECTS[subject](effort)]
    if given.json:
        print(as_json(figures, effort.runs))
    else:
        print_table(figures, effort.runs)


if __name__ == "__main__":
    main()
