"""The helpers of tests/peers: a missing program is never passed over in silence, a child never outlives its test."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.free_ports import free_port
from tests.peers import RUNNING, require, running

if TYPE_CHECKING:
    from pathlib import Path


def test_require_finds_programs_outside_of_a_users_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert require("ldconfig") in ("/usr/sbin/ldconfig", "/sbin/ldconfig")


def test_require_skips_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIOSIPREG_REQUIRE_PEERS", raising=False)
    with pytest.raises(
        pytest.skip.Exception, match=r"^nope is not installed \(Debian package nopes\); interop test sk"
    ):
        require("nope", "nopes")


def test_require_fails_where_everything_could_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOSIPREG_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match=r"^nope is not installed \(Debian package nope\)$"):
        require("nope")


def test_free_ports_differ() -> None:
    assert len({free_port() for _ in range(5)}) > 1


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_process_and_its_children_end_with_the_block(
    tmp_path: Path, stubborn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.peers.STOP_WITHIN", 0.2)
    script = tmp_path / "peer.sh"
    script.write_text(
        f"{'trap : TERM' if stubborn else ''}\necho $$ here\nread line < {tmp_path}/pipe\nread line < {tmp_path}/pipe\n"
    )
    os.mkfifo(tmp_path / "pipe")
    with running(["/bin/sh", str(script)], tmp_path / "log") as process:
        assert process in RUNNING
        while "here" not in process.output():
            assert not process.ended(within=0.01)
    assert process not in RUNNING
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_output_of_a_process_is_kept(tmp_path: Path) -> None:
    with running([sys.executable, "-c", "import sys; print('out'); sys.exit('err')"], tmp_path / "log") as process:
        assert process.ended(within=30)
    assert sorted(process.output().split()) == ["err", "out"]
