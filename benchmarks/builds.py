"""The builds of the package that are measured: the sources as they are, and the copy with compiled inner floors.

Which of them runs is a matter of the directory that a process of its own is started in. ``.ci/compiled`` makes the
copy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING, Any

from benchmarks.programs import HERE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BUILDS", "SOURCES", "Build", "told"]

_CHECKOUT = HERE.parent
_REMEDY = ".ci/compiled .venv makes it"


@dataclass(frozen=True, slots=True)
class Build:
    """One of them.

    Attributes:
        name: What rows say of it; nothing for the sources.
        root: The checkout, or the copy of it.
    """

    name: str
    root: Path

    def of(self, title: str) -> str:
        """A title that says which build it is about."""
        return f"{title}, {self.name}" if self.name else title

    def missing(self) -> str:
        """Why it cannot be measured, in one line; nothing if it can."""
        if self.root == _CHECKOUT:
            return ""
        if not self.root.is_dir():
            return f"not there: {_REMEDY}"
        if _sources(self.root) != _sources(_CHECKOUT):
            return f"made from other sources: {_REMEDY} anew"
        # Python has several; the first is for this version alone.
        if not any(self.root.glob(f"aiosipreg/engine/*{EXTENSION_SUFFIXES[0]}")):
            return f"made for another Python: {_REMEDY} anew"
        return ""


def _sources(root: Path) -> dict[Path, bytes]:
    """What a build is made of, and what is run on it."""
    packages = [path for package in ("aiosipreg", "benchmarks") for path in (root / package).rglob("*.py")]
    return {path.relative_to(root): path.read_bytes() for path in (*root.glob("*.toml"), *root.glob("*.py"), *packages)}


SOURCES = Build("", _CHECKOUT)
BUILDS = SOURCES, Build("compiled", _CHECKOUT / ".compiled" / "tree")


def told(module: str, *arguments: object, build: Build = SOURCES) -> Any:
    """What a module of `benchmarks` prints as JSON, run in a process of its own.

    Args:
        module: Its name.
        arguments: What it is run with.
        build: What it measures.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(build.root)}
    done = subprocess.run(command, cwd=build.root, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)
