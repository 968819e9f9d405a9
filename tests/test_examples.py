"""Every program in examples/ runs to its end by itself, on the embedded registrar, without a word on stderr.

The three that follow the tutorial's chapters run against Kamailio too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.kamailio import Options, kamailio_running

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
CHAPTERS = ["registration", "authentication", "unregistration"]
LIFE = ["Progress", "Ok", "Refreshing", "Ok", "Progress", "Cleared"]


def output_of(path: Path, directory: Path, *arguments: str, **environment: str) -> str:
    """What the program writes; it must end well and be silent on stderr."""
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", path, *arguments],
        cwd=directory,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=45,
    )
    assert result.returncode == 0, result.stderr
    # That asyncio took longer than 0.1 s over something tells of the machine that the tests share.
    assert [line for line in result.stderr.splitlines() if not line.startswith("Executing <")] == []
    return result.stdout


def states_in(output: str) -> list[str]:
    return re.findall(r"^New registration state (\w+) for sip:toto@\S+ at proxy sip:\S+$", output, re.MULTILINE)


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_example_runs(path: Path, tmp_path: Path) -> None:
    output = output_of(path, tmp_path)
    assert output.strip(), "an example shows what happens"
    assert states_in(output) == (LIFE if path.stem in CHAPTERS else [])


@pytest.mark.parametrize("options", [Options(), Options(algorithm="SHA-256")], ids=["MD5", "SHA-256"])
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_runs_on_kamailio(chapter: str, options: Options, tmp_path: Path) -> None:
    program = ROOT / "examples" / f"{chapter}.py"
    with kamailio_running(tmp_path, options) as kamailio:
        output = output_of(program, tmp_path, "toto", "sip.titi.com", kamailio.uri, AIOSIPREG_PASSWORD="secret")
        assert states_in(output) == LIFE
        left = kamailio.call("ul.dump")["Domains"][0]["Domain"]["AoRs"]
        assert left == []


def test_a_program_that_is_refused_says_so(tmp_path: Path) -> None:
    program = ROOT / "examples" / "registration.py"
    with kamailio_running(tmp_path, Options()) as kamailio:
        result = subprocess.run(
            [sys.executable, program, "toto", "sip.titi.com", kamailio.uri],
            env=os.environ | {"AIOSIPREG_PASSWORD": "wrong"},
            capture_output=True,
            text=True,
            timeout=45,
        )
    assert result.returncode == 1
    assert "AuthenticationFailed" in result.stderr
    assert states_in(result.stdout)[:2] == ["Progress", "Failed"]
    assert "wrong" not in result.stdout + result.stderr
