"""What runs is what was asked for: the sources, or the inner floors compiled (``hatch_build.py``).

``make compiled`` runs the whole suite on a compiled copy and says so in ``AIOSIPREG_COMPILED``.
"""

from __future__ import annotations

import inspect
import os
import tomllib
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import aiosipreg
import aiosipreg.wire

ROOT = Path(__file__).parent.parent
HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"][
    "custom"
]
COMPILED = "AIOSIPREG_COMPILED" in os.environ
MODULES = [
    path.relative_to(ROOT).as_posix()
    for package in HOOK["packages"]
    for path in sorted((ROOT / package).glob("[!_]*.py"))
]


@pytest.mark.parametrize("path", MODULES)
def test_a_module_is_compiled_or_not_as_asked(path: str) -> None:
    place = import_module(path.removesuffix(".py").replace("/", ".")).__file__ or ""
    assert place.endswith(tuple(EXTENSION_SUFFIXES)) is (COMPILED and path not in HOOK["python"])
    assert Path(place).is_relative_to(ROOT)


def test_what_stays_python_is_there() -> None:
    assert set(HOOK["python"]) < set(MODULES)


@pytest.mark.parametrize("package", [aiosipreg, aiosipreg.wire], ids=lambda package: package.__name__)
def test_no_public_class_is_compiled(package: object) -> None:
    """They can be subclassed, pickled and read about with `help`, whatever runs beneath them."""
    classes = [getattr(package, name) for name in vars(package)["__all__"] if inspect.isclass(getattr(package, name))]
    sources = {f"{made.__module__.replace('.', '/')}.py" for made in classes}
    assert not sources & (set(MODULES) - set(HOOK["python"]))
