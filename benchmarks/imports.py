"""How long the import takes in a fresh process, beside Python itself, from each build; byte code is there already."""

from __future__ import annotations

import sys
import tempfile
from typing import TYPE_CHECKING

from benchmarks.builds import BUILDS, SOURCES
from benchmarks.measure import Figure, Sample, figures
from benchmarks.programs import Child

if TYPE_CHECKING:
    from benchmarks.builds import Build
    from benchmarks.measure import Effort

__all__ = ["measured"]

_OURS = "import aiosipreg"


def measured(effort: Effort) -> list[Figure]:
    absent = {build: why for build in BUILDS if (why := build.missing())}
    builds = [build for build in BUILDS if build not in absent]
    statements = {"Python": ("pass", SOURCES), "import asyncio": ("import asyncio", SOURCES)}
    statements |= {build.of(_OURS): (_OURS, build) for build in builds}
    samples: dict[str, list[Sample]] = {name: [] for name in statements}
    for build in builds:
        _started(_OURS, build)
    for _ in range(effort.runs):
        for name, statement in statements.items():
            samples[name].append(_started(*statement))
    limits = {name: "Python" for name in samples if name != "Python"}
    for build in builds:
        samples[build.of(f"{_OURS} without Python")] = [
            Sample(whole.cpu - base.cpu, whole.wall - base.wall)
            for whole, base in zip(samples[build.of(_OURS)], samples["Python"], strict=True)
        ]
    rows = figures("import", samples, limits=limits)
    return rows + [Figure("import", build.of(_OURS), note=why) for build, why in absent.items()]


def _started(statement: str, build: Build) -> Sample:
    # Whatever the environment says, byte code is written; else what is measured is the compiler.
    command = [sys.executable, "-E", "-c", f"import sys; sys.path.insert(0, {str(build.root)!r}); {statement}"]
    with tempfile.TemporaryDirectory() as directory, Child(command, -1, directory) as child:
        return child.ended()
