"""How long the import takes in a fresh process, beside Python itself; byte code is there already."""

from __future__ import annotations

import sys
import tempfile
from typing import TYPE_CHECKING

from benchmarks.measure import Sample, figures
from benchmarks.programs import HERE, Child

if TYPE_CHECKING:
    from benchmarks.measure import Effort, Figure

__all__ = ["measured"]

_STATEMENTS = {"Python": "pass", "import asyncio": "import asyncio", "import aiosipreg": "import aiosipreg"}


def measured(effort: Effort) -> list[Figure]:
    samples: dict[str, list[Sample]] = {name: [] for name in _STATEMENTS}
    _started("import aiosipreg")
    for _ in range(effort.runs):
        for name, statement in _STATEMENTS.items():
            samples[name].append(_started(statement))
    own = [
        Sample(whole.cpu - base.cpu, whole.wall - base.wall)
        for whole, base in zip(samples["import aiosipreg"], samples["Python"], strict=True)
    ]
    limits = {name: "Python" for name in samples if name != "Python"}
    return figures("import", {**samples, "import aiosipreg without Python": own}, limits=limits)


def _started(statement: str) -> Sample:
    # Whatever the environment says, byte code is written; else what is measured is the compiler.
    command = [sys.executable, "-E", "-c", f"import sys; sys.path.insert(0, {str(HERE.parent)!r}); {statement}"]
    with tempfile.TemporaryDirectory() as directory, Child(command, -1, directory) as child:
        return child.ended()
