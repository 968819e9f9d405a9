"""The logic of `benchmarks.side_by_side`, with our client alone: no liblinphone is needed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks.programs import UnavailableError
from benchmarks.side_by_side import __main__ as script
from benchmarks.side_by_side.clients import Client, build_linphone
from benchmarks.side_by_side.servers import SERVERS
from benchmarks.side_by_side.stage import Line, Run, Server, Stage, play
from benchmarks.side_by_side.table import as_table, remark, states

if TYPE_CHECKING:
    from pathlib import Path


async def take(stage: Stage) -> None:
    await stage.serve()


SERVER = Server("takes-all", "200", take, 1.0, mends=True)


def run_of(*said: str, sent: int = 1, bindings: int = 1, retry_at: float | None = None) -> Run:
    lines = tuple(Line(float(at), state, "", retry_at) for at, state in enumerate(said))
    reached = next((line.at for line in lines if line.state == "Ok"), None)
    return Run("client 1.0", lines, tuple(map(float, range(sent))), reached, bindings)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("", "nothing"),
        ("Progress Ok", "Progress, Ok"),
        ("Progress Ok Ok Ok", "Progress, Ok x3"),
        ("Progress Ok Refreshing Ok Refreshing Ok", "Progress, (Ok, Refreshing) x2, Ok"),
        ("Progress Ok Refreshing Refreshing Failed", "Progress, Ok, Refreshing x2, Failed"),
    ],
)
def test_repeated_states_are_counted(said: str, text: str) -> None:
    assert states(run_of(*said.split())) == text


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (run_of("Progress", "Ok"), ""),
        (run_of("Progress", "Failed", bindings=0), ""),
        (run_of("Progress", "Ok", bindings=0), "says Ok without a binding"),
        (run_of("Progress"), "says Progress with a binding"),
        (run_of("Progress", "Ok", sent=50), "sends 50 a second"),
        (run_of("Progress", "Failed", bindings=0, retry_at=42.4), "announces its next attempt for second 42"),
    ],
)
def test_the_remark_tells_what_the_states_do_not(run: Run, text: str) -> None:
    assert remark(run, SERVER) == text


def test_the_table_has_both_clients_in_a_row() -> None:
    runs = {"one": [run_of("Progress", "Ok")], "other": [run_of("Progress", "Failed", bindings=0)]}
    assert as_table([SERVER], runs).splitlines()[2] == (
        "| `takes-all` | 200 | Progress, Ok | 1 | 1.0 | Progress, Failed | 1 | not in 1 |  |"
    )


def test_servers_have_names_of_their_own() -> None:
    assert len({server.name for server in SERVERS}) == len(SERVERS) >= 20


def test_a_missing_program_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"^pkg-config is not installed$"):
        build_linphone(tmp_path)


def test_ours_runs_alone_where_there_is_no_liblinphone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unavailable(directory: Path) -> None:
        raise UnavailableError("no compiler")

    monkeypatch.setattr(script, "build_linphone", unavailable)
    monkeypatch.setattr(script, "SERVERS", [SERVER])
    script.main(["--json", "--only", "takes-all"])
    printed = capsys.readouterr()
    assert printed.err == "ours runs alone, because there is no liblinphone to run: no compiler\n"
    [row] = json.loads(printed.out)
    run = row["runs"]["aiosipreg"]
    assert [line["state"] for line in run["lines"]] == ["Progress", "Ok"]
    assert (len(run["sent"]), run["bindings"], run["died"]) == (2, 1, False)
    assert 0 <= run["seconds"] < 1


async def test_a_client_that_does_not_start_is_told_with_its_last_word() -> None:
    program = ("sh", "-c", "echo first >&2; echo no sound card >&2")
    with pytest.raises(UnavailableError, match=r"^other does not start: no sound card$"):
        await play(SERVER, Client("other", program))


def test_an_unknown_server_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        script.main(["--only", "no-such-server"])
    assert "no such server: no-such-server; there are well-behaved, " in capsys.readouterr().err
