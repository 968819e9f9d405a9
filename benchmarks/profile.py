"""``python -m benchmarks.profile``: where the time of a registration goes, by file and by function.

The profiler makes calls dearer than they are, so shares are of some use and microseconds of none.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

from aiosipreg import Core
from benchmarks.accounts import loop_factory, registered, settings
from benchmarks.null_registrar import null_registrar
from benchmarks.programs import HERE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["profiled", "shares"]

_PACKAGE = f"{HERE.parent / 'aiosipreg'}/"
_ELSEWHERE = "Python and its event loop"
_MOST = 15


async def profiled(port: int, accounts: int) -> cProfile.Profile:
    """A profile of the registrations of so many accounts."""
    crowd = list(settings(port, range(accounts)))
    profile = cProfile.Profile()
    async with Core(pacing=None) as core:
        profile.enable()
        await registered(core, crowd)
        profile.disable()
    return profile


def shares(profile: cProfile.Profile) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Percent of the time, by file and by function of the package, the largest first."""
    files: dict[str, float] = defaultdict(float)
    functions: dict[str, float] = defaultdict(float)
    # typeshed does not know the attribute that the documentation of pstats leads to.
    stats: Mapping[tuple[str, int, str], tuple[int, int, float, float, Any]] = cast("Any", pstats.Stats(profile)).stats
    for (path, _, name), (_, _, seconds, _, _) in stats.items():
        file = path.removeprefix(_PACKAGE) if path.startswith(_PACKAGE) else _ELSEWHERE
        files[file] += seconds
        if file != _ELSEWHERE:
            functions[f"{file}: {name}"] += seconds
    whole = sum(files.values())

    def largest(parts: Mapping[str, float]) -> list[tuple[str, float]]:
        return sorted(((name, part / whole * 100) for name, part in parts.items()), key=lambda row: -row[1])[:_MOST]

    return largest(files), largest(functions)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accounts", type=int, default=2000, help="(%(default)s)")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="(%(default)s)")
    given = parser.parse_args(arguments)
    with null_registrar() as registrar, asyncio.Runner(loop_factory=loop_factory(given.loop)) as runner:
        profile = runner.run(profiled(registrar.port, given.accounts))
    for title, rows in zip(("File", "Function"), shares(profile), strict=True):
        lines = [f"| {title} | % |", "| --- | --: |", *(f"| `{name}` | {share:.1f} |" for name, share in rows)]
        print("\n".join(lines), end="\n\n")


if __name__ == "__main__":
    main()
