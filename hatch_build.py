"""Compiles the inner floors to native code while a wheel is built, if ``HATCH_BUILD_HOOKS_ENABLE=1`` asks for it.

The sources are the same, and what cannot be compiled stays Python; ``pyproject.toml`` lists it. Everything is made in a
temporary directory, because a compiled module beside its source would be imported in its place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileHook(BuildHookInterface):
    """Adds compiled modules to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless the installation is editable: then the sources are what runs."""
        if version == "editable":
            return
        self._directory = tempfile.mkdtemp()
        built = compiled(Path(self.root), Path(self._directory), self.config["packages"], self.config["python"])
        build_data["force_include"].update(built)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what is in the wheel by now."""
        shutil.rmtree(getattr(self, "_directory", ""), ignore_errors=True)


def compiled(root: Path, directory: Path, packages: list[str], python: list[str]) -> dict[str, str]:
    """Compile the modules of some packages.

    Args:
        root: The checkout.
        directory: Where everything is made.
        packages: Directories whose modules are compiled.
        python: Files in them that stay Python.

    Returns:
        The files that were made, each with its place in the wheel.
    """
    # Tools that only a compiled build needs.
    from mypyc.build import mypycify
    from setuptools import Distribution

    with chdir(root):
        sources = sorted(path.as_posix() for package in packages for path in Path(package).glob("[!_]*.py"))
        sources = [path for path in sources if path not in python]
        # What the package depends on may be installed only after it.
        options = ["--config-file=", "--ignore-missing-imports", "--cache-dir", os.devnull]
        # All in one go, so that calls between modules are calls of C functions.
        modules = mypycify(
            [*options, *sources],
            opt_level="3", debug_level="0", group_name="aiosipreg", target_dir=str(directory / "c"),
        )  # fmt: skip
        command = Distribution({"name": "aiosipreg", "ext_modules": modules}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(directory / "lib"), str(directory / "objects")
        command.ensure_finalized()
        command.run()
    made = directory / "lib"
    return {str(path): str(path.relative_to(made)) for path in made.rglob("*.*") if path.is_file()}
