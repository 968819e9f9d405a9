"""aiosipreg/cli/__init__.py and aiosipreg/__main__.py: how the command line is entered."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points, version

import pytest

from aiosipreg.cli import main


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=30)


def without(*modules: str) -> subprocess.CompletedProcess[str]:
    blocked = "".join(f"sys.modules[{module!r}] = None; " for module in modules)
    return python("-c", f"import sys; {blocked}from aiosipreg.cli import main; main()")


@pytest.mark.parametrize("module", ["click", "rich", "rich.console"])
def test_a_missing_extra_is_named_in_one_sentence(module: str) -> None:
    result = without(module)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        "aiosipreg: the command line needs click and rich; install them with: pip install 'aiosipreg[cli]'\n"
    )


def test_another_missing_module_is_not_blamed_on_the_extra() -> None:
    result = without("aiosipreg.cli.demo")
    assert result.returncode == 1
    assert "aiosipreg[cli]" not in result.stderr
    assert "aiosipreg.cli.demo" in result.stderr


def test_python_m_aiosipreg_is_the_command_line() -> None:
    result = python("-m", "aiosipreg", "--version")
    build = " (compiled)" if "AIOSIPREG_COMPILED" in os.environ else ""
    assert (result.returncode, result.stdout) == (0, f"aiosipreg {version('aiosipreg')}{build}\n")


def test_the_version_tells_that_the_inner_floors_are_compiled() -> None:
    pretend = "from importlib import machinery; machinery.EXTENSION_SUFFIXES.append('.py')"
    result = python("-c", f"{pretend}; from aiosipreg.cli import main; main()", "--version")
    assert (result.returncode, result.stdout) == (0, f"aiosipreg {version('aiosipreg')} (compiled)\n")


def test_importing_main_module_runs_nothing() -> None:
    assert python("-c", "import aiosipreg.__main__").stdout == ""


def test_the_entry_point_leads_here() -> None:
    (script,) = entry_points(group="console_scripts", name="aiosipreg")
    assert script.load() is main
